"""Draws the evidence of a diagnosis over the epochs, one line for each seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reports.figures.curves import in_epochs, thinned
from reports.figures.encoding import inline
from reports.palette import COLOURS

if TYPE_CHECKING:
    import pandas as pd

    from reports.figures.encoding import Chart
    from tasks.records.diagnosis import Diagnosis
    from tasks.records.plan import Plan

_SPREAD = 20
"""A curve that covers more than this factor is drawn on a logarithmic scale."""

_EVIDENCE = {
    "diverged": ("train_loss", "Training loss"),
    "learning_rate_too_high": ("train_loss", "Training loss"),
    "learning_rate_too_low": ("weight_distance", "Weights' distance from the start"),
    "exploding_gradients": ("grad_norm", "Norm of the gradient"),
    "vanishing_gradients": ("grad_norm", "Norm of the gradient"),
    "dying_relu": ("dead_units", "Share of dead units"),
    "poor_initialisation": ("activation_std", "Standard deviation of the values"),
    "unscaled_inputs": ("grad_norm", "Norm of the gradient"),
    "plateau": ("learning_rate", "Learning rate"),
    "underfitting": ("train_loss", "Training loss"),
}
"""By diagnosis: the curve that shows it, and the curve's title. Other diagnoses show the validation loss."""


def evidence(found: Diagnosis, recipe_id: str, curves: pd.DataFrame, trials: pd.DataFrame, plan: Plan) -> Chart | None:
    """Draws the curve that shows a diagnosis; None if the curve was not recorded."""
    import altair as alt

    name, words = _EVIDENCE.get(found.kind, ("val_loss", "Validation loss"))
    seeds = trials[(trials["recipe_id"] == recipe_id) & (trials["stage"] == "final")].set_index("trial_id")["seed"]
    place = curves["layer"].eq(found.layer).fillna(False) if found.layer else curves["layer"].isna()
    if not (place & (curves["name"] == name)).any():
        place = curves["layer"].isna()
    shown = in_epochs(curves[(curves["name"] == name) & place & curves["trial_id"].isin(seeds.index)], plan)
    shown = shown[shown["value"].abs() < float("inf")]
    if not len(shown):
        return None
    seen = shown.sort_values("epoch").reset_index(drop=True)
    shown = seen.loc[[row for rows in seen.groupby("trial_id").groups.values() for row in thinned(rows.to_numpy())]]
    values = shown["value"].astype(float)
    rows = [
        {"epoch": float(epoch), "value": float(value), "seed": str(seeds[trial])}
        for epoch, value, trial in zip(shown["epoch"], values, shown["trial_id"], strict=True)
    ]
    logarithmic = values.min() > 0 and values.max() > _SPREAD * values.min()
    scale: dict[str, Any] = {"type": "log", "nice": False} if logarithmic else {"zero": False}
    words += f" of {found.layer}" if found.layer and shown["layer"].notna().any() else ""
    chart = (
        alt.Chart(inline(rows))
        .mark_line(strokeWidth=1.5, point=len(rows) <= seeds.size)
        .encode(
            x=alt.X(
                "epoch:Q",
                title="Epoch",
                scale=alt.Scale(nice=False, zero=False),
                axis=alt.Axis(grid=False, tickMinStep=1),
            ),
            y=alt.Y(
                "value:Q",
                title=words + (" (logarithmic)" if logarithmic else ""),
                scale=alt.Scale(**scale),
                axis=alt.Axis(format=".3~g", tickCount=5),
            ),
            color=alt.Color("seed:N", title="Seed", scale=alt.Scale(range=list(COLOURS))),
            tooltip=["seed:N", alt.Tooltip("epoch:Q", format=",.4~r"), alt.Tooltip("value:Q", format=",.4~g")],
        )
    )
    return chart.properties(width="container", height=180, description=f"{words} by epoch, {seeds.size} seeds")
