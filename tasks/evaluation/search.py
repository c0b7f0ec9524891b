"""The results of the hyperparameter search: the best settings, whether the search was large enough, and what
mattered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tasks.evaluation import wording
from tasks.evaluation.containment import INCLUSIONS, noise, reachable
from tasks.evaluation.expected_best import expected_best, running_best
from tasks.evaluation.importance import importances
from tasks.evaluation.metrics import METRICS
from tasks.evaluation.sensitivity import sensitivity, tolerance
from tasks.evaluation.tried import DIVERGED, OK, PRUNED, Tried, ranked, read_settings, read_space, scores
from tasks.records.search_plan import PlannedSearch, SearchPlan
from tasks.records.search_verdict import BestByBudget, BestSetting, Containment, Edge, SearchedRecipe, SearchVerdict
from tasks.search.methods import METHODS
from tasks.search.space import Choices, Dimension, Space

_TOP = 10
_EDGE = 0.05  # share of a range, on its own scale, that counts as its edge
_LITTLE = 0.05  # of the scores' variance; a smaller share of importance is ignored
_EVEN = 1.1  # budgets of epochs with a smaller ratio are called equal: rungs can't spend every epoch
_FEW_CHOICES = 3  # of two numbers, one is always the smallest


@dataclass(frozen=True)
class _Recipe:
    """One recipe's search.

    Args:
        entry: Its entry in plan.json's `search`.
    """

    entry: PlannedSearch
    space: Space
    tried: list[Tried]
    ranked: list[Tried]

    @property
    def id(self) -> str:
        return self.entry.recipe_id

    @property
    def name(self) -> str:
        return self.entry.recipe

    @property
    def rest(self) -> tuple[str, ...]:
        """The search method, and the parts of the recipe's name after the optimizer, which comes first."""
        return (self.entry.method, *self.name.split(" · ")[1:])


def judge_search(search: SearchPlan, settings: pd.DataFrame) -> SearchVerdict:
    """Evaluates the search for verdict.json's `search`.

    For each recipe: the best setting and the ten best, values at an edge of their range, the best score over the number
    of settings (`expected_best`; the running best for adaptive methods), each hyperparameter's importance, and the
    share of the learning rate's range that is good enough. Over all recipes: optimizers that ended worse than one they
    contain and, where the spec asks for cost, the settings that no other beats in both score and seconds.

    Args:
        search: plan.json's `search`, not null.
        settings: Table `settings`.
    """
    sign = search.sign
    tried = read_settings(settings)
    recipes = [_read(entry, tried.get(entry.recipe_id, []), sign) for entry in search.recipes]
    by_recipe = {recipe.id: recipe.tried for recipe in recipes}
    slack = tolerance(by_recipe, sign)
    every = np.concatenate([scores(recipe.tried) for recipe in recipes]) if recipes else np.empty(0)
    floor = float(sign * min(sign * every)) if len(every) else None
    described = [_describe(recipe, sign, slack, floor) for recipe in recipes]
    contained = _containments(recipes, search, sign)
    return SearchVerdict(
        metric=search.metric,
        greater_is_better=search.greater_is_better,
        runs=search.seeds * (search.folds or 1),
        tolerance=slack,
        recipes=described,
        containments=contained,
        pareto=_pareto(recipes, sign) if search.cost == "seconds" else None,
        warnings=_warnings(recipes, described, contained, _title(search)),
    )


def _read(entry: PlannedSearch, tried: list[Tried], sign: int) -> _Recipe:
    return _Recipe(entry, read_space(entry.space), tried, ranked(tried, sign))


def _describe(recipe: _Recipe, sign: int, slack: float | None, floor: float | None) -> SearchedRecipe:
    best = recipe.ranked[0] if recipe.ranked else None
    found = importances(recipe.space, recipe.tried, sign)
    forgiven = None if slack is None else sensitivity(recipe.space, recipe.tried, sign, slack)
    return SearchedRecipe(
        recipe_id=recipe.id,
        recipe=recipe.name,
        optimizer=recipe.entry.optimizer,
        method=recipe.entry.method,
        settings=len(recipe.tried),
        diverged=sum(each.status == DIVERGED for each in recipe.tried),
        pruned=sum(each.status == PRUNED for each in recipe.tried),
        epochs=sum(each.epochs for each in recipe.tried),
        seconds=sum(each.seconds for each in recipe.tried),
        best=_setting(best) if best else None,
        top=[_setting(each) for each in recipe.ranked[:_TOP]],
        edges=_edges(recipe.space, best, {each.name: each.share for each in found or ()}) if best else [],
        curve=_curve(recipe, sign, floor),
        importance=found,
        learning_rate=forgiven,
    )


