"""Trials sorted into replicas and recipes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tasks.training.rectangle import Rectangle, per_trial
from tasks.training.trial import Trial
from tests.small_trials import trial_of


def trials_of(*names: str, seeds: tuple[int, ...] = (1, 0), folds: tuple[int | None, ...] = (None,)) -> list[Trial]:
    return [
        replace(trial_of(name, seed=seed), fold=fold, trial_id=f"{name}-{seed}-{fold}")
        for name in names
        for fold in folds
        for seed in seeds
    ]


def test_folds_of_a_seed_and_recipes_of_a_rule_are_neighbours() -> None:
    trials = trials_of("sgd", "adam", "adamw", "momentum", folds=(1, 0))
    rectangle = Rectangle.of(trials[::-1])
    assert rectangle.replicas == ((0, 0), (0, 1), (1, 0), (1, 1))
    assert (rectangle.seeds, rectangle.folds) == ([0, 0, 1, 1], [0, 1, 0, 1])
    assert (rectangle.shape, rectangle.size) == ((4, 4), 16)
    rules = [trial.optimizer.update.__name__ for trial in rectangle.recipes]
    assert rules == sorted(rules) and len(set(rules)) == 3, "adam and adamw share one"
    for s, r, trial in rectangle.cells():
        assert (trial.seed, trial.fold) == rectangle.replicas[s]
        assert trial.variant_id == rectangle.recipes[r].variant_id


def test_values_of_trials_are_an_array_of_replicas_and_recipes() -> None:
    rectangle = Rectangle.of(trials_of("sgd", "adam", seeds=(0, 1, 2)))
    found = per_trial(rectangle.columns, lambda trial: (trial.seed, len(trial.variant_id)))
    np.testing.assert_array_equal(found[..., 0], [[0, 0], [1, 1], [2, 2]])
    np.testing.assert_array_equal(found[..., 1], [[4, 3]] * 3)


def test_some_recipes_are_a_rectangle_again() -> None:
    rectangle = Rectangle.of(trials_of("sgd", "adam", "lion"))
    fewer = rectangle.of_recipes([2, 0])
    assert fewer.columns == (rectangle.columns[2], rectangle.columns[0])
    assert fewer.replicas == rectangle.replicas


@pytest.mark.parametrize("left_out", [0, 3])
def test_every_recipe_has_every_replica(left_out: int) -> None:
    trials = trials_of("sgd", "adam")
    with pytest.raises(ValueError, match="every variant under every seed and fold"):
        Rectangle.of(trials[:left_out] + trials[left_out + 1 :])


def in_fold(name: str, variant: str, fold: int) -> Trial:
    return replace(trial_of(name, seed=fold), fold=fold, variant_id=variant, trial_id=f"{variant}-{fold}")


def test_recipes_of_one_kind_take_each_others_place_in_folds() -> None:
    trials = [
        *(in_fold("sgd", "slow sgd", 0), in_fold("adam", "adam", 0)),
        *(in_fold("adam", "adam", 1), in_fold("sgd", "fast sgd", 1)),
    ]
    rectangle = Rectangle.of(trials)
    assert rectangle.shape == (2, 2)
    for s, r, trial in rectangle.cells():
        assert trial.fold == rectangle.replicas[s][1]
        assert trial.optimizer.update is rectangle.recipes[r].optimizer.update
    assert {trial.trial_id for _, _, trial in rectangle.cells()} == {trial.trial_id for trial in trials}


def test_another_kind_does_not() -> None:
    with pytest.raises(ValueError, match="every variant under every seed and fold"):
        Rectangle.of([in_fold("sgd", "sgd", 0), in_fold("adam", "adam", 1)])
