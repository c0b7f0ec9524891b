"""The effect of augmentation: which recipes are twins, and paired differences over seeds against SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from tasks.evaluation.augmentation import effects, pairs
from tasks.evaluation.comparison import holm
from tasks.evaluation.metrics import METRICS
from tasks.evaluation.recipe_results import RecipeResult
from tasks.records.plan import Recipe
from tasks.records.settings import RecipeSettings


def recipe(name: str, rate: float, augmentation: Any = None) -> Recipe:
    settings = {"rate": rate} | ({"augmentation": augmentation} if augmentation else {})
    return Recipe(name, name, "adam", "constant", name, RecipeSettings(settings))


def result_of(name: str, values: dict[int, float], metric: str = "accuracy") -> RecipeResult:
    return RecipeResult(
        name, name, "adam", "constant", len(values), dict.fromkeys(values, "t"), {("test", metric): values}, 1.0
    )


def test_twins_differ_in_augmentation_alone() -> None:
    recipes = [
        recipe("flip 1", 0.1, "flip"),
        recipe("plain 1", 0.1),
        recipe("noise 1", 0.1, "noise"),
        recipe("flip 2", 0.2, "flip"),
        recipe("noise 2", 0.2, "noise"),
        recipe("plain 3", 0.3),
    ]
    assert pairs(recipes) == [("flip 1", "plain 1"), ("noise 1", "plain 1"), ("noise 2", "flip 2")]
    assert pairs([recipe("a", 0.1), recipe("a again", 0.1)]) == []


@pytest.mark.parametrize(("metric", "sign"), [("accuracy", 1), ("rmse", -1)])
def test_the_difference_is_students_over_the_seeds_both_have(metric: str, sign: int) -> None:
    generator = np.random.default_rng(0)
    plain = {seed: float(value) for seed, value in enumerate(generator.normal(0.8, 0.02, 6))}
    better = {seed: value + float(generator.normal(0.05, 0.01)) for seed, value in plain.items() if seed != 3}
    same = {seed: value + (-1) ** seed * 0.01 * (1 + seed) for seed, value in plain.items()}
    recipes = [recipe("plain", 0.1), recipe("better", 0.1, "flip"), recipe("same", 0.1, "noise")]
    results = [
        result_of(name, values, metric) for name, values in (("same", same), ("plain", plain), ("better", better))
    ]
    (one, against, found), (_, _, other) = effects(recipes, results, METRICS[metric], confidence=0.9, resolution=0.0)
    differences = sign * np.array([better[seed] - plain[seed] for seed in better])
    low, high = stats.ttest_1samp(differences, 0).confidence_interval(0.95)  # Holm's first step of two
    assert (one.id, against.id, found.pairs) == ("better", "plain", 5)
    assert (found.difference, found.low, found.high) == pytest.approx((differences.mean(), low, high))
    ps = [
        stats.ttest_rel([values[seed] for seed in values], [plain[seed] for seed in values]).pvalue
        for values in (better, same)
    ]
    assert [found.p_holm, other.p_holm] == pytest.approx(holm(ps))
    assert (found.answer, other.answer) == ("better" if sign > 0 else "worse", "can't tell")


def test_a_recipe_without_trials_can_not_be_told() -> None:
    recipes = [recipe("plain", 0.1), recipe("lost", 0.1, "flip")]
    ((_, _, found),) = effects(
        recipes,
        [result_of("plain", {0: 1.0}), result_of("lost", {})],
        METRICS["accuracy"],
        confidence=0.9,
        resolution=0,
    )
    assert (found.pairs, found.difference, found.answer) == (0, None, "can't tell")
