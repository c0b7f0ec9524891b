"""The cost of a case over thresholds, with the shipped model's threshold marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.figures.encoding import inline
from reports.metric_names import title
from reports.palette import BETTER, INK, OPEN
from tasks.evaluation.metrics import COST
from tasks.evaluation.rounding import interval, places
from tasks.evaluation.wording import number

if TYPE_CHECKING:
    from reports.figures.encoding import Chart
    from tasks.records.verdict import Verdict


def cost_curve(verdict: Verdict | None) -> dict[str, Chart]:
    """Returns the chart by tab title; empty if answers have no cost, or no threshold was chosen."""
    import altair as alt

    point = verdict.operating_point if verdict else None
    if verdict is None or point is None or not point.curve or not verdict.positive:
        return {}
    name = title(COST, verdict.titles)
    decimals = places(each.cost for each in point.curve)
    rows = [
        {
            "threshold": each.threshold,
            "mean": each.cost.mean,
            "low": each.cost.low,
            "high": each.cost.high,
            "text": interval(each.cost, decimals),
        }
        for each in point.curve
    ]
    asked = f"Probability from which on {verdict.positive.name} is predicted"
    x = alt.X("threshold:Q", title=asked, scale=alt.Scale(domain=[0, 1], nice=False))
    base = alt.Chart(inline(rows)).encode(
        x=x, tooltip=[alt.Tooltip("threshold:Q", title="threshold"), alt.Tooltip("text:N", title=name)]
    )
    said = f"chosen: {number(point.threshold)}"
    chosen = alt.Chart(inline([{"x": point.threshold, "label": said, "low": point.low, "high": point.high}]))
    side = {"align": "left", "dx": 6} if point.threshold < 0.6 else {"align": "right", "dx": -6}
    moves = [chosen.mark_rect(color=OPEN, opacity=0.16).encode(x="low:Q", x2="high:Q")] if point.low is not None else []
    layers = [
        base.mark_area(color=BETTER, opacity=0.18).encode(
            y=alt.Y("low:Q", title=name, scale=alt.Scale(zero=False)), y2="high:Q"
        ),
        base.mark_line(color=BETTER, strokeWidth=2).encode(y="mean:Q"),
        *moves,
        chosen.mark_rule(color=INK, strokeWidth=2, strokeDash=[5, 4]).encode(x="x:Q"),
        chosen.mark_text(color=INK, baseline="top", y=4, fontSize=12, **side).encode(x="x:Q", text="label:N"),
    ]
    return {
        "Cost by threshold": alt.layer(*layers).properties(
            width="container",
            height=260,
            description=f"{name} over thresholds; the chosen one is {number(point.threshold)}",
        )
    }
