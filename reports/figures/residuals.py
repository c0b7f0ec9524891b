"""Residuals of the shipped model, for regression: against its predictions, and along the inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reports.figures.encoding import inline, own_range
from reports.palette import BETTER, INK
from tasks.evaluation.residuals import by_input
from tasks.evaluation.rounding import rounded
from tasks.records.inspection import InputResiduals, ResidualLevel

if TYPE_CHECKING:
    import numpy as np

    from reports.figures.encoding import Chart
    from tasks.evaluation.predicted import Predicted

_DOTS = 700
_RESIDUAL = "Residual (predicted minus actual)"


def residuals(of: Predicted, target: str, confidence: float) -> dict[str, Chart]:
    """Returns charts by tab title: predicted against actual values, residuals against predicted ones, and a histogram.

    Args:
        of: Predictions and targets of a regression.
        target: Name of the target.
        confidence: Of the running mean's intervals, in (0, 1).
    """
    return {
        "Predicted and actual": _scatter(of.target, of.prediction, target),
        "Residuals by prediction": _by_prediction(of, target, confidence),
        "Spread of residuals": _spread(of.residuals, target),
    }


def residuals_by_input(found: Sequence[InputResiduals]) -> dict[str, Chart]:
    """Returns charts by tab title: the residuals along each input. The title has the share of their variance that lies
    between the parts of the input."""
    return {
        f"{each.name} ({each.association:.0%})": _by_number(each) if each.number else _by_category(each)
        for each in found
    }


def _some(rows: int) -> np.ndarray:
    """Returns the positions of at most `_DOTS` random rows, ascending."""
    import numpy as np

    return np.sort(np.random.default_rng(0).permutation(rows)[:_DOTS])


def _scatter(target: np.ndarray, value: np.ndarray, name: str) -> Chart:
    import altair as alt

    rows = [{"actual": float(target[i]), "predicted": float(value[i])} for i in _some(len(target))]
    ends = [float(min(target.min(), value.min())), float(max(target.max(), value.max()))]
    ideal = alt.Chart(inline([{"actual": end, "predicted": end} for end in ends])).mark_line(
        aria=False, color=INK, strokeDash=[4, 4], strokeWidth=1.2
    )
    scale = own_range()
    x = alt.X("actual:Q", title=f"Actual {name}", scale=scale)
    y = alt.Y("predicted:Q", title=f"Predicted {name}", scale=scale)
    dots = alt.Chart(inline(rows)).mark_point(aria=False, color=BETTER, filled=True, size=20, opacity=0.35)
    return alt.layer(dots.encode(x=x, y=y, tooltip=["actual:Q", "predicted:Q"]), ideal.encode(x=x, y=y)).properties(
        width="container",
        height=400,
        description=f"Predicted against actual values of {len(rows)} rows, equal on the dashed line",
    )


def _spread(residual: np.ndarray, name: str) -> Chart:
    import altair as alt
    import numpy as np

    counts, edges = np.histogram(residual, bins=40)
    rows = [{"from": float(edges[i]), "to": float(edges[i + 1]), "rows": int(counts[i])} for i in range(len(counts))]
    bars = (
        alt.Chart(inline(rows))
        .mark_bar(aria=False, color=BETTER, opacity=0.75, stroke="white", strokeWidth=1)
        .encode(
            x=alt.X(
                "from:Q",
                title=f"Predicted minus actual {name}",
                scale=alt.Scale(zero=False, nice=False),
            ),
            x2="to:Q",
            y=alt.Y("rows:Q", title="Rows"),
            tooltip=[alt.Tooltip("from:Q", format=",.4~r"), alt.Tooltip("to:Q", format=",.4~r"), "rows:Q"],
        )
    )
    zero = alt.Chart(inline([{"zero": 0}])).mark_rule(aria=False, color=INK, strokeWidth=1.2).encode(x=alt.X("zero:Q"))
    return alt.layer(bars, zero).properties(
        width="container",
        height=300,
        description="How far predictions are off: a histogram of predicted minus actual",
    )


def _by_prediction(of: Predicted, target: str, confidence: float) -> Chart:
    import altair as alt
    import pandas as pd

    residual = of.residuals
    dots = [{"value": float(of.prediction[at]), "residual": float(residual[at])} for at in _some(len(residual))]
    running = by_input("", pd.Series(of.prediction), residual, confidence, of.groups)
    x = alt.X("value:Q", title=f"Predicted {target}", scale=own_range())
    layers = [
        alt.Chart(inline(dots))
        .mark_point(aria=False, color=BETTER, filled=True, size=20, opacity=0.3)
        .encode(x=x, y=_y()),
        _zero(),
        *(_running(running.levels, x) if running else []),
    ]
    return alt.layer(*layers).properties(
        width="container",
        height=340,
        description=f"Residuals of {len(dots)} rows against predicted {target}, with their running mean",
    )


def _by_number(of: InputResiduals) -> Chart:
    import altair as alt

    x = alt.X("value:Q", title=of.name, scale=own_range())
    known = [level for level in of.levels if level.at is not None]
    boxes = [{"value": level.at, "low": level.quartiles[0], "high": level.quartiles[2]} for level in known]
    band = alt.Chart(inline(boxes)).mark_area(aria=False, color=BETTER, opacity=0.14)
    layers = [band.encode(x=x, y=alt.Y("low:Q"), y2="high:Q")]
    if of.dots:
        dots = alt.Chart(inline([vars(dot) for dot in of.dots])).mark_point(
            aria=False, filled=True, size=18, opacity=0.3
        )
        layers.append(dots.encode(x=x, y=_y(), color=alt.value(BETTER)))
    layers += [_zero(), *_running(known, x)]
    missing = next((level for level in of.levels if level.at is None), None)
    title = "" if missing is None else f"Without a value: {missing.rows:,} rows, mean residual {rounded(missing.mean)}"
    return alt.layer(*layers).properties(
        width="container",
        height=320,
        title=alt.TitleParams(title, anchor="start", fontSize=12, fontWeight="normal", color=INK),
        description=f"Residuals along {of.name}: running mean from {_span(known)}",
    )


def _by_category(of: InputResiduals) -> Chart:
    import altair as alt

    rows = [_row(level) for level in of.levels]
    order = [row["name"] for row in rows]
    y = alt.Y("name:N", title=None, sort=order, axis=alt.Axis(labelLimit=160, ticks=False, domain=False))
    x = alt.X("mean:Q", title=_RESIDUAL, scale=own_range())
    base = alt.Chart(inline(rows)).encode(y=y, tooltip=_tooltip("name:N", of.name))
    zero = alt.Chart(inline([{"zero": 0}])).mark_rule(aria=False, color=INK, strokeDash=[4, 4], strokeWidth=1)
    layers = []
    if of.dots:
        dots = [{"name": str(dot.value), "mean": dot.residual} for dot in of.dots]
        layers.append(
            alt.Chart(inline(dots))
            .mark_point(aria=False, color=BETTER, filled=True, size=18, opacity=0.25)
            .encode(x=x, y=y)
        )
    layers += [
        base.mark_bar(aria=False, color=BETTER, opacity=0.2, height=16).encode(
            x=alt.X("from:Q", title=_RESIDUAL), x2="to:Q"
        ),
        zero.encode(x=alt.X("zero:Q")),
        base.mark_rule(aria=False, color=INK, strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q"),
        base.mark_point(aria=False, color=INK, filled=True, size=50, opacity=1).encode(x=x),
    ]
    return alt.layer(*layers).properties(
        width="container",
        height=max(90, 30 * len(order)),
        description=f"Residuals by {of.name}: mean from {_span(of.levels)}",
    )


def _running(levels: Sequence[ResidualLevel], x: Any) -> list[Any]:
    import altair as alt

    rows = [_row(level) for level in levels if level.at is not None]
    base = alt.Chart(inline(rows)).encode(x=x, tooltip=_tooltip("value:Q", "median"))
    y = alt.Y("mean:Q", title=_RESIDUAL, scale=own_range())
    return [
        base.mark_rule(aria=False, color=INK, strokeWidth=2, opacity=0.7).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_line(aria=False, color=INK, strokeWidth=1.6).encode(y=y),
        base.mark_point(aria=False, color=INK, filled=True, size=36, opacity=1).encode(y=y),
    ]


def _row(level: ResidualLevel) -> dict[str, Any]:
    return {
        "name": level.name,
        "value": level.at,
        "rows": level.rows,
        "mean": level.mean,
        "low": level.low,
        "high": level.high,
        "from": level.quartiles[0],
        "to": level.quartiles[2],
    }


def _tooltip(field: str, title: str) -> list[Any]:
    import altair as alt

    first = alt.Tooltip(field, title=title, **({"format": ",.4~g"} if field.endswith("Q") else {}))
    others = [alt.Tooltip(f"{name}:Q", format=",.4~g") for name in ("mean", "low", "high")]
    return [first, alt.Tooltip("rows:Q", format=","), *others]


def _span(levels: Sequence[ResidualLevel]) -> str:
    means = [level.mean for level in levels]
    return f"{rounded(min(means))} to {rounded(max(means))}" if means else "no row"


def _y() -> Any:
    import altair as alt

    return alt.Y("residual:Q", title=_RESIDUAL, scale=own_range())


def _zero() -> Any:
    import altair as alt

    return (
        alt.Chart(inline([{"residual": 0}]))
        .mark_rule(aria=False, color=INK, strokeDash=[4, 4], strokeWidth=1)
        .encode(y="residual:Q")
    )
