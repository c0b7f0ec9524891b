"""Draws how well the shipped model ranks rows: ROC and precision-recall curves with their bands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reports.figures.encoding import inline
from reports.palette import BETTER, FAINT, INK, WORSE
from tasks.evaluation.ranking import Ranked, mean_of, precision_recall, roc

if TYPE_CHECKING:
    import numpy as np

    from reports.figures.encoding import Chart
    from tasks.evaluation.predicted import Predicted
    from tasks.records.verdict import OperatingPoint

_PANELS = 12  # most panels for several classes: the macro average, and the others for classes
_SIDE = 148  # px; a panel's width and height
_STEPS = (0.01, 0.02, 0.03, 0.05, 0.07)  # points of a panel's horizontal axis, beside every fiftieth


@dataclass(frozen=True)
class _Axes:
    title: str
    x: str
    y: str
    area: str


_ROC = _Axes("ROC", "False positive rate", "True positive rate (recall)", "area")
_PR = _Axes("Precision-recall", "Recall", "Precision", "average precision")


@dataclass(frozen=True)
class Ranking:
    """The charts by title, and a sentence that says which classes they show, or why there are no charts."""

    charts: dict[str, Chart] = field(default_factory=dict)
    said: str = ""


def ranking(
    of: Predicted, classes: list[str], positive: int | None, confidence: float, point: OperatingPoint | None
) -> Ranking:
    """Draws the curves. For two classes: of the class of interest, with the threshold in use. For more: of each class
    against the others, and their mean.

    Args:
        of: Predicted probabilities and targets.
        classes: Class names, in order.
        positive: Position of the class of interest, for two classes; else None.
        confidence: Of the bands, in (0, 1).
        point: Holds the probability from which on the positive class is predicted.
    """
    wanted = range(len(classes)) if positive is None else [positive]
    there = [k for k in wanted if (of.target == k).any() and not (of.target == k).all()]
    if not there:
        return Ranking(said="All rows of this part are of one class, so there is nothing to rank.")
    if positive is not None:
        actual, score = of.target == positive, of.prediction[:, positive]
        return Ranking(
            {
                _ROC.title: _single(
                    roc(actual, score, confidence, of.groups), _ROC, classes[positive], None, _at(actual, score, point)
                ),
                _PR.title: _single(
                    precision_recall(actual, score, confidence, of.groups),
                    _PR,
                    classes[positive],
                    float(actual.mean()),
                    _at(actual, score, point),
                ),
            }
        )
    curves = {
        axes.title: {k: curve(of.target == k, of.prediction[:, k], confidence, of.groups) for k in there}
        for axes, curve in ((_ROC, roc), (_PR, precision_recall))
    }
    shares = {k: float((of.target == k).mean()) for k in there}
    charts: dict[str, Chart] = {
        axes.title: _panels(curves[axes.title], axes, classes, shares if axes is _PR else None) for axes in (_ROC, _PR)
    }
    return Ranking(charts, _said(len(classes), len(there)))


def _said(classes: int, there: int) -> str:
    said = f"The {_PANELS - 1} classes with the smallest area of {there} are shown." if there >= _PANELS else ""
    absent = classes - there
    return (said + (f" {absent} classes have no row on this part, so no curve." if absent else "")).strip()


def _at(actual: np.ndarray, score: np.ndarray, point: OperatingPoint | None) -> dict[str, dict[str, float]]:
    """Returns the place of the threshold in use on each curve, by the curve's title."""
    if point is None:
        return {}
    predicted = score >= point.threshold
    hits, rows = float((predicted & actual).sum()), float(predicted.sum())
    found, false = hits / actual.sum(), (rows - hits) / (~actual).sum()
    places = {_ROC.title: {"x": float(false), "y": float(found)}}
    if rows:
        places[_PR.title] = {"x": float(found), "y": hits / rows}
    return {name: {**place, "threshold": point.threshold} for name, place in places.items()}


