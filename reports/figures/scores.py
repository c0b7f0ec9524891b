"""Prepares settings of a search for charts: thins them, and finds an axis that a few poor settings do not stretch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from tasks.evaluation.rounding import rounded
from tasks.evaluation.tried import DIVERGED, OK, PRUNED, Tried, read_settings, scores, worst_told_apart

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

    from tasks.records.plan import Plan
    from tasks.records.search_plan import SearchPlan
    from tasks.records.search_verdict import SearchVerdict
    from tasks.records.verdict import Verdict

T = TypeVar("T")


def by_recipe(search: SearchPlan, settings: pd.DataFrame) -> dict[str, list[Tried]]:
    """Returns the settings by recipe name, in the plan's order. Recipes without any are left out."""
    tried = read_settings(settings)
    return {each.recipe: tried[each.recipe_id] for each in search.recipes if each.recipe_id in tried}


def judged_search(
    verdict: Verdict | None, plan: Plan, settings: pd.DataFrame
) -> tuple[SearchPlan, SearchVerdict, dict[str, list[Tried]], tuple[float, float]] | None:
    """Returns the plan of the search, its verdict, the settings by recipe, and the ends of the score's axis. None if
    nothing was searched, or no setting ended."""
    search, judged = plan.search, verdict.search if verdict else None
    if not search or not judged:
        return None
    tried = by_recipe(search, settings)
    ends = domain(search, tried)
    return None if ends is None else (search, judged, tried, ends)


def domain(search: SearchPlan, tried: dict[str, list[Tried]]) -> tuple[float, float] | None:
    """Returns the low and the high end of the score's axis; scores beyond them are drawn at the edge. None if no
    setting ended."""
    import numpy as np

    every = np.concatenate([scores(each) for each in tried.values()]) if tried else np.empty(0)
    if not len(every):
        return None
    worst, best = worst_told_apart(every, search.sign), search.sign * max(search.sign * every)
    low, high = min(worst, best), max(worst, best)
    margin = 0.04 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def score_axis(metric_title: str, ends: tuple[float, float], *, clamp: bool = True) -> alt.Y:
    """Returns the score's axis. `clamp` draws what lies beyond it at its edge; without it, lines can be cut off."""
    import altair as alt

    return alt.Y(
        "score:Q",
        title=f"{metric_title}, validation",
        scale=alt.Scale(domain=list(ends), nice=False, zero=False, clamp=clamp),
    )


def status_shape() -> alt.Shape:
    """Returns the shapes: a dot for a setting that ended, a triangle for a pruned one, a cross for a diverged one."""
    import altair as alt

    shapes = {OK: "circle", PRUNED: "triangle-down", DIVERGED: "cross"}
    return alt.Shape("status:N", scale=alt.Scale(domain=list(shapes), range=list(shapes.values())), legend=None)


def point(recipe: str, tried: Tried, worst: float) -> dict[str, Any]:
    """Returns one setting as a row. A setting without a score is drawn at the worst end of the axis."""
    return {
        "recipe": recipe,
        "number": tried.number + 1,
        "status": tried.status,
        "score": worst if tried.score is None else tried.score,
        "text": rounded(tried.score),
    }


def thinned(ranked: Sequence[T], most: int) -> list[T]:
    """Returns at most `most` items of a sequence ordered from best to worst: evenly chosen, and always the best."""
    if len(ranked) <= most:
        return list(ranked)
    if most < 2:
        return list(ranked[:most])
    step = (len(ranked) - 1) / (most - 1)
    return [ranked[round(position * step)] for position in range(most)]


def from_best(tried: Sequence[Tried], sign: int) -> list[Tried]:
    """Returns all settings, the best first; those that were pruned or diverged come last."""
    return sorted(
        tried, key=lambda each: (each.status != OK, each.score is None, -sign * (each.score or 0.0), each.number)
    )
