"""Charts of the search: its progress, what fewer settings would have found, its cost, and what decided the scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from reports.figures.encoding import Shown, banded, inline, logarithmic, recipe_tooltip
from reports.figures.scores import from_best, judged_search, point, score_axis, status_shape, thinned
from reports.metric_names import searched
from reports.numbers import duration
from reports.palette import OPEN
from reports.recipes import Recipes, recipes_of
from tasks.evaluation.tried import learning_rate

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

    from reports.figures.encoding import Chart
    from tasks.evaluation.tried import Tried
    from tasks.records.plan import Plan
    from tasks.records.search_plan import SearchPlan
    from tasks.records.search_verdict import BestByBudget, SearchVerdict
    from tasks.records.verdict import Verdict

_POINTS = 400  # most points of a chart, all recipes together
_HEIGHT = 320  # px
_WIDE = 20  # a range of seconds that covers more than this factor is drawn on a logarithmic scale
_BAR, _GAP = 9, 12  # px


def progress(verdict: Verdict | None, plan: Plan, settings: pd.DataFrame) -> dict[str, Chart]:
    """Returns charts by tab title: the best score by budget, every setting in order, score against time."""
    found = judged_search(verdict, plan, settings)
    if found is None:
        return {}
    search, judged, tried, ends = found
    recipes = recipes_of(plan, verdict)
    charts = {
        "Best by budget": _budget(judged, plan, recipes, ends),
        "Every setting": _history(search, tried, plan, recipes, ends),
    }
    if judged.pareto:
        charts["Score against time"] = _pareto(search, set(judged.pareto), tried, plan, recipes, ends)
    return charts


def _budget(judged: SearchVerdict, plan: Plan, recipes: Recipes, ends: tuple[float, float]) -> Chart:
    """Draws the expected best score of n settings with its band; for adaptive methods, the best so far. The axis shows
    epochs, since settings that are stopped at rungs take fewer."""
    import altair as alt

    curves = {each.recipe: each.curve for each in judged.recipes if each.curve}
    ends = _after_a_fifth(list(curves.values()), ends)
    each_epochs = {each.recipe: each.epochs / max(each.settings, 1) for each in judged.recipes}
    rows: list[dict[str, Any]] = [
        {
            "recipe": recipe,
            "n": n,
            "epochs": n * each_epochs[recipe],
            "score": best,
            "kind": _KINDS[curve.kind],
        }
        | ({"low": curve.low[i], "high": curve.high[i]} if curve.low and curve.high else {})
        for recipe, curve in curves.items()
        for i, (n, best) in enumerate(zip(curve.settings, curve.best, strict=True))
        if best is not None
    ]
    chosen, shown = _chosen("chosen_budget"), Shown(recipes.among(curves))
    base = alt.Chart(shown.inline(rows)).encode(
        x=alt.X(
            "epochs:Q",
            title="Epochs trained, all seeds and folds",
            scale=alt.Scale(domain=[0, max(row["epochs"] for row in rows)], nice=False),
            axis=alt.Axis(format="~s", grid=False),
        ),
        color=shown.colour(shown.legend()),
        tooltip=[
            recipe_tooltip(),
            alt.Tooltip("n:Q", title="settings"),
            alt.Tooltip("score:Q", format=",.4~r", title="best score"),
            alt.Tooltip("kind:N", title="curve"),
        ],
    )
    band = base.transform_filter(banded(chosen)).mark_area(clip=True, opacity=0.1).encode(y=alt.Y("low:Q"), y2="high:Q")
    lines = [
        base.transform_filter(alt.datum.kind == words)
        # A single setting makes no line.
        .mark_line(strokeWidth=2, clip=True, interpolate=_SHAPES[kind], point=len(rows) <= len(curves))
        .encode(
            y=score_axis(searched(plan), ends, clamp=False),
            strokeDash=shown.dash(shown.legend()),
            opacity=alt.condition(chosen, alt.value(1.0), alt.value(0.1)),
        )
        for kind, words in _KINDS.items()
    ]
    lines[0] = lines[0].add_params(chosen)
    chart = (
        alt.layer(band, *lines)
        .add_params(shown.banded())
        .properties(
            width="container",
            height=_HEIGHT,
            description=f"Best {searched(plan)} by the number of settings, for {len(curves)} recipes",
        )
    )
    return shown.told(chart)


def _after_a_fifth(curves: Sequence[BestByBudget], ends: tuple[float, float]) -> tuple[float, float]:
    """Returns the ends of an axis for the curves after the first fifth of the settings; earlier ones may be cut off."""
    later = [
        best
        for curve in curves
        for n, best in zip(curve.settings, curve.best, strict=True)
        if best is not None and 5 * n >= curve.settings[-1]
    ]
    if not later or min(later) == max(later):
        return ends
    margin = 0.1 * (max(later) - min(later))
    return min(later) - margin, max(later) + margin


_KINDS = {"expected": "expected best", "running": "best so far"}
_SHAPES = {"expected": "linear", "running": "step-after"}


def _history(search: SearchPlan, tried: dict[str, list[Tried]], plan: Plan, recipes: Recipes, ends: Any) -> Chart:
    """Draws every setting in the order asked, and the best so far."""
    import altair as alt

    rows = _points(search, tried, ends)
    steps = []
    for recipe, settings in tried.items():
        best = None
        for each in settings:
            if each.ended and (best is None or search.sign * ((each.score or 0.0) - best) > 0):
                best = each.score
                steps.append({"recipe": recipe, "number": each.number + 1, "score": best})
        if best is not None:
            steps.append({"recipe": recipe, "number": settings[-1].number + 1, "score": best})
    chosen, shown = _chosen("chosen_history"), Shown(recipes.among(tried))
    last = max(each[-1].number + 1 for each in tried.values())
    points = _drawn(rows, _count_axis("number", "Setting, in the order asked", last), search, ends, plan, shown, chosen)
    line = (
        alt.Chart(shown.inline(steps))
        .mark_line(strokeWidth=2, interpolate="step-after", clip=True)
        .encode(
            x=alt.X("number:Q"),
            y=score_axis(searched(plan), ends),
            color=shown.colour(shown.legend()),
            strokeDash=shown.dash(shown.legend()),
            opacity=alt.condition(chosen, alt.value(1.0), alt.value(0.1)),
        )
    )
    chart = alt.layer(points, line.add_params(chosen)).properties(
        width="container",
        height=_HEIGHT,
        description=f"{searched(plan)} of every setting in the order asked, for {len(tried)} recipes",
    )
    return shown.told(chart)


def _pareto(
    search: SearchPlan, front: set[str], tried: dict[str, list[Tried]], plan: Plan, recipes: Recipes, ends: Any
) -> Chart:
    """Draws score against training time. The line joins the Pareto front: no setting is both better and faster."""
    import altair as alt

    tried = {
        recipe: [each for each in settings if each.epochs] for recipe, settings in tried.items()
    }  # each trained once
    best = [
        (recipe, each)
        for recipe, settings in tried.items()
        for each in settings
        if each.variant_id in front and each.ended
    ]
    rows = _points(search, tried, ends, seconds=True)
    seconds = [row["seconds"] for row in rows] + [each.seconds for _, each in best]
    low, high = min(seconds), max(seconds)
    wide = low > 0 and high > _WIDE * low
    scale = alt.Scale(type="log", nice=False, padding=10) if wide else alt.Scale(zero=False)
    x = alt.X(
        "seconds:Q",
        title="Training time of the setting, seconds over seeds and folds" if search.folds else _SECONDS,
        scale=scale,
        axis=alt.Axis(grid=False, format="~g", tickCount=8),
    )
    chosen, shown = _chosen("chosen_pareto"), Shown(recipes.among(tried))
    points = _drawn(rows, x, search, ends, plan, shown, chosen, time=True)
    line = (
        alt.Chart(inline([{"seconds": each.seconds, "score": each.score} for _, each in best]))
        .mark_line(color=OPEN, strokeWidth=1.5, interpolate="step-after", point=False)
        .encode(x=x, y=score_axis(searched(plan), ends), order=alt.Order("seconds:Q"))
    )
    rings = (
        alt.Chart(shown.inline([_timed(recipe, each, ends[0]) for recipe, each in best]))
        .mark_point(size=90, strokeWidth=2, filled=False, opacity=1)
        .encode(
            x=x,
            y=score_axis(searched(plan), ends),
            color=shown.colour(shown.legend()),
            tooltip=_tooltip(time=True),
        )
    )
    chart = alt.layer(line, points.add_params(chosen), rings).properties(
        width="container",
        height=_HEIGHT,
        description=f"{searched(plan)} against training time; {len(best)} settings are beaten in neither",
    )
    return shown.told(chart)


_SECONDS = "Training time of the setting, seconds over its seeds"


def learning_rates(verdict: Verdict | None, plan: Plan, settings: pd.DataFrame) -> dict[str, Chart]:
    """Draws score against learning rate, all recipes in one chart; empty if the learning rate was not searched."""
    import altair as alt

    found = judged_search(verdict, plan, settings)
    if found is None:
        return {}
    search, _, tried, ends = found
    rated = {recipe: [each for each in settings if _rate(each)] for recipe, settings in tried.items()}
    rated = {
        recipe: settings
        for recipe, settings in rated.items()
        if len({learning_rate(each.values) for each in settings}) > 1
    }
    if not rated:
        return {}
    rows = _points(search, rated, ends, rate=True)
    x = logarithmic("rate:Q", "Learning rate", [row["rate"] for row in rows])
    chosen, shown = _chosen("chosen_rate"), Shown(recipes_of(plan, verdict).among(rated))
    points = _drawn(rows, x, search, ends, plan, shown, chosen)
    envelope = (
        alt.Chart(
            shown.inline(
                [row for recipe, settings in rated.items() for row in _envelope(recipe, settings, search.sign, ends)]
            )
        )
        .mark_line(strokeWidth=2, clip=True)
        .encode(
            x=x,
            y=score_axis(searched(plan), ends),
            color=shown.colour(shown.legend()),
            strokeDash=shown.dash(shown.legend()),
            opacity=alt.condition(chosen, alt.value(1.0), alt.value(0.1)),
        )
    )
    chart = alt.layer(points, envelope.add_params(chosen)).properties(
        width="container",
        height=_HEIGHT,
        description=f"{searched(plan)} against the learning rate, for {len(rated)} recipes",
    )
    return {"learning_rate": shown.told(chart)}


def _rate(tried: Tried) -> bool:
    value = learning_rate(tried.values)
    return isinstance(value, int | float) and value > 0


def _envelope(recipe: str, tried: list[Tried], sign: int, ends: tuple[float, float]) -> list[dict[str, Any]]:
    """Returns the best setting in each third of a decade of learning rates, in their order."""
    import math

    best: dict[int, Tried] = {}
    for each in tried:
        place = math.floor(3 * math.log10(learning_rate(each.values)))
        if each.ended and (place not in best or sign * ((each.score or 0.0) - (best[place].score or 0.0)) > 0):
            best[place] = each
    return [
        {"recipe": recipe, "rate": learning_rate(each.values), "score": each.score}
        for _, each in sorted(best.items())
        if ends[0] <= (each.score or 0.0) <= ends[1]
    ]


def importance(verdict: Verdict | None, plan: Plan) -> dict[str, Chart]:
    """Draws bars: the share of the scores' variance that each hyperparameter explains, by recipe."""
    import altair as alt

    judged = verdict.search if verdict else None
    found = {each.recipe: each.importance for each in judged.recipes if each.importance} if judged else {}
    if not found:
        return {}
    rows = [{"recipe": recipe, **asdict(each)} for recipe, settings in found.items() for each in settings]
    totals: dict[str, float] = {}
    for row in rows:
        totals[row["name"]] = totals.get(row["name"], 0.0) + row["share"]
    names = sorted(totals, key=lambda name: -totals[name])
    shown = Shown(recipes_of(plan, verdict).among(found))
    chart = (
        alt.Chart(shown.inline(rows))
        .mark_bar()
        .encode(
            y=alt.Y("name:N", sort=names, title=None, scale=alt.Scale(paddingInner=0.25, paddingOuter=0.1)),
            yOffset=alt.YOffset("recipe:N", sort=shown.labels),
            x=alt.X(
                "share:Q",
                title="Share of the variance of the scores",
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format=".0%", tickCount=6),
            ),
            color=shown.colour(shown.legend(stroke=False)),
            tooltip=[
                recipe_tooltip(),
                alt.Tooltip("name:N", title="hyperparameter"),
                alt.Tooltip("share:Q", format=".0%"),
                alt.Tooltip("settings:Q", title="from settings"),
            ],
        )
        .properties(
            width="container",
            description=f"Importance of {len(names)} hyperparameters for {len(found)} recipes",
        )
    )
    return {"Importance": shown.told(chart, height=(_GAP * len(names), _BAR * len(names)))}


