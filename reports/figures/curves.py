"""Learning curves of the recipes: losses, the metric and the learning rate over epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reports.figures.encoding import Shown, banded, recipe_tooltip, span_of
from reports.metric_names import title, titles_of
from reports.recipes import TOP, Recipes, recipes_of

if TYPE_CHECKING:
    import altair as alt
    import numpy as np
    import pandas as pd

    from reports.figures.encoding import Chart, Span
    from tasks.records.plan import Plan
    from tasks.records.verdict import Verdict

POINTS = 120  # most points of a line
_OTHERS = 3_000  # most points of a chart for all lines together that are not of the leading recipes
_FEWEST = 12  # points that a line may always have
_SPREAD = 20  # a loss that covers more than this factor is drawn on a logarithmic scale


def learning_curves(
    curves: pd.DataFrame, trials: pd.DataFrame, plan: Plan, verdict: Verdict | None
) -> dict[str, Chart]:
    """Returns charts by tab title: validation metric, validation loss, training loss, learning rate if scheduled.

    Each recipe is one line: the mean over its seeds, in a band from the lowest to the highest seed. A ring marks the
    last point at which all seeds still train, if they stop at different epochs. A click on the legend highlights a
    recipe (shift: several). The line of a diverged recipe leaves the chart at the top.
    """
    recipes = recipes_of(plan, verdict)
    finished = set(trials.loc[trials["status"] == "ok", "recipe"])
    wanted = {
        f"val_{plan.metric}": f"{title(plan.metric, titles_of(plan))}, validation",
        "val_loss": "Loss, validation",
        "train_loss": "Loss, training",
        "learning_rate": "Learning rate",
    }
    over_seeds = aggregate(in_epochs(curves[curves["name"].isin(wanted)], plan), trials, list(recipes.looks))
    charts = {}
    for name, words in wanted.items():
        found = over_seeds[over_seeds["name"] == name]
        if len(found) and (name != "learning_rate" or _scheduled(found)):
            charts[words] = _chart(found, words, recipes, finished, loss=name.endswith("_loss"))
    return charts


def in_epochs(curves: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Returns the curves with `epoch`: the epochs done at each point, which need not be whole, since an epoch may have
    several points."""
    import pandas as pd

    budget = {trial.trial_id: trial.epochs for trial in plan.trials}
    length = {each: stack.steps / budget[each] for stack in plan.stacks for each in stack.trials}
    steps = pd.to_numeric(curves["step"]).astype("float64")
    return curves.assign(epoch=steps / curves["trial_id"].map(length).astype("float64"))


def aggregate(curves: pd.DataFrame, trials: pd.DataFrame, leading: Sequence[str] = ()) -> pd.DataFrame:
    """Returns `recipe, name, epoch, mean, low, high, training, stop` over the seeds of the final trials. Only finite
    values count.

    The mean is over the same seeds at every epoch: a seed that stopped early keeps its last value (the last observation
    is carried forward), the result of its training. A mean over only the seeds that still train would jump whenever one
    stops, towards those that happen to train longest. A line that ends where the first seed stops would hide most of
    the other seeds' training. `training` counts the seeds that still train. `stop` marks the last point at which all
    do, so that the reader sees from where on values are carried.

    Diverged seeds are left out if other seeds of the recipe finished: one diverged seed would dominate the mean. If all
    diverged, there is no value to keep, and the line ends where the first of them ends.

    Args:
        leading: Recipe names in order. The lines of the first ones keep the most points.
    """
    import numpy as np
    import pandas as pd

    final = trials.loc[trials["stage"] == "final", ["trial_id", "recipe", "status"]]
    finished = final["status"] == "ok"
    kept = final.loc[finished | ~final["recipe"].isin(final.loc[finished, "recipe"])]
    whole = curves[curves["layer"].isna() & np.isfinite(curves["value"])].merge(kept, on="trial_id")
    groups = whole.sort_values("epoch").groupby(["recipe", "name"], sort=True)
    most = _most(set(final["recipe"]), leading)
    lines = [
        _line(group, most.get(recipe, _FEWEST)).assign(recipe=recipe, name=name) for (recipe, name), group in groups
    ]
    columns = ["recipe", "name", "epoch", "mean", "low", "high", "training", "stop"]
    return pd.concat(lines, ignore_index=True)[columns] if lines else pd.DataFrame(columns=columns)


