"""The pictures of an explanation: plain data into a chart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.figures.encoding import inline
from reports.palette import INK, palette
from tasks.evaluation.rounding import known

if TYPE_CHECKING:
    import altair as alt

    from reports.figures.encoding import Chart
    from tasks.explanations.explanation import Axis, Picture

_LEGEND = 760  # px, what a legend has under a chart
_SIGN, _LETTER = 50, 7  # px, of a legend's entry


def drawn(picture: Picture, names: Sequence[str]) -> Chart | None:
    """The lines of a picture, dashed what theory says; None where nothing can be drawn.

    Args:
        names: Of its lines but those of theory, and of others that have a colour of their own.
    """
    import altair as alt

    if not picture.lines:
        return None
    named = {line.name: line for line in picture.lines}
    every = palette(list(names))
    place = {name: number for number, name in enumerate(every.names)}
    theory = [line.mark == "theory" for line in named.values()]
    colours = [INK if each else every.colours[place[name]] for name, each in zip(named, theory, strict=True)]
    dashes = [[5, 4] if each else every.dashes[place[name]] for name, each in zip(named, theory, strict=True)]
    widest = _SIGN + _LETTER * max(map(len, named))
    legend = alt.Legend(columns=max(1, min(4, _LEGEND // widest)), values=list(named), labelLimit=340)
    encoding: dict[str, Any] = {
        "x": alt.X("x:Q", title=_title(picture.x), scale=_scale(picture.x), axis=_axis(picture.x, grid=False)),
        "y": alt.Y("y:Q", title=_title(picture.y), scale=_scale(picture.y), axis=_axis(picture.y, grid=True)),
        "color": alt.Color("line:N", title=None, scale=alt.Scale(domain=list(named), range=colours), legend=legend),
        "tooltip": [
            alt.Tooltip("line:N", title="line"),
            alt.Tooltip("x:Q", title=picture.x.title, format=",.4~g"),
            alt.Tooltip("y:Q", title=picture.y.title, format=",.4~g"),
        ],
    }
    dash = alt.StrokeDash("line:N", title=None, scale=alt.Scale(domain=list(named), range=dashes), legend=legend)
    layers: list[alt.Chart] = []
    if lines := _rows(picture, "line", "theory"):
        mark = alt.Chart(inline(lines)).mark_line(strokeWidth=2, clip=True, aria=False)
        layers.append(mark.encode(**encoding, strokeDash=dash, detail="number:N"))
    if points := _rows(picture, "points"):
        dots = alt.Chart(inline(points)).mark_point(filled=True, size=70, opacity=1, clip=True, aria=False)
        layers.append(dots.encode(**encoding))
    if not layers:
        return None
    return alt.layer(*layers).properties(
        width="container", height=300, description=f"{picture.title}: {', '.join(named)}"
    )


def _rows(picture: Picture, *marks: str) -> list[dict[str, Any]]:
    """The points of lines of these marks that can be drawn."""
    found = []
    for number, line in enumerate(picture.lines):
        x, y = np.asarray(line.x, np.float64), np.asarray(line.y, np.float64)
        shown = np.isfinite(x) & np.isfinite(y)
        for axis, values in ((picture.x, x), (picture.y, y)):
            if axis.log:
                shown &= values > 0
        if line.mark in marks:
            found += [
                {"line": line.name, "number": number, "x": float(a), "y": float(b)}
                for a, b in zip(x[shown], y[shown], strict=True)
            ]
    return found


def _title(axis: Axis) -> str:
    return f"{axis.title} (logarithmic)" if axis.log else axis.title


def _scale(axis: Axis) -> alt.Scale:
    import altair as alt

    ends: dict[str, Any] = {}
    if known(axis.low):
        ends["domainMin"] = axis.low
    if known(axis.high):
        ends["domainMax"] = axis.high
    if axis.log:
        return alt.Scale(type="log", nice=False, padding=8, **ends)
    return alt.Scale(zero=False, nice=False, padding=8, **ends)


def _axis(axis: Axis, *, grid: bool) -> alt.Axis:
    import altair as alt

    return alt.Axis(grid=grid, tickCount=6, format="~g" if axis.log else ",.4~g")
