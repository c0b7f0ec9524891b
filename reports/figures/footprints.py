"""The deciding metric against parameters, with the recipes that are small for what they do marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.figures.encoding import inline
from reports.metric_names import title
from reports.palette import BETTER, OPEN
from tasks.evaluation.rounding import interval, places

if TYPE_CHECKING:
    from reports.figures.encoding import Chart
    from tasks.records.plan import Plan
    from tasks.records.verdict import Verdict


def footprints(verdict: Verdict | None, plan: Plan) -> dict[str, Chart]:
    """By tab title; empty where all recipes have as many parameters, or none was measured."""
    import altair as alt

    found = verdict.footprints if verdict else None
    if verdict is None or found is None:
        return {}
    recipe_of = {each.trial_id: plan.variant(each.variant_id).recipe_id for each in plan.trials}
    sizes = {recipe_of[each.trial_id]: each.parameters for each in found.models if each.trial_id in recipe_of}
    judged = {each.recipe_id: each.metrics[verdict.metric] for each in verdict.recipes if each.recipe_id in sizes}
    decimals = places(judged.values())
    rows = [
        {
            "recipe": verdict.name_of(recipe),
            "parameters": sizes[recipe],
            "mean": estimate.mean,
            "text": interval(estimate, decimals),
            "front": recipe in found.front,
        }
        for recipe, estimate in judged.items()
        if estimate.mean is not None
    ]
    if len({row["parameters"] for row in rows}) < 2:
        return {}
    name = title(verdict.metric, verdict.titles)
    x = alt.X("parameters:Q", title="Parameters", scale=alt.Scale(type="log", padding=16), axis=alt.Axis(format="~s"))
    y = alt.Y("mean:Q", title=name, scale=alt.Scale(zero=False, padding=12))
    base = alt.Chart(inline(rows)).encode(
        x=x,
        y=y,
        tooltip=[
            alt.Tooltip("recipe:N"),
            alt.Tooltip("parameters:Q", format=","),
            alt.Tooltip("text:N", title=name),
        ],
    )
    front = base.transform_filter("datum.front")
    colour = alt.condition("datum.front", alt.value(BETTER), alt.value(OPEN))
    chart = alt.layer(
        front.mark_line(aria=False, color=BETTER, strokeDash=[4, 4]),
        base.mark_point(aria=False, filled=True, size=90, opacity=1).encode(color=colour),
    ).properties(width="container", height=240, description=f"{name} against parameters, of {len(rows)} recipes")
    return {"Size": chart}
