"""What the shipped model predicts on the test part, row by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.figures.encoding import inline
from reports.palette import BETTER, INK
from tasks.evaluation.clusters import groups_of
from tasks.evaluation.intervals import NoInterval
from tasks.evaluation.shares import share_interval

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from reports.figures.encoding import Chart
    from tasks.records.plan import Plan
    from tasks.records.verdict import Verdict

_CELLS_WITH_COUNTS = 15  # classes; beyond, counts would not fit their cells
_BINS = 10
_DOTS = 1_000


def predictions(
    predictions: pd.DataFrame, splits: pd.DataFrame, verdict: Verdict | None, plan: Plan
) -> dict[str, Chart]:
    """By tab title: confusion matrix and, with two classes, reliability; else a scatter plot and residuals.

    Empty where no model was shipped or its predictions on the judged part were not kept.
    """
    if not verdict or not verdict.shipped:
        return {}
    shipped = verdict.shipped
    rows = predictions[(predictions["trial_id"] == shipped.trial_id) & (predictions["part"] == verdict.part)]
    if rows.empty:
        return {}
    if plan.task == "regression":
        target, value = rows["target"].to_numpy(float), rows["value"].to_numpy(float)
        return {
            "Predicted and actual": _scatter(target, value, plan),
            "Residuals": _residuals(value - target, plan),
        }
    wide = rows.pivot(index="row", columns="class_index", values="value").sort_index()
    probability = wide.to_numpy(float)
    actual = rows.groupby("row")["target"].first().sort_index().to_numpy(int)
    classes = [str(name) for name in plan.data.classes or ()]
    positive = classes.index(verdict.positive.name) if verdict.positive else 1
    predicted = _decide(probability, verdict, positive)
    charts: dict[str, Chart] = {"Confusion matrix": _confusion(actual, predicted, classes)}
    if len(classes) == 2:
        groups = groups_of(splits, verdict.part, wide.index.to_numpy())
        charts["Reliability"] = _reliability(
            actual == positive, probability[:, positive], groups, classes[positive], verdict.confidence
        )
    return charts


def _decide(probability: np.ndarray, verdict: Verdict, positive: int) -> np.ndarray:
    """The predicted class: the most probable one, or by the operating point's threshold with two classes."""
    import numpy as np

    point = verdict.operating_point
    if point and probability.shape[1] == 2:
        return np.where(probability[:, positive] >= point.threshold, positive, 1 - positive)
    return probability.argmax(axis=1)


