"""Settings of a search as rows for charts: thinned, and on an axis that a few poor ones do not squeeze."""

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
    """Recipe name to its settings, in the plan's order; recipes with none are left out."""
    tried = read_settings(settings)
    return {each.recipe: tried[each.recipe_id] for each in search.recipes if each.recipe_id in tried}


def judged_search(
    verdict: Verdict | None, plan: Plan, settings: pd.DataFrame
) -> tuple[SearchPlan, SearchVerdict, dict[str, list[Tried]], tuple[float, float]] | None:
    """What was searched, how it was judged, the settings by recipe, and the score's axis; None where nothing was
    searched, or no setting ended."""
    search, judged = plan.search, verdict.search if verdict else None
    if not search or not judged:
        return None
    tried = by_recipe(search, settings)
    ends = domain(search, tried)
    return None if ends is None else (search, judged, tried, ends)


def domain(search: SearchPlan, tried: dict[str, list[Tried]]) -> tuple[float, float] | None:
    """Low and high end of the score's axis; scores beyond are drawn at its edge. None where nothing ended."""
    import numpy as np

    every = np.concatenate([scores(each) for each in tried.values()]) if tried else np.empty(0)
    if not len(every):
        return None
    worst, best = worst_told_apart(every, search.sign), search.sign * max(search.sign * every)
    low, high = min(worst, best), max(worst, best)
    margin = 0.04 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def score_axis(metric_title: str, ends: tuple[float, float], *, clamp: bool = True) -> alt.Y:
    """The score's axis; `clamp` draws what lies beyond at its edge, where lines should be cut off instead."""
    import altair as alt

    return alt.Y(
        "score:Q",
        title=f"{metric_title}, validation",
        scale=alt.Scale(domain=list(ends), nice=False, zero=False, clamp=clamp),
    )


def status_shape() -> alt.Shape:
    """A dot for a setting that ended, a triangle for a pruned one, a cross for a diverged one."""
    import altair as alt

    shapes = {OK: "circle", PRUNED: "triangle-down", DIVERGED: "cross"}
    return alt.Shape("status:N", scale=alt.Scale(domain=list(shapes), range=list(shapes.values())), legend=None)


def point(recipe: str, tried: Tried, worst: float) -> dict[str, Any]:
    """One setting as a row. A diverged one is drawn at the worst end of the axis."""
    return {
        "recipe": recipe,
        "number": tried.number + 1,
        "status": tried.status,
        "score": worst if tried.score is None else tried.score,
        "text": rounded(tried.score),
    }


def thinned(ranked: Sequence[T], most: int) -> list[T]:
    """At most `most` of what is ordered from best to worst: evenly chosen, the best always."""
    if len(ranked) <= most:
        return list(ranked)
    if most < 2:
        return list(ranked[:most])
    step = (len(ranked) - 1) / (most - 1)
    return [ranked[round(position * step)] for position in range(most)]


def from_best(tried: Sequence[Tried], sign: int) -> list[Tried]:
    """All settings, the best first; those without a score last."""
    return sorted(
        tried, key=lambda each: (each.status != OK, each.score is None, -sign * (each.score or 0.0), each.number)
    )
