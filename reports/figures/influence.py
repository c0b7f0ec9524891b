"""Charts of the inputs that the shipped model relies on: drops of the metric with intervals, and partial dependence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reports.figures.encoding import inline, own_range
from reports.palette import BETTER, INK, OPEN
from tasks.evaluation.rounding import interval, places, rounded

if TYPE_CHECKING:
    from reports.figures.encoding import Chart
    from tasks.records.inspection import Dependence, ImportantInput

_ROW = 28  # px


def influence(found: Sequence[ImportantInput], metric: str) -> Chart:
    """Draws a row for each input or group, the largest drop first. Drops that can't be told from 0 are grey."""
    import altair as alt

    decimals = places(each.drop for each in found)
    rows = [
        {
            "input": ", ".join(each.names),
            "mean": each.drop.mean,
            "low": each.drop.low,
            "high": each.drop.high,
            "matters": each.matters,
            "text": interval(each.drop, decimals),
        }
        for each in found
    ]
    y = alt.Y(
        "input:N",
        sort=[row["input"] for row in rows],
        title=None,
        axis=alt.Axis(labelLimit=160, ticks=False, domain=False),
    )
    x = alt.X("mean:Q", title=f"How much worse: {metric}")
    colour = alt.condition("datum.matters", alt.value(BETTER), alt.value(OPEN))
    tooltip = [alt.Tooltip("input:N", title="shuffled"), alt.Tooltip("text:N", title="worse by")]
    base = alt.Chart(inline(rows)).encode(y=y, color=colour, tooltip=tooltip)
    zero = alt.Chart(inline([{"zero": 0}])).mark_rule(aria=False, color=INK, strokeDash=[4, 4], strokeWidth=1)
    return alt.layer(
        zero.encode(x=alt.X("zero:Q")),
        base.mark_rule(aria=False, strokeWidth=3, strokeCap="round").encode(x=alt.X("low:Q"), x2="high:Q"),
        base.mark_point(aria=False, filled=True, size=80, opacity=1).encode(x=x),
    ).properties(
        width="container",
        height=max(90, _ROW * len(rows)),
        description=f"How much worse the model does where an input is shuffled: {rows[0]['input']} {rows[0]['text']} "
        "comes first",
    )


def dependence(found: Sequence[Dependence], answer: str) -> dict[str, Chart]:
    """Returns charts by input: the mean prediction if every row gets the same value of that input."""
    return {each.name: _number(each, answer) if _is_number(each) else _category(each, answer) for each in found}


def _is_number(of: Dependence) -> bool:
    return all(point.at is not None for point in of.points)


def _number(of: Dependence, answer: str) -> Chart:
    import altair as alt

    rows = [{"value": point.at, "mean": point.mean, "low": point.low, "high": point.high} for point in of.points]
    x = alt.X("value:Q", title=of.name, scale=own_range())
    y = alt.Y("mean:Q", title=answer, scale=own_range())
    base = alt.Chart(inline(rows)).encode(x=x, tooltip=_tooltip("value:Q", of.name))
    return alt.layer(
        base.mark_area(aria=False, color=BETTER, opacity=0.16).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_line(aria=False, color=BETTER, strokeWidth=2).encode(y=y),
        base.mark_point(aria=False, color=BETTER, filled=True, size=30, opacity=1).encode(y=alt.Y("mean:Q")),
    ).properties(width="container", height=260, description=_said(of, answer))


def _category(of: Dependence, answer: str) -> Chart:
    import altair as alt

    rows = [{"value": point.name, "mean": point.mean, "low": point.low, "high": point.high} for point in of.points]
    y = alt.Y("value:N", title=None, sort=None, axis=alt.Axis(labelLimit=160, ticks=False, domain=False))
    base = alt.Chart(inline(rows)).encode(y=y, tooltip=_tooltip("value:N", of.name))
    return alt.layer(
        base.mark_rule(aria=False, color=BETTER, strokeWidth=8, opacity=0.2).encode(x=alt.X("low:Q"), x2="high:Q"),
        base.mark_point(aria=False, color=BETTER, filled=True, size=70, opacity=1).encode(
            x=alt.X("mean:Q", title=answer, scale=own_range())
        ),
    ).properties(width="container", height=max(90, _ROW * len(rows)), description=_said(of, answer))


def _said(of: Dependence, answer: str) -> str:
    means = [point.mean for point in of.points]
    return f"{answer} along {of.name}: from {rounded(min(means))} to {rounded(max(means))}"


def _tooltip(field: str, title: str) -> list[Any]:
    import altair as alt

    first = alt.Tooltip(field, title=title, **({"format": ",.4~g"} if field.endswith("Q") else {}))
    return [first, *(alt.Tooltip(f"{name}:Q", format=",.4~g") for name in ("mean", "low", "high"))]