def _setting(tried: Tried) -> BestSetting:
    return BestSetting(
        number=tried.number,
        variant_id=tried.variant_id,
        values=tried.values,
        score=tried.score,
        spread=tried.spread,
        seconds=tried.seconds,
    )


def _curve(recipe: _Recipe, sign: int, floor: float | None) -> BestByBudget | None:
    """The best score over the number of settings. For methods that do not adapt, a diverged setting counts as the worst
    score of the whole search (`floor`)."""
    if not recipe.ranked or floor is None:
        return None
    if METHODS[recipe.entry.method].adapts:
        return running_best([each.score if each.ended else None for each in recipe.tried], sign)
    known = np.array([each.score if each.ended else floor for each in recipe.tried], dtype=np.float64)
    return expected_best(known, sign)


def _edges(space: Space, best: Tried, shares: Mapping[str, float]) -> list[Edge]:
    """The values of the best setting that lie at an edge of their range. `matters` is False where the dimension's
    importance is known and small: then the best value may be there by chance."""
    found = []
    for dimension in space:
        if dimension.name in best.values and (side := edge(dimension, best.values[dimension.name])):
            found.append(
                Edge(
                    name=dimension.name,
                    value=best.values[dimension.name],
                    side=side,
                    end=_end(dimension, side),
                    owned=dimension.owned,
                    matters=shares.get(dimension.name, 1.0) >= _LITTLE,
                    sentence=_at_edge(dimension, best.values[dimension.name], side),
                    remedy=_remedy(dimension, side),
                )
            )
    return found


def edge(dimension: Dimension, value: Any) -> str | None:
    """`low` or `high` where `value` lies so near that end of the range that better values may lie beyond it, else None.

    Near means within 5% of the range on its own scale; for whole numbers and steps, the first or last; for three or
    more numeric choices, the smallest or largest. Zero, and 1 for whole numbers, are natural ends: no values lie
    beyond.
    """
    over = dimension.over
    if isinstance(over, Choices):
        if len(over.values) < _FEW_CHOICES or not all(_numeric(each) for each in over.values):
            return None
        near_low, near_high = value == min(over.values), value == max(over.values)
        natural = min(over.values) == 0
    else:
        if over.low == over.high:
            return None
        points = over.points()
        if points is not None and len(points) < _FEW_CHOICES:
            return None
        if over.integer or points is not None:
            near_low, near_high = value <= over.low, value >= (points[-1] if points else over.high)
        else:
            place = over.place(value)
            near_low, near_high = place <= _EDGE, place >= 1 - _EDGE
        natural = over.low == 0 or (over.integer and over.low == 1)
    if near_low and not natural:
        return "low"
    return "high" if near_high else None


