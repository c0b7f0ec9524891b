"""A gradient search: descents side by side, each observations of its own settings alone."""

from __future__ import annotations

import math
from itertools import accumulate

import pytest

from tasks.search.descent import GRADIENT, STARTS, STEPS, starts
from tasks.search.method import Observation
from tasks.search.points import inside
from tasks.search.space import Dimension, Range, Setting, Space

SPACE: Space = (
    Dimension("adam.learning_rate", Range(1e-5, 1.0, log=True)),
    Dimension("l2", Range(1e-6, 0.1, log=True)),
)


def observation_of(setting: Setting) -> Observation:
    """A bowl around a learning rate of 0.01 and an l2 of 0.001, on logarithmic scales."""
    rate, l2 = setting["adam.learning_rate"], setting["l2"]
    far = math.log(rate / 0.01), math.log(l2 / 0.001)
    loss = far[0] ** 2 + far[1] ** 2
    return Observation(setting, -loss, loss, {"learning_rate": 2 * far[0] / rate, "l2": 2 * far[1] / l2})


def search(trials: int, seed: int = 0) -> list[Observation]:
    observations: list[Observation] = []
    for count in GRADIENT.batches(SPACE, trials):
        observations += [observation_of(each) for each in GRADIENT.suggest(SPACE, observations, count, trials, seed)]
    return observations


@pytest.mark.parametrize("trials", [1, 4, STEPS, 13, 2 * STEPS, 100])
def test_descents_fill_the_budget_side_by_side(trials: int) -> None:
    batches = GRADIENT.batches(SPACE, trials)
    assert sum(batches) == trials
    assert batches[0] == starts(trials) == max(1, min(STARTS, trials // STEPS))


def test_every_setting_lies_in_the_space_and_is_the_same_again() -> None:
    observations = search(30)
    assert all(inside(SPACE, each.setting) for each in observations)
    assert observations == search(30) != search(30, seed=1)


def test_each_descent_comes_nearer_by_its_own_gradients() -> None:
    observations = search(40)
    side_by_side = starts(40)
    for start in range(side_by_side):
        best = list(accumulate((each.loss for each in observations[start::side_by_side]), min))
        assert best[-1] < best[0] / 2 or best[0] < 2


def test_a_descent_goes_on_from_what_diverged() -> None:
    observations = [Observation(each, None) for each in GRADIENT.suggest(SPACE, [], 2, 10, 0)]
    after = GRADIENT.suggest(SPACE, observations, 2, 10, 0)
    for before, setting in zip(observations, after, strict=True):
        lower = max(before.setting["adam.learning_rate"] / 10, 1e-5)
        assert setting["adam.learning_rate"] == pytest.approx(lower)