def _single(curve: Ranked, axes: _Axes, name: str, chance: float | None, points: dict[str, dict[str, float]]) -> Chart:
    import altair as alt

    rows = _rows(curve, range(len(curve.x)))
    base = alt.Chart(inline(rows)).encode(x=_x(axes))
    tooltip = [
        alt.Tooltip("x:Q", format=".3f", title=axes.x),
        alt.Tooltip("y:Q", format=".3f", title=axes.y),
        alt.Tooltip("low:Q", format=".3f", title="band from"),
        alt.Tooltip("high:Q", format=".3f", title="to"),
        alt.Tooltip("threshold:Q", format=".3f", title="from probability"),
    ]
    level = alt.Chart(inline([{"x": end, "y": end if chance is None else chance} for end in (0, 1)]))
    layers = [
        base.mark_area(aria=False, color=BETTER, opacity=0.16).encode(y=alt.Y("low:Q"), y2="high:Q"),
        level.mark_line(aria=False, color="#9aa3ad", strokeDash=[4, 4], strokeWidth=1.2).encode(x="x:Q", y="y:Q"),
        base.mark_line(aria=False, color=BETTER, strokeWidth=2).encode(y=_y(axes)),
        base.mark_point(aria=False, size=90, opacity=0).encode(y=_y(axes), tooltip=tooltip),
    ]
    if axes.title in points:
        ring = alt.Chart(inline([points[axes.title]])).mark_point(aria=False, color=WORSE, size=110, strokeWidth=2.5)
        layers.append(
            ring.encode(
                x="x:Q",
                y="y:Q",
                tooltip=[
                    alt.Tooltip("threshold:Q", format=".3g", title="threshold in use"),
                    alt.Tooltip("x:Q", format=".3f", title=axes.x),
                    alt.Tooltip("y:Q", format=".3f", title=axes.y),
                ],
            )
        )
    middle = rows[min(range(len(rows)), key=lambda at: abs(rows[at]["x"] - 0.5))]
    return alt.layer(*layers).properties(
        width="container",
        height=380,
        title=alt.TitleParams(
            f"{name}: {axes.area} {curve.area:.3f}", anchor="start", fontSize=13, fontWeight="normal", color=INK
        ),
        description=f"{axes.title} curve of {name}: {axes.area} {curve.area:.3f}; at a {axes.x.lower()} of 0.5 a "
        f"{axes.y.lower()} of {middle['y']:.3f}, band {middle['low']:.3f} to {middle['high']:.3f}",
    )


def _panels(curves: dict[int, Ranked], axes: _Axes, classes: list[str], shares: dict[int, float] | None) -> Chart:
    """Draws a panel for the macro average and one for each class. Of many classes, shows only those with the smallest
    area, the smallest first."""
    import altair as alt

    order = list(curves)
    if len(order) >= _PANELS:
        order = sorted(order, key=lambda k: curves[k].area)[: _PANELS - 1]
    macro = mean_of(list(curves.values()))
    panels = [("macro average", macro, _mean(shares)), *((classes[k], curves[k], (shares or {}).get(k)) for k in order)]
    rows: list[dict[str, Any]] = []
    titles = []
    for name, curve, chance in panels:
        titles.append(f"{name}: {curve.area:.3f}")
        for row in _rows(curve, _thinned(curve)):
            tenth = abs(row["x"] * 10 - round(row["x"] * 10)) < 1e-6  # points that show a tooltip
            chances = row["x"] if chance is None else chance
            rows.append({"panel": titles[-1], **row, "chance": chances, "tenth": tenth})
    base = alt.Chart().encode(x=_x(axes, values=[0, 0.5, 1]))
    y = _y(axes, values=[0, 0.5, 1])
    tooltip = [
        alt.Tooltip("panel:N", title="class"),
        alt.Tooltip("x:Q", format=".3f", title=axes.x),
        alt.Tooltip("y:Q", format=".3f", title=axes.y),
        alt.Tooltip("low:Q", format=".3f", title="band from"),
        alt.Tooltip("high:Q", format=".3f", title="to"),
    ]
    layered = alt.layer(
        base.mark_area(aria=False, color=BETTER, opacity=0.18).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_line(aria=False, color=FAINT, strokeDash=[4, 4], strokeWidth=1.2).encode(y=alt.Y("chance:Q")),
        base.mark_line(aria=False, color=BETTER, strokeWidth=1.8).encode(y=y),
        base.transform_filter("datum.tenth").mark_point(aria=False, size=120, opacity=0).encode(y=y, tooltip=tooltip),
    ).properties(width=_SIDE, height=_SIDE)
    header = alt.Header(title=None, labelFontSize=12, labelLimit=_SIDE, labelColor=INK, labelAnchor="start")
    return layered.facet(
        facet=alt.Facet("panel:N", sort=titles, header=header), columns=4, data=inline(rows), spacing=14
    ).properties(
        description=f"{axes.title} curves, one class against the others, with {axes.area}: " + "; ".join(titles)
    )


def _mean(shares: dict[int, float] | None) -> float | None:
    return None if shares is None else sum(shares.values()) / len(shares)


def _thinned(curve: Ranked) -> list[int]:
    """Returns the positions of the points that a panel draws: every fiftieth of the axis, and `_STEPS`."""
    return [
        at
        for at, x in enumerate(curve.x)
        if abs(x * 50 - round(x * 50)) < 1e-6 or any(abs(x - step) < 1e-6 for step in _STEPS)
    ]


def _rows(curve: Ranked, places: Any) -> list[dict[str, Any]]:
    import numpy as np

    return [
        {
            "x": float(curve.x[at]),
            "y": float(curve.y[at]),
            "low": float(curve.low[at]),
            "high": float(curve.high[at]),
            **({"threshold": float(curve.threshold[at])} if np.isfinite(curve.threshold[at]) else {}),
        }
        for at in places
    ]


def _x(axes: _Axes, **axis: Any) -> Any:
    import altair as alt

    return alt.X("x:Q", title=axes.x, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="~g", **axis))


def _y(axes: _Axes, **axis: Any) -> Any:
    import altair as alt

    return alt.Y("y:Q", title=axes.y, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="~g", **axis))
