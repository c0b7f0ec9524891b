"""Draws the deciding metric against parameters, bytes and latency of recipes, with the Pareto front of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from reports.figures.encoding import Shown, logarithmic, own_range, recipe_tooltip
from reports.metric_names import title
from reports.palette import OPEN
from reports.recipes import recipes_of
from tasks.evaluation.footprint import BATCHES, BYTES, PARAMETERS, size_of, timed
from tasks.evaluation.rounding import interval, places
from tasks.evaluation.wording import number
from tasks.records.footprint import Footprint
from tasks.records.verdict import of_batch

if TYPE_CHECKING:
    from reports.figures.encoding import Chart
    from tasks.records.plan import Plan
    from tasks.records.verdict import Verdict

_AXES = {PARAMETERS: ("Parameters", "", 1), BYTES: ("Size", "kB", 1000)} | {
    timed(batch): (f"Latency{of_batch(batch)}", "ms", 1) for batch in BATCHES
}
"""By figure: the title of its tab, the unit of the axis, and how many of the figure's own units that is."""


def footprints(verdict: Verdict | None, plan: Plan) -> dict[str, Chart]:
    """Returns charts by tab title; empty if there is nothing to compare."""
    fronts = verdict.footprints.fronts if verdict and verdict.footprints else None
    if verdict is None or fronts is None or verdict.footprints is None:
        return {}
    recipe_of = {each.trial_id: plan.variant(each.variant_id).recipe_id for each in plan.trials}
    models = {recipe_of[each.trial_id]: each for each in verdict.footprints.models if each.trial_id in recipe_of}
    return {_AXES[name][0]: _chart(verdict, plan, models, name, front) for name, front in fronts.items()}


def _chart(verdict: Verdict, plan: Plan, models: Mapping[str, Footprint], name: str, front: Sequence[str]) -> Chart:
    import altair as alt

    tab, unit, scale = _AXES[name]
    judged = {each.recipe_id: each.metrics[verdict.metric] for each in verdict.recipes if each.recipe_id in models}
    decimals = places(judged.values())
    rows: list[dict[str, Any]] = [
        {
            "recipe": verdict.name_of(recipe),
            "size": size / scale,
            "taken": f"{number(size / scale)} {unit}".strip(),
            **asdict(estimate),
            "text": interval(estimate, decimals),
            "front": recipe in front,
        }
        for recipe, estimate in judged.items()
        if estimate.mean is not None and (size := size_of(models[recipe], name)) is not None
    ]
    metric, sizes = title(verdict.metric, verdict.titles), [row["size"] for row in rows]
    words = f"{tab}, {unit}" if unit else tab
    x = alt.X("size:Q", title=words, scale=own_range(), axis=alt.Axis(grid=False, tickCount=8))
    if max(sizes) >= _WIDE * min(sizes):
        x = logarithmic("size:Q", words, sizes, format=",~f")
    shown = Shown(recipes_of(plan, verdict).among(row["recipe"] for row in rows))
    base = alt.Chart(shown.inline(rows)).encode(
        x=x,
        y=alt.Y("mean:Q", title=metric, scale=own_range(), axis=alt.Axis(tickCount=6)),
        tooltip=[
            recipe_tooltip(),
            alt.Tooltip("taken:N", title=tab.lower()),
            alt.Tooltip("text:N", title=metric),
        ],
    )
    dashed = base.transform_filter("datum.front").mark_line(aria=False, color=OPEN, strokeDash=[4, 4], strokeWidth=1)
    fades = alt.condition("datum.front", alt.value(1), alt.value(0.45))
    painted = base.encode(color=shown.colour(legend=shown.legend(stroke=False)), opacity=fades)
    dots = painted.mark_point(aria=False, filled=True, size=90)
    spans = painted.mark_rule(aria=False, strokeWidth=1).encode(y=alt.Y("low:Q"), y2="high:Q")
    chart = alt.layer(dashed, spans, dots).properties(
        width="container", height=260, description=f"{metric} against {words}, for {len(rows)} recipes"
    )
    return shown.told(chart)


_WIDE = 8
"""If the largest size is at least this many times the smallest, the axis is logarithmic."""
