"""What augmentation did to the metric: recipes that differ in nothing else, paired by seed."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tasks.dataset import TEST
from tasks.evaluation.comparison import Comparison, compare_with_each
from tasks.evaluation.metrics import Metric
from tasks.evaluation.recipe_results import BySeed, RecipeResult
from tasks.records.plan import Recipe


def pairs(recipes: Sequence[Recipe]) -> list[tuple[str, str]]:
    """`(recipe_id, recipe_id of what it is held against)` for each recipe with augmentation that has a twin.

    The twin differs in augmentation alone: the recipe without any, else the first of those that have some.

    Args:
        recipes: plan.json's.
    """
    twins: dict[str, list[Recipe]] = {}
    for recipe in recipes:
        rest = {name: value for name, value in recipe.settings.items() if name != "augmentation"}
        twins.setdefault(json.dumps(rest, sort_keys=True), []).append(recipe)
    found = []
    for group in twins.values():
        if any("augmentation" in each.settings for each in group):
            first = min(group, key=lambda each: "augmentation" in each.settings)
            found += [(each.recipe_id, first.recipe_id) for each in group if each is not first]
    return found


def effects(
    recipes: Sequence[Recipe],
    results: Sequence[RecipeResult],
    metric: Metric,
    *,
    confidence: float,
    resolution: float,
) -> list[tuple[RecipeResult, RecipeResult, Comparison]]:
    """Each pair with its comparison on the test part: a positive difference says that augmentation is better.

    The answers are Holm's over all of them together.

    Args:
        recipes: plan.json's.
        results: Of these recipes, in any order.
        resolution: As `compare_with_each` has it.
    """
    by_id = {result.id: result for result in results}
    chosen = [(by_id[one], by_id[other]) for one, other in pairs(recipes)]
    lost = {one.id: _lost(one.by_seed(TEST, metric.name), other.by_seed(TEST, metric.name)) for one, other in chosen}
    seeds = {seed for values in lost.values() for seed in values}
    # With zero as the leader, the differences of all pairs go through one correction.
    found = compare_with_each(
        dict.fromkeys(seeds, 0.0), lost, sign=metric.sign, confidence=confidence, resolution=resolution
    )
    return [(one, other, found[one.id]) for one, other in chosen]


def _lost(with_: BySeed, without: BySeed) -> BySeed:
    return {seed: without[seed] - with_[seed] for seed in with_.keys() & without.keys()}
