"""The pictures of an explanation: turns plain data into a chart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from reports.figures.encoding import inline, legend_columns
from reports.palette import INK, palette
from tasks.evaluation.rounding import known

if TYPE_CHECKING:
    import altair as alt

    from reports.figures.encoding import Chart
    from tasks.explanations.explanation import Axis, Heights, Picture

_BANDS = 16  # bands of heights
_OVER = 0.06  # share of a cell by which it reaches under the next one, so that no seam is left


def drawn(picture: Picture, names: Sequence[str]) -> Chart | None:
    """Draws the lines of a picture; those of theory are dashed. None if nothing can be drawn.

    Args:
        names: Names that get colours, in order: the picture's lines without those of theory; and perhaps lines of other
            pictures, so that all share their colours.
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
    legend = alt.Legend(columns=legend_columns(list(named)), values=list(named), labelLimit=340)
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
        dashed = {} if picture.heights else {"strokeDash": dash}  # else colours and dashes would have a legend each
        layers.append(mark.encode(**encoding, **dashed, detail="number:N"))
    if points := _rows(picture, "points"):
        dots = alt.Chart(inline(points)).mark_point(filled=True, size=70, opacity=1, clip=True, aria=False)
        layers.append(dots.encode(**encoding))
    if not layers:
        return None
    chart = alt.layer(*layers)
    if picture.heights is not None:
        chart = alt.layer(_heights(picture.heights, encoding), chart).resolve_scale(color="independent")
    return chart.properties(width="container", height=300, description=f"{picture.title}: {', '.join(named)}")


def _heights(heights: Heights, encoding: dict[str, Any]) -> alt.Chart:
    """Draws heights as bands of colour, pale for low ones. Neighbouring cells of one band are drawn as one rectangle:
    each rectangle is in the page twice, and takes far more bytes in the picture than in the data."""
    import altair as alt

    across, up = ((side[-1] - side[0]) / (len(side) - 1) for side in (heights.x, heights.y))
    bands = _bands(heights)
    rows = []
    for y, line in zip(heights.y, bands, strict=True):
        starts = [0, *(1 + np.flatnonzero(np.diff(line))), len(line)]  # a difference to NaN counts as one
        for start, stop in pairwise(starts):
            if np.isfinite(line[start]):
                x = {"x": heights.x[start] - across / 2, "x2": heights.x[stop - 1] + (0.5 + _OVER) * across}
                rows.append({**x, "y": y - up / 2, "y2": y + (0.5 + _OVER) * up, "height": float(line[start])})
    scale = alt.Scale(type="log", scheme="blues", domainMax=heights.high, clamp=True)
    legend = alt.Legend(title=heights.title, orient="right", gradientLength=200, tickCount=4, format="~g")
    return (
        alt.Chart(inline(rows))
        .mark_rect(clip=True, aria=False)
        .encode(
            x=encoding["x"],
            y=encoding["y"],
            x2="x2:Q",
            y2="y2:Q",
            color=alt.Color("height:Q", scale=scale, legend=legend),
            tooltip=[alt.Tooltip("height:Q", title=f"{heights.title}, about", format=",.2~g")],
        )
    )


def _bands(heights: Heights) -> np.ndarray:
    """Returns each height as the middle of its logarithmic band, `[len(y), len(x)]`; NaN where there is no height."""
    values = np.array(heights.values, float)
    values = np.minimum(np.where(values > 0, values, np.nan), heights.high)
    low = np.nanmin(values) if np.isfinite(values).any() else heights.high
    width = max(np.log(heights.high / low), 1e-9) / _BANDS
    return np.asarray(low * np.exp((np.minimum(np.log(values / low) // width, _BANDS - 1) + 0.5) * width))


def _rows(picture: Picture, *marks: str) -> list[dict[str, Any]]:
    """Returns the points that can be drawn, of lines with one of these marks."""
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