def _most(recipes: set[str], leading: Sequence[str]) -> dict[str, int]:
    """Returns the largest number of points for each recipe's lines. It keeps a page of hundreds of recipes small."""
    ordered = [*(name for name in leading if name in recipes), *sorted(recipes - set(leading))]
    others = max(_FEWEST, _OTHERS // max(1, len(ordered) - TOP))
    return {name: POINTS if place < TOP else min(POINTS, others) for place, name in enumerate(ordered)}


def _line(points: pd.DataFrame, most: int) -> pd.DataFrame:
    """Returns one recipe's mean over its seeds, at the epochs at which any of them was evaluated, thinned to `most`."""
    import numpy as np
    import pandas as pd

    seeds = [(each["epoch"].to_numpy(float), each["value"].to_numpy(float)) for _, each in points.groupby("trial_id")]
    first, last = max(epochs[0] for epochs, _ in seeds), min(epochs[-1] for epochs, _ in seeds)
    every = np.unique(np.concatenate([epochs for epochs, _ in seeds]))
    end = every[-1] if (points["status"] == "ok").any() else last
    at = thinned(every[(every >= min(first, end)) & (every <= end)], most)
    # After its last epoch a seed keeps its last value; between two evaluations its value is interpolated linearly.
    values = np.array([np.interp(at, epochs, seen) for epochs, seen in seeds])
    training = np.array([sum(epochs[-1] >= epoch for epochs, _ in seeds) for epoch in at])
    stop = np.zeros(len(at), dtype=bool)
    if training.min() < len(seeds) and (training == len(seeds)).any():
        stop[np.flatnonzero(training == len(seeds))[-1]] = True
    low, high = values.min(axis=0), values.max(axis=0)
    frame = {"epoch": at, "mean": values.mean(axis=0), "low": low, "high": high, "training": training, "stop": stop}
    return pd.DataFrame(frame)


def thinned(ordered: np.ndarray, most: int = POINTS) -> np.ndarray:
    """Returns the points of a line that are drawn: all, or an even choice with the first and the last."""
    import numpy as np

    if len(ordered) <= most:
        return ordered
    return ordered[np.unique(np.linspace(0, len(ordered) - 1, most).round().astype(int))]


def _scheduled(rates: pd.DataFrame) -> bool:
    """Whether any recipe's learning rate changes by more than a thousandth."""
    spans = rates.groupby("recipe")["mean"].agg(["min", "max"])
    return bool((spans["max"] > spans["min"] * 1.001).any())


def _span(curve: pd.DataFrame, finished: set[str]) -> Span:
    """Returns the lowest and the highest value of the curves that did not diverge; of all, if all diverged."""
    calm = curve[curve["recipe"].isin(finished)]
    drawn = curve if calm.empty else calm
    return float(drawn["low"].min()), float(drawn["high"].max())


def _chart(curve: pd.DataFrame, words: str, recipes: Recipes, finished: set[str], *, loss: bool) -> Chart:
    import altair as alt

    shown = Shown(recipes.among(curve["recipe"]))
    leading, every = (
        _span(curve[curve["recipe"].isin([look.name for look in kept])], finished)
        for kept in (shown.looks[:TOP], shown.looks)
    )
    span, spans = span_of(leading, every, len(shown.looks))
    logarithmic = loss and leading[0] > 0 and leading[1] > _SPREAD * leading[0]
    options: dict[str, Any] = {"type": "log", "nice": False} if logarithmic else {"zero": False}
    scale = alt.Scale(**options, **({"domainMax": alt.ExprRef("span[1]")} if loss else {}))
    chosen = alt.selection_point(fields=["recipe"], bind="legend", name="chosen")
    axis = alt.Axis(tickCount=6, format="~g") if logarithmic else alt.Axis()
    rows = _rows(curve)
    first, last = min(row["epoch"] for row in rows), max(row["epoch"] for row in rows)
    epochs = alt.Scale(domain=[first, last], nice=False, zero=False)
    ticks = {"tickMinStep": 1} if last - first >= 1 else {}
    base = alt.Chart(shown.inline(rows)).encode(
        x=alt.X("epoch:Q", title="Epoch", scale=epochs, axis=alt.Axis(grid=False, **ticks)),
        color=shown.colour(shown.legend()),
    )
    y = alt.Y("mean:Q", title=words + (" (logarithmic)" if logarithmic else ""), scale=scale, axis=axis)
    faded = alt.condition(chosen, alt.value(1.0), alt.value(0.1))
    band = base.transform_filter(banded(chosen)).mark_area(clip=True, opacity=0.12)
    line = base.mark_line(strokeWidth=2, clip=True, point=first == last)
    layers = [
        band.encode(y=alt.Y("low:Q", scale=scale), y2="high:Q"),
        line.encode(y=y, strokeDash=shown.dash(shown.legend()), opacity=faded, tooltip=_tooltip()).add_params(chosen),
    ]
    if curve["stop"].any():
        rings = base.transform_filter("datum.stop").mark_point(size=34, strokeWidth=1.5, clip=True)
        layers.append(rings.encode(y=y, opacity=faded, tooltip=_tooltip()))
    chart = (
        alt.layer(*layers)
        .add_params(shown.banded(), span)
        .properties(
            width="container",
            height=330,
            description=f"{words} by epoch for {len(shown.looks)} recipes, mean over seeds",
        )
    )
    return shown.told(chart, spans=spans)


def _rows(curve: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns the points of the lines. `stop` is None where it is false."""
    found = curve.drop(columns="name").assign(epoch=[_short(each) for each in curve["epoch"]])
    columns = {str(name): found[name].tolist() for name in found}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return [row if row["stop"] else row | {"stop": None} for row in rows]


def _tooltip() -> list[alt.Tooltip]:
    import altair as alt

    return [
        recipe_tooltip(),
        alt.Tooltip("epoch:Q"),
        alt.Tooltip("mean:Q", format=",.4~r", title="mean over seeds"),
        alt.Tooltip("training:Q", title="seeds still training"),
    ]


def _short(epochs: float) -> float:
    """Rounds epochs to four decimals, or to a whole number if they are one: a page may hold thousands of them."""
    return int(epochs) if epochs == int(epochs) else round(epochs, 4)
