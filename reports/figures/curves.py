"""How each recipe learned: losses, the metric and the learning rate over epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reports.figures.encoding import colour, dash, inline
from reports.metric_names import title, titles_of
from reports.palette import palette

if TYPE_CHECKING:
    import pandas as pd

    from reports.figures.encoding import Chart
    from tasks.records.plan import Plan

_POINTS = 120  # of a line, at most
_SPREAD = 20  # a loss that covers more than this factor is drawn on a logarithmic scale


def learning_curves(curves: pd.DataFrame, trials: pd.DataFrame, plan: Plan) -> dict[str, Chart]:
    """By tab title: validation metric, validation loss, training loss, learning rate if scheduled.

    Each recipe is one line: the mean over its seeds that still train at that evaluation, in a band from the lowest
    to the highest of them. A click on the legend brings a recipe to the front (shift: several). A recipe that
    diverged leaves the chart at the top.
    """
    over_seeds = aggregate(in_epochs(curves, plan), trials)
    finished = set(trials.loc[trials["status"] == "ok", "recipe"])
    wanted = {
        f"val_{plan.metric}": f"{title(plan.metric, titles_of(plan))}, validation",
        "val_loss": "Loss, validation",
        "train_loss": "Loss, training",
        "learning_rate": "Learning rate",
    }
    charts = {}
    for name, words in wanted.items():
        found = over_seeds[over_seeds["name"] == name]
        if len(found) and (name != "learning_rate" or _scheduled(found)):
            calm = found[found["recipe"].isin(finished)]
            scale = _scale(found if calm.empty else calm, loss=name.endswith("_loss"))
            charts[words] = _chart(found, words, plan, scale)
    return charts


def in_epochs(curves: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """The curves with `epoch` as the epochs done at each point, whole or not: an epoch may hold several points."""
    import pandas as pd

    budget = {trial.trial_id: trial.epochs for trial in plan.trials}
    length = {each: stack.steps / budget[each] for stack in plan.stacks for each in stack.trials}
    steps = pd.to_numeric(curves["step"]).astype("float64")
    return curves.assign(epoch=steps / curves["trial_id"].map(length).astype("float64"))


def aggregate(curves: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """`recipe, name, epoch, mean, low, high` over the seeds of the final trials; finite values only.

    Seeds that diverged are left out of recipes that finished in others: one of them would be all of the mean.
    """
    import numpy as np

    final = trials.loc[trials["stage"] == "final", ["trial_id", "recipe", "status"]]
    finished = final["status"] == "ok"
    final = final.loc[finished | ~final["recipe"].isin(final.loc[finished, "recipe"]), ["trial_id", "recipe"]]
    whole = curves[curves["layer"].isna() & np.isfinite(curves["value"])]
    groups = whole.merge(final, on="trial_id").groupby(["recipe", "name", "epoch"], sort=True)["value"]
    lines = groups.agg(mean="mean", low="min", high="max").reset_index()
    kept = lines.groupby(["recipe", "name"])["epoch"].transform(lambda epochs: epochs.isin(_thinned(epochs)))
    return lines[kept.astype(bool)].reset_index(drop=True)


def _thinned(epochs: Any) -> Any:
    """The points of a line that are drawn: all, or evenly chosen with the first and the last."""
    import numpy as np

    ordered = np.sort(np.asarray(epochs))
    if len(ordered) <= _POINTS:
        return ordered
    return ordered[np.unique(np.linspace(0, len(ordered) - 1, _POINTS).round().astype(int))]


def _scheduled(rates: pd.DataFrame) -> bool:
    """Whether any recipe's learning rate changes by more than a thousandth."""
    spans = rates.groupby("recipe")["mean"].agg(["min", "max"])
    return bool((spans["max"] > spans["min"] * 1.001).any())


def _scale(calm: pd.DataFrame, *, loss: bool) -> dict[str, Any]:
    """Options of the vertical scale, for the curves that did not diverge."""
    low, high = float(calm["low"].min()), float(calm["high"].max())
    if not loss:
        return {"zero": False}
    if low > 0 and high > _SPREAD * low:
        return {"type": "log", "nice": False, "domainMax": high}
    return {"zero": False, "domainMax": high}


def _chart(curve: pd.DataFrame, words: str, plan: Plan, options: dict[str, Any]) -> Chart:
    import altair as alt

    present = set(curve["recipe"])
    colours = palette([recipe.recipe for recipe in plan.recipes])
    names = [name for name in colours.names if name in present]
    chosen = alt.selection_point(fields=["recipe"], bind="legend", name="chosen")
    legend = alt.Legend(
        columns=columns(names),
        values=names,
        symbolSize=300,
        symbolStrokeWidth=3,
        symbolType="stroke",
        symbolOpacity=1,
    )
    scale, logarithmic = alt.Scale(**options), options.get("type") == "log"
    axis = alt.Axis(tickCount=6, format="~g") if logarithmic else alt.Axis()
    rows = [{**row, "epoch": _short(row["epoch"])} for row in curve.drop(columns="name").to_dict("records")]
    first, last = min(row["epoch"] for row in rows), max(row["epoch"] for row in rows)
    epochs = alt.Scale(domain=[first, last], nice=False, zero=False)
    ticks = {"tickMinStep": 1} if last - first >= 1 else {}
    base = alt.Chart(inline(rows)).encode(
        x=alt.X("epoch:Q", title="Epoch", scale=epochs, axis=alt.Axis(grid=False, **ticks)),
        color=colour(colours, legend=legend),
    )
    band = base.mark_area(clip=True).encode(
        y=alt.Y("low:Q", scale=scale),
        y2="high:Q",
        opacity=alt.condition(chosen, alt.value(0.1), alt.value(0.01)),
    )
    line = base.mark_line(strokeWidth=2, clip=True, point=first == last).encode(
        y=alt.Y("mean:Q", title=words + (" (logarithmic)" if logarithmic else ""), scale=scale, axis=axis),
        strokeDash=dash(colours, legend=legend),
        opacity=alt.condition(chosen, alt.value(1.0), alt.value(0.1)),
        tooltip=[
            alt.Tooltip("recipe:N"),
            alt.Tooltip("epoch:Q"),
            alt.Tooltip("mean:Q", format=",.4~r", title="mean over seeds"),
        ],
    )
    return alt.layer(band, line.add_params(chosen)).properties(
        width="container",
        height=330,
        description=f"{words} by epoch for {len(names)} recipes, mean over seeds",
    )


def _short(epochs: float) -> float:
    """Whole, or to four decimals: a page may hold thousands."""
    return int(epochs) if epochs == int(epochs) else round(epochs, 4)


def columns(names: list[str]) -> int:
    """As many legend columns as fit under the chart."""
    widest = 50 + min(7 * max(map(len, names)), 260)
    return min(4, 760 // widest)