def _numeric(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _end(dimension: Dimension, side: str) -> float:
    over = dimension.over
    ends = (min(over.values), max(over.values)) if isinstance(over, Choices) else (over.low, over.high)
    return float(ends[0] if side == "low" else ends[1])


def _containments(recipes: Sequence[_Recipe], search: SearchPlan, sign: int) -> list[Containment]:
    """Each pair of recipes whose optimizers are in `INCLUSIONS` and that differ in nothing else that the run
    compares."""
    found = []
    for inclusion in INCLUSIONS:
        for outer in recipes:
            for inner in recipes:
                names = (outer.entry.optimizer, inner.entry.optimizer)
                if names != (inclusion.outer, inclusion.inner) or outer.rest != inner.rest:
                    continue
                if not outer.ranked or not inner.ranked:
                    continue
                if not reachable(inclusion, outer.space, inner.ranked[0].values):
                    continue
                difference = sign * ((outer.ranked[0].score or 0.0) - (inner.ranked[0].score or 0.0))
                allowed = noise(outer.ranked[0], inner.ranked[0])
                too_small = allowed is not None and difference < -allowed
                found.append(
                    Containment(
                        outer_id=outer.id,
                        outer=outer.name,
                        inner_id=inner.id,
                        inner=inner.name,
                        exact=inclusion.exact,
                        why=inclusion.why,
                        difference=difference,
                        noise=allowed,
                        too_small=too_small,
                        sentence=_too_small(outer, inner, search, inclusion.exact) if too_small else None,
                    )
                )
    return found


def _title(search: SearchPlan) -> str:
    """Title of the search's metric."""
    name = search.metric
    return METRICS[name].title if name in METRICS else name


def _too_small(outer: _Recipe, inner: _Recipe, search: SearchPlan, exact: bool) -> str:
    metric = wording.inside(_title(search))
    ended = [wording.number(each.ranked[0].score or 0.0) for each in (outer, inner)]
    contains = "contains" if exact else "can come close to"
    return (
        f"The search was too small: {outer.name} ended at {metric} {ended[0]}, {inner.name}, which it {contains}, at "
        f"{ended[1]}. Try more settings, or a narrower range."
    )


def _pareto(recipes: Sequence[_Recipe], sign: int) -> list[str]:
    """Variants that no other setting beats in score without taking longer, the fastest first."""
    front: list[str] = []
    best = -np.inf
    every = [each for recipe in recipes for each in recipe.ranked if each.epochs]  # those that took time
    for each in sorted(every, key=lambda each: (each.seconds, -sign * (each.score or 0.0))):
        if sign * (each.score or 0.0) > best:
            best = sign * (each.score or 0.0)
            front.append(each.variant_id)
    return front


def _warnings(
    recipes: Sequence[_Recipe], described: Sequence[SearchedRecipe], contained: Sequence[Containment], title: str
) -> list[str]:
    said = [entry.sentence for entry in contained if entry.sentence]
    for recipe, found in zip(recipes, described, strict=True):
        if found.best is None:
            said.append(f"{recipe.name}: none of its {found.settings} settings ended well, so none could be chosen.")
        if undefined := sum(each.status == OK and each.score is None for each in recipe.tried):
            said.append(
                f"{recipe.name}: {undefined} of its {found.settings} settings could not be chosen, since "
                f"{wording.inside(title)} is not defined on all of the validation rows that they were scored on."
            )
        if found.best is not None and 2 * found.diverged >= found.settings:
            said.append(
                f"{recipe.name}: {found.diverged} of its {found.settings} settings diverged, so few were really "
                "compared; a lower learning rate would help."
            )
        if edges := [each for each in found.edges if each.matters]:
            said.append(_at_edges(recipe.name, edges))
    budgets = {recipe.name: recipe.entry.epochs for recipe in recipes}
    if max(budgets.values(), default=0) > _EVEN * min(budgets.values(), default=0):
        least, most = min(budgets, key=lambda name: budgets[name]), max(budgets, key=lambda name: budgets[name])
        said.append(
            f"The budgets differ: {least} trained {budgets[least]:,} epochs, {most} {budgets[most]:,}. "
            "Their best scores can't be compared."
        )
    return said


def _at_edges(name: str, edges: Sequence[Edge]) -> str:
    """`adam: the best learning_rate, 0.098, lies at the upper end of its range: widen learning_rate above 0.1.`"""
    remedies = wording.listing([each.remedy for each in edges], most=len(edges))
    return f"{name}: {wording.listing([each.sentence for each in edges], most=len(edges))}: {remedies}."


def _at_edge(dimension: Dimension, value: Any, side: str) -> str:
    best = f"the best {dimension.name}, {wording.number(value)},"
    if isinstance(dimension.over, Choices):
        return f"{best} is the {'smallest' if side == 'low' else 'largest'} of its choices"
    owner = "the optimizer's own" if dimension.owned else "its"
    return f"{best} lies at the {'lower' if side == 'low' else 'upper'} end of {owner} range"


def _remedy(dimension: Dimension, side: str) -> str:
    beyond = f"{'above' if side == 'high' else 'below'} {wording.number(_end(dimension, side))}"
    if isinstance(dimension.over, Choices):
        return f"add choices of {dimension.name} {beyond}"
    return f"widen {dimension.name} {beyond}"
