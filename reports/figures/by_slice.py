"""Draws the deciding metric by slice, as dots with intervals, and that of all rows as a line."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from reports.figures.encoding import inline
from reports.metric_names import title
from reports.numbers import count
from reports.palette import BETTER, OPEN
from tasks.evaluation.rounding import interval, places

if TYPE_CHECKING:
    from reports.figures.encoding import Chart
    from tasks.records.slices import JudgedSlicing
    from tasks.records.verdict import Verdict

_ROW = 26  # px


def by_slice(verdict: Verdict, found: JudgedSlicing) -> Chart | None:
    """Draws a row for each slice that has the metric; None if fewer than two have it. Slices with too few rows to tell
    are grey. The line is the metric over all rows."""
    import altair as alt

    shown = [each for each in found.slices if each.metric.mean is not None]
    if len(shown) < 2:
        return None
    name = title(verdict.metric, verdict.titles)
    decimals = places(each.metric for each in shown)
    rows = [
        {
            "slice": each.name,
            **asdict(each.metric),
            "few": each.few,
            "text": interval(each.metric, decimals),
            "rows": count(each.rows),
        }
        for each in shown
    ]
    y = alt.Y("slice:N", sort=[each.name for each in shown], title=None)
    colour = alt.condition("datum.few", alt.value(OPEN), alt.value(BETTER))
    tooltip = [alt.Tooltip("slice:N"), alt.Tooltip("text:N", title=name), alt.Tooltip("rows:N")]
    base = alt.Chart(inline(rows)).encode(y=y, color=colour, tooltip=tooltip)
    layers: list[Chart] = []
    overall = verdict.shipped.metrics.get(verdict.metric) if verdict.shipped else None
    if overall is not None and overall.mean is not None:
        line = alt.Chart(inline([{"mean": overall.mean, "text": f"all rows: {interval(overall, decimals)}"}]))
        layers.append(
            line.mark_rule(color=OPEN, strokeWidth=1.5, strokeDash=[5, 4]).encode(
                x="mean:Q", tooltip=[alt.Tooltip("text:N", title=name)]
            )
        )
    layers += [
        base.mark_rule(strokeWidth=3, strokeCap="round").encode(x="low:Q", x2="high:Q"),
        base.mark_point(filled=True, size=90, opacity=1).encode(
            x=alt.X("mean:Q", title=name, scale=alt.Scale(zero=False))
        ),
    ]
    return alt.layer(*layers).properties(
        width="container",
        height=_ROW * len(shown) + 10,
        description=f"{name} by {' and '.join(found.columns)}, {len(shown)} slices",
    )
