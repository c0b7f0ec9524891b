"""Measures the effect of augmentation on the metric: compares recipes that differ in nothing else, paired by seed or by
fold."""

from __future__ import annotations

import json
from collections.abc import Sequence

from tasks.dataset import TEST
from tasks.evaluation.comparison import Comparison, compare_differences, paired
from tasks.evaluation.fold_scores import FoldScores
from tasks.evaluation.metrics import Metric
from tasks.evaluation.recipe_results import BySeed, RecipeResult
from tasks.records.plan import Recipe


def pairs(recipes: Sequence[Recipe]) -> list[tuple[str, str]]:
    """`(recipe_id, recipe_id of its twin)` for each recipe with augmentation that has a twin.

    The twin differs in augmentation alone: it is the recipe without any, else the first of those with some.

    Args:
        recipes: plan.json's.
    """
    twins: dict[str, list[Recipe]] = {}
    for recipe in recipes:
        rest = recipe.settings.without(["augmentation"])
        twins.setdefault(json.dumps(rest, sort_keys=True), []).append(recipe)
    found = []
    for group in twins.values():
        if any(each.settings.augmentation is not None for each in group):
            first = min(group, key=lambda each: each.settings.augmentation is not None)
            found += [(each.recipe_id, first.recipe_id) for each in group if each is not first]
    return found


def effects(
    recipes: Sequence[Recipe],
    results: Sequence[RecipeResult],
    metric: Metric,
    *,
    confidence: float,
    resolution: float,
    folds: FoldScores | None = None,
) -> list[tuple[RecipeResult, RecipeResult, Comparison]]:
    """Each pair with its comparison on the test part: a positive difference means that augmentation is better.

    The answers come from Holm's procedure over all pairs together.

    Args:
        recipes: plan.json's.
        results: Results of these recipes, in any order.
        resolution: See `compare_differences`.
        folds: Scores of each fold, where recipes are evaluated out of fold: then pairs are folds, not seeds.
    """

    def scores(result: RecipeResult) -> BySeed:
        return result.by_seed(TEST, metric.name) if folds is None else folds.by_fold(result.id, metric)

    by_id = {result.id: result for result in results}
    chosen = [(by_id[one], by_id[other]) for one, other in pairs(recipes)]
    gained = {one.id: paired(scores(one), scores(other), metric.sign) for one, other in chosen}
    shared = folds.held_out.ratio if folds else 0.0
    found = compare_differences(gained, confidence=confidence, resolution=0 if folds else resolution, shared=shared)
    return [(one, other, found[one.id]) for one, other in chosen]
