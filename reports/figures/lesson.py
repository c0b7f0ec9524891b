"""The drawings of a lesson."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from reports.figures.encoding import inline, logarithmic
from reports.palette import COLOURS, FAINT

if TYPE_CHECKING:
    import altair as alt

    from reports.figures.encoding import Chart
    from tasks.records.lesson import Drawing, Series

_HEIGHT = 340  # px
_LABELS = 6
"""Labels of a logarithmic axis, about."""


def drawing(told: Drawing) -> Chart:
    """Draws lines, dots and paths, with a colour for each name. A series of theory is dashed, and has the colour of the
    series before it, which it belongs to."""
    import altair as alt

    named = list(dict.fromkeys(each.name for each in told.series if each.look != "level"))
    colour = alt.Color(
        "name:N",
        title=None,
        scale=alt.Scale(domain=named, range=_colours(told, named)),
        legend=_legend(told),
    )
    x, y = _axes(told)
    layers = []
    for look in ("level", "cloud", "theory", "line", "path", "dots"):
        rows = [row for each in told.series if each.look == look for row in _rows(each)]
        if rows:
            base = alt.Chart(inline(rows)).encode(x=x, y=y, detail="name:N", tooltip=_tooltips(told))
            layers += _marks(base, look, colour)
    return alt.layer(*layers).properties(width="container", height=_HEIGHT, description=told.caption)


def _legend(told: Drawing) -> alt.Legend | None:
    """Returns a legend with an entry for each series (not of theory or levels); None if there is only one."""
    import altair as alt

    shown = list(dict.fromkeys(each.name for each in told.series if each.look not in ("level", "theory")))
    if len(shown) < 2:
        return None
    return alt.Legend(symbolType="stroke", symbolStrokeWidth=3, symbolSize=300, columns=3, values=shown)


def _marks(base: alt.Chart, look: str, colour: alt.Color) -> list[alt.Chart]:
    if look == "level":
        return [base.mark_line(color=FAINT, strokeWidth=1, clip=True, aria=False).encode(order="at:Q")]
    coloured = base.encode(color=colour)
    if look == "cloud":
        return [coloured.mark_point(size=16, filled=True, opacity=0.45, clip=True, aria=False)]
    if look == "dots":
        return [coloured.mark_point(size=60, filled=True, opacity=1, clip=True)]
    dash = {"strokeDash": [6, 4], "strokeWidth": 1.5} if look == "theory" else {"strokeWidth": 2}
    line = coloured.mark_line(clip=True, **dash).encode(order="at:Q")
    dots = coloured.mark_point(size=14, filled=True, opacity=0.9, clip=True, aria=False)
    return [line, dots] if look == "path" else [line]


def _rows(series: Series) -> list[dict[str, Any]]:
    points = zip(series.x, series.y, strict=True)
    return [{"name": series.name, "x": x, "y": y, "at": at} for at, (x, y) in enumerate(points) if y is not None]


def _colours(told: Drawing, named: list[str]) -> list[str]:
    colours: dict[str, str] = {}
    last, free = COLOURS[0], iter(COLOURS * (1 + len(named) // len(COLOURS)))
    for each in told.series:
        if each.look != "level" and each.name not in colours:
            last = last if each.look == "theory" and colours else next(free)
            colours[each.name] = last
    return [colours[name] for name in named]


def _axes(told: Drawing) -> tuple[alt.X, alt.Y]:
    import altair as alt

    values = [x for each in told.series for x in each.x]
    if "x" in told.logarithmic:
        x = logarithmic("x:Q", told.x, values)
    else:
        domain: dict[str, Any] = {"domain": list(told.window[0])} if told.window else {"padding": 8}
        x = alt.X("x:Q", title=told.x, scale=alt.Scale(nice=False, zero=False, **domain), axis=alt.Axis(grid=False))
    if "y" in told.logarithmic:
        heights = [y for each in told.series for y in each.y if y is not None]
        scale = alt.Scale(type="log", nice=False, padding=10)
        y = alt.Y("y:Q", title=f"{told.y} (logarithmic)", scale=scale, axis=_powers(heights))
    else:
        domain = {"domain": list(told.window[1])} if told.window else {}
        y = alt.Y("y:Q", title=told.y, scale=alt.Scale(nice=False, zero=False, **domain))
    return x, y


def _powers(heights: list[float]) -> alt.Axis:
    """Returns an axis with labels at powers of ten; if there are many, only at every second one or fewer."""
    import altair as alt

    low, high = math.floor(math.log10(min(heights))), math.ceil(math.log10(max(heights)))
    apart = max(1, (high - low) // _LABELS)
    return alt.Axis(values=[10.0**power for power in range(low, high + 1, apart)], format="~g")


def _tooltips(told: Drawing) -> list[alt.Tooltip]:
    import altair as alt

    return [
        alt.Tooltip("name:N", title="line"),
        alt.Tooltip("x:Q", title=told.x, format=".4~g"),
        alt.Tooltip("y:Q", title=told.y, format=".4~g"),
    ]