def _points(
    search: SearchPlan,
    tried: dict[str, list[Tried]],
    ends: tuple[float, float],
    *,
    seconds: bool = False,
    rate: bool = False,
) -> list[dict[str, Any]]:
    """Returns rows of every recipe, thinned so that the chart has about `_POINTS`, but at least 10 of each."""
    worst = ends[0] if search.sign > 0 else ends[1]
    most = max(10, _POINTS // len(tried))
    rows = []
    for recipe, settings in tried.items():
        for each in thinned(from_best(settings, search.sign), most):
            row = _timed(recipe, each, worst) if seconds else point(recipe, each, worst)
            rows.append(row | ({"rate": learning_rate(each.values)} if rate else {}))
    return rows


def _timed(recipe: str, tried: Tried, worst: float) -> dict[str, Any]:
    return point(recipe, tried, worst) | {"seconds": tried.seconds, "time": duration(tried.seconds)}


def _drawn(
    rows: list[dict[str, Any]],
    x: alt.X,
    search: SearchPlan,
    ends: tuple[float, float],
    plan: Plan,
    shown: Shown,
    chosen: alt.Parameter,
    *,
    time: bool = False,
) -> alt.Chart:
    """Draws each setting: a dot; a triangle if it was stopped early, a cross if it diverged."""
    import altair as alt

    return (
        alt.Chart(shown.inline(rows))
        .mark_point(size=28, filled=True, aria=False)
        .encode(
            x=x,
            y=score_axis(searched(plan), ends),
            color=shown.colour(shown.legend()),
            shape=status_shape(),
            opacity=alt.condition(chosen, alt.value(0.6), alt.value(0.06)),
            tooltip=_tooltip(time=time),
        )
    )


def _tooltip(*, time: bool = False) -> list[alt.Tooltip]:
    import altair as alt

    said = [recipe_tooltip(), alt.Tooltip("number:Q", title="setting"), alt.Tooltip("status:N")]
    said.append(alt.Tooltip("text:N", title="score"))
    return [*said, alt.Tooltip("time:N")] if time else said


def _chosen(name: str) -> alt.Parameter:
    """Returns the selection of a click on the legend, which highlights a recipe."""
    import altair as alt

    return alt.selection_point(fields=["recipe"], bind="legend", name=name)


def _count_axis(field: str, words: str, last: int) -> alt.X:
    import altair as alt

    return alt.X(
        f"{field}:Q",
        title=words,
        scale=alt.Scale(domain=[min(1, last), max(last, 2)], nice=False, zero=False),
        axis=alt.Axis(grid=False, tickMinStep=1, format="d"),
    )