def _confusion(actual: np.ndarray, predicted: np.ndarray, classes: list[str]) -> Chart:
    import altair as alt
    import numpy as np

    counts = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(counts, (actual, predicted), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows = [
        {"actual": a, "predicted": p, "rows": int(counts[i, j]), "share": float(shares[i, j])}
        for i, a in enumerate(classes)
        for j, p in enumerate(classes)
    ]
    base = alt.Chart(inline(rows)).encode(
        x=alt.X(
            "predicted:N",
            sort=classes,
            title="Predicted",
            axis=alt.Axis(
                orient="top",
                labelAngle=0 if len(classes) <= 10 else -90,
                ticks=False,
                domain=False,
                labelLimit=90,
            ),
        ),
        y=alt.Y("actual:N", sort=classes, title="Actual", axis=alt.Axis(ticks=False, domain=False)),
        tooltip=[
            "actual:N",
            "predicted:N",
            "rows:Q",
            alt.Tooltip("share:Q", format=".1%", title="share of the actual class"),
        ],
    )
    scale = alt.Scale(range=["#f5f7f9", "#0b4f7d"], domain=[0, 1])
    layers = [
        base.mark_rect(stroke="white", strokeWidth=2).encode(color=alt.Color("share:Q", scale=scale, legend=None))
    ]
    if len(classes) <= _CELLS_WITH_COUNTS:
        ink = alt.condition("datum.share > 0.5", alt.value("white"), alt.value(INK))
        layers.append(base.mark_text(fontSize=12).encode(text="rows:Q", color=ink))
    few = len(classes) <= 4
    height = len(classes) * (64 if few else 32 if len(classes) <= _CELLS_WITH_COUNTS else 16)
    return alt.layer(*layers).properties(
        width=130 * len(classes) if few else "container",
        height=height,
        description=f"Confusion matrix: {int(counts.trace())} of {len(actual)} rows on the diagonal",
    )


def _reliability(
    actual: np.ndarray, probability: np.ndarray, groups: np.ndarray | None, positive: str, confidence: float
) -> Chart:
    """Observed share of the positive class by predicted probability: ten bins, intervals as of other shares."""
    import altair as alt
    import numpy as np

    bins = np.minimum((probability * _BINS).astype(int), _BINS - 1)
    rows = []
    for position in np.unique(bins):
        inside = bins == position
        ends: tuple[float | None, float | None]
        try:
            ends = share_interval(actual[inside], confidence, None if groups is None else groups[inside])
        except NoInterval:  # rows of one group only: a point without a bar
            ends = None, None
        rows.append(
            {
                "predicted": float(probability[inside].mean()),
                "observed": float(actual[inside].mean()),
                "low": ends[0],
                "high": ends[1],
                "rows": int(inside.sum()),
            }
        )
    unit = alt.Scale(domain=[0, 1])
    x = alt.X("predicted:Q", title="Predicted probability", scale=unit)
    ideal = alt.Chart(inline([{"predicted": 0, "observed": 0}, {"predicted": 1, "observed": 1}])).mark_line(
        color="#9aa3ad", strokeDash=[4, 4], strokeWidth=1.5
    )
    base = alt.Chart(inline(rows)).encode(
        x=x,
        tooltip=[alt.Tooltip("predicted:Q", format=".3f"), alt.Tooltip("observed:Q", format=".3f"), "rows:Q"],
    )
    y = alt.Y("observed:Q", title="Observed share of the positive class", scale=unit)
    return alt.layer(
        ideal.encode(x=x, y=y),
        base.mark_rule(color=BETTER, strokeWidth=2, opacity=0.6).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_point(color=BETTER, filled=True, opacity=1).encode(
            y=y, size=alt.Size("rows:Q", legend=None, scale=alt.Scale(range=[30, 260], zero=True))
        ),
    ).properties(
        width="container",
        height=340,
        description=f"Observed share of {positive} by predicted probability, in ten bins",
    )


def _scatter(target: np.ndarray, value: np.ndarray, plan: Plan) -> Chart:
    import altair as alt
    import numpy as np

    shown = np.arange(len(target))
    if len(shown) > _DOTS:
        shown = np.sort(np.random.default_rng(0).choice(len(target), _DOTS, replace=False))
    rows = [{"actual": float(target[i]), "predicted": float(value[i])} for i in shown if np.isfinite(value[i])]
    ends = [float(min(target.min(), np.nanmin(value))), float(max(target.max(), np.nanmax(value)))]
    ideal = alt.Chart(inline([{"actual": end, "predicted": end} for end in ends])).mark_line(
        color=INK, strokeDash=[4, 4], strokeWidth=1.2
    )
    scale = alt.Scale(zero=False, nice=False, padding=8)
    x = alt.X("actual:Q", title=f"Actual {plan.data.target}", scale=scale)
    y = alt.Y("predicted:Q", title=f"Predicted {plan.data.target}", scale=scale)
    dots = alt.Chart(inline(rows)).mark_point(color=BETTER, filled=True, size=20, opacity=0.35)
    return alt.layer(dots.encode(x=x, y=y, tooltip=["actual:Q", "predicted:Q"]), ideal.encode(x=x, y=y)).properties(
        width="container",
        height=400,
        description=f"Predicted against actual values of {len(rows)} rows, equal on the dashed line",
    )


def _residuals(residual: np.ndarray, plan: Plan) -> Chart:
    import altair as alt
    import numpy as np

    counts, edges = np.histogram(residual[np.isfinite(residual)], bins=40)
    rows = [{"from": float(edges[i]), "to": float(edges[i + 1]), "rows": int(counts[i])} for i in range(len(counts))]
    bars = (
        alt.Chart(inline(rows))
        .mark_bar(color=BETTER, opacity=0.75, stroke="white", strokeWidth=1)
        .encode(
            x=alt.X(
                "from:Q",
                title=f"Predicted minus actual {plan.data.target}",
                scale=alt.Scale(zero=False, nice=False),
            ),
            x2="to:Q",
            y=alt.Y("rows:Q", title="Rows"),
            tooltip=[alt.Tooltip("from:Q", format=",.4~r"), alt.Tooltip("to:Q", format=",.4~r"), "rows:Q"],
        )
    )
    zero = alt.Chart(inline([{"zero": 0}])).mark_rule(color=INK, strokeWidth=1.2).encode(x=alt.X("zero:Q"))
    return alt.layer(bars, zero).properties(
        width="container",
        height=300,
        description="How far predictions are off: a histogram of predicted minus actual",
    )
