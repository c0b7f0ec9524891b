"""Charts of networks: the weights by layer, what hidden units add, and the size of each layer's steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reports.figures.curves import in_epochs
from reports.figures.encoding import inline
from reports.palette import BETTER, COLOURS, WORSE
from reports.recipes import recipes_of

if TYPE_CHECKING:
    import pandas as pd

    from reports.figures.encoding import Chart
    from tasks.records.inspection import HiddenUnits, LayerWeights
    from tasks.records.plan import Plan
    from tasks.records.verdict import Verdict

_RECIPES = 3
"""Recipes whose steps are drawn: the leading ones."""


def histograms(layers: Sequence[LayerWeights]) -> dict[str, Chart]:
    """Returns a histogram of each layer's weights, by tab title."""
    return {each.name: _histogram(each) for each in layers}


def _histogram(of: LayerWeights) -> Chart:
    import altair as alt

    bins = zip(of.edges, of.edges[1:], of.counts, strict=False)
    rows = [{"from": start, "to": stop, "weights": many} for start, stop, many in bins]
    zeros = f", {of.zeros:,} of them exactly 0" if of.zeros else ""
    return (
        alt.Chart(inline(rows))
        .mark_bar(color=BETTER, aria=False)
        .encode(
            x=alt.X("from:Q", bin="binned", title=f"Weights of {of.name}"),
            x2="to:Q",
            y=alt.Y("weights:Q", title="How many"),
            tooltip=[alt.Tooltip(f"{name}:Q", format=",.3~g") for name in ("from", "to", "weights")],
        )
        .properties(
            width="container", height=200, description=f"Histogram of {of.weights:,} weights of {of.name}{zeros}"
        )
    )


def units(of: HiddenUnits) -> Chart:
    """Draws what each hidden unit adds to each output, as colours."""
    import altair as alt

    rows = [
        {"unit": place + 1, "output": name, "added": value}
        for place, added in enumerate(of.added)
        for name, value in zip(of.outputs, added, strict=True)
    ]
    most = max((abs(value) for added in of.added for value in added), default=0.0) or 1.0
    scale = alt.Scale(domain=[-most, 0, most], range=[WORSE, "#ffffff", BETTER], interpolate="rgb")
    legend = alt.Legend(title="added", format=".2~g", tickCount=5, gradientLength=200)
    return (
        alt.Chart(inline(rows))
        .mark_rect(aria=False)
        .encode(
            x=alt.X("output:N", title="Output", sort=list(of.outputs), axis=alt.Axis(labelAngle=0, orient="top")),
            y=alt.Y("unit:O", title="Hidden unit"),
            color=alt.Color("added:Q", scale=scale, legend=legend),
            tooltip=["unit:O", "output:N", alt.Tooltip("added:Q", format=",.3~g")],
        )
        .properties(
            width="container",
            height=max(80, 26 * len(of.added)),
            description=f"What each of {len(of.added)} hidden units adds to {', '.join(of.outputs)}",
        )
    )


def steps(curves: pd.DataFrame, trials: pd.DataFrame, plan: Plan, verdict: Verdict | None) -> dict[str, Chart]:
    """Returns charts by label of the leading recipes: the effective learning rate of each layer over the epochs. It is
    the norm of the last step over the norm of the gradient, as the geometric mean over the seeds."""
    import numpy as np

    wide = curves[curves["layer"].notna() & curves["name"].isin(["update_ratio", "weight_norm", "grad_norm"])]
    if not len(wide):
        return {}
    wide = in_epochs(wide, plan).pivot_table(
        index=["trial_id", "epoch", "layer"], columns="name", values="value", observed=True
    )
    if not {"update_ratio", "weight_norm", "grad_norm"} <= set(wide):
        return {}
    rate = wide["update_ratio"] * wide["weight_norm"] / wide["grad_norm"]
    found = rate[(rate > 0) & (rate < float("inf"))].rename("rate").reset_index()
    recipe = trials[trials["stage"] == "final"].set_index("trial_id")["recipe"]
    found["recipe"] = found["trial_id"].map(recipe)
    charts = {}
    for look in recipes_of(plan, verdict).among(found["recipe"].dropna())[:_RECIPES]:
        own = found[found["recipe"] == look.name].assign(log=lambda of: np.log(of["rate"]))
        mean = own.groupby(["layer", "epoch"], observed=True)["log"].mean().reset_index()
        rows: list[dict[str, str | float]] = [
            {"layer": str(layer), "epoch": round(float(epoch), 4), "rate": float(np.exp(log))}
            for layer, epoch, log in mean.itertuples(index=False)
        ]
        charts[look.label] = _steps(rows, look.label)
    return charts


def _steps(rows: list[dict[str, str | float]], label: str) -> Chart:
    import altair as alt

    layers = list(dict.fromkeys(row["layer"] for row in rows))
    return (
        alt.Chart(inline(rows))
        .mark_line(aria=False, strokeWidth=2, point=len(rows) <= len(layers))
        .encode(
            x=alt.X("epoch:Q", title="Epoch", scale=alt.Scale(nice=False, zero=False), axis=alt.Axis(grid=False)),
            y=alt.Y(
                "rate:Q",
                title="Effective learning rate (logarithmic)",
                scale=alt.Scale(type="log", nice=False),
                axis=alt.Axis(format=".2~g", tickCount=5),
            ),
            color=alt.Color("layer:N", title="Layer", sort=layers, scale=alt.Scale(range=list(COLOURS))),
            tooltip=["layer:N", alt.Tooltip("epoch:Q", format=",.4~r"), alt.Tooltip("rate:Q", format=",.3~g")],
        )
        .properties(
            width="container", height=220, description=f"Effective learning rate of the layers of {label} by epoch"
        )
    )
