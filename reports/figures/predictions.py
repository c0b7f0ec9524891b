"""The shipped model's predictions on the test part (or out of fold): confused classes, and calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.figures.encoding import inline
from reports.palette import BETTER, INK
from tasks.evaluation.calibration import reliability

if TYPE_CHECKING:
    import altair as alt
    import numpy as np

    from reports.figures.encoding import Chart

_CELLS_WITH_COUNTS = 15  # classes; with more, counts would not fit into the cells
_MOST_CLASSES = 40  # with more, cells are too small to see


def confusion(actual: np.ndarray, predicted: np.ndarray, classes: list[str]) -> dict[str, Chart]:
    """Draws the confusion matrix, each row as shares of its actual class; empty for more than 40 classes.

    Args:
        actual, predicted: Class indices `[rows]`.
        classes: Class names, in order.
    """
    import altair as alt
    import numpy as np

    if len(classes) > _MOST_CLASSES:
        return {}
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(counts, (actual, predicted), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    few, written = len(classes) <= 4, len(classes) <= _CELLS_WITH_COUNTS
    rows = [
        {
            "actual": a,
            "predicted": p,
            "rows": int(counts[i, j]),
            "share": float(shares[i, j]),
            **_words(counts[i, j], shares[i, j], written),
        }
        for i, a in enumerate(classes)
        for j, p in enumerate(classes)
        if counts[i, j] or written
    ]
    base = alt.Chart(inline(rows)).encode(**_places(classes))
    scale = alt.Scale(range=["#f5f7f9", "#0b4f7d"], domain=[0, 1])
    layers = [
        base.mark_rect(aria=False, stroke="white", strokeWidth=2).encode(
            color=alt.Color("share:Q", scale=scale, legend=None)
        )
    ]
    if written:
        ink = alt.condition("datum.share > 0.5", alt.value("white"), alt.value(INK))
        size = 14 if few else 11
        layers.append(base.mark_text(aria=False, fontSize=size, dy=-size / 2).encode(text="percent:N", color=ink))
        layers.append(
            base.mark_text(aria=False, fontSize=size - 1.5, dy=size / 2 + 1).encode(text="count:N", color=ink)
        )
    chart = alt.layer(*layers).properties(
        width=130 * len(classes) if few else "container",
        height=len(classes) * (64 if few else 38 if written else 16),
        description=f"Confusion matrix: {int(counts.trace()):,} of {len(actual):,} rows on the diagonal",
    )
    return {"Confusion matrix": chart}


def _words(count: int, share: float, written: bool) -> dict[str, str]:
    """Returns the texts of a cell; empty ones for a cell without rows."""
    if not written:
        return {}
    percent = "<1%" if 0 < share < 0.005 else ">99%" if 0.995 <= share < 1 else f"{share:.0%}"
    return {"percent": percent, "count": f"{count:,}"} if count else {"percent": "", "count": ""}


def _places(classes: list[str]) -> dict[str, alt.X | alt.Y | list[alt.Tooltip]]:
    """Returns the axes and the tooltip: actual classes from top to bottom, predicted ones from left to right."""
    import altair as alt

    across = alt.Axis(
        orient="top", labelAngle=0 if len(classes) <= 10 else -90, ticks=False, domain=False, labelLimit=90
    )
    return {
        "x": alt.X("predicted:N", sort=classes, scale=alt.Scale(domain=classes), title="Predicted", axis=across),
        "y": alt.Y(
            "actual:N",
            sort=classes,
            scale=alt.Scale(domain=classes),
            title="Actual",
            axis=alt.Axis(ticks=False, domain=False),
        ),
        "tooltip": [
            alt.Tooltip("actual:N"),
            alt.Tooltip("predicted:N"),
            alt.Tooltip("rows:Q", format=","),
            alt.Tooltip("share:Q", format=".1%", title="share of the actual class"),
        ],
    }


def calibration(
    probability: np.ndarray,
    hit: np.ndarray,
    groups: np.ndarray | None,
    confidence: float,
    predicted: str,
    observed: str,
    weight: np.ndarray | None = None,
) -> Chart:
    """Draws the observed share by predicted probability, in ten bins of equal width with intervals.

    Args:
        probability: Predicted probability, in [0, 1] `[rows]`.
        hit: Whether the predicted event happened `[rows]`, bool.
        groups: The group of each row `[rows]`, or None.
        confidence: Of each interval, in (0, 1).
        predicted, observed: Titles of the axes.
        weight: The weight of each row `[rows]`, then without intervals; None: 1.
    """
    import altair as alt

    rows = [vars(each) for each in reliability(probability, hit, confidence, groups, weight)]
    unit = alt.Scale(domain=[0, 1])
    x = alt.X("predicted:Q", title=predicted, scale=unit)
    y = alt.Y("observed:Q", title=observed, scale=unit)
    ideal = alt.Chart(inline([{"predicted": 0, "observed": 0}, {"predicted": 1, "observed": 1}])).mark_line(
        color="#9aa3ad", strokeDash=[4, 4], strokeWidth=1.5
    )
    base = alt.Chart(inline(rows)).encode(
        x=x,
        tooltip=[alt.Tooltip(f"{name}:Q", format=".3f") for name in ("predicted", "observed", "low", "high")]
        + [alt.Tooltip("rows:Q", format=",")],
    )
    return alt.layer(
        ideal.encode(x=x, y=y),
        base.mark_rule(color=BETTER, strokeWidth=2, opacity=0.6).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_point(color=BETTER, filled=True, opacity=1).encode(
            y=y, size=alt.Size("rows:Q", legend=None, scale=alt.Scale(range=[30, 260], zero=True))
        ),
    ).properties(
        width="container",
        height=340,
        description=f"{observed} by {predicted[0].lower()}{predicted[1:]}, in ten bins",
    )
