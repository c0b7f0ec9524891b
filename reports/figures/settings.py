"""Draws the settings of a search: as lines over parallel axes, and the score against each hyperparameter alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reports.figures.encoding import Shown, inline, logarithmic, recipe_tooltip
from reports.figures.scores import by_recipe, from_best, judged_search, point, score_axis, status_shape, thinned
from reports.metric_names import searched
from reports.numbers import setting
from reports.palette import INK
from reports.recipes import recipes_of
from tasks.evaluation.rounding import rounded
from tasks.evaluation.tried import Tried, read_space, worst_told_apart
from tasks.evaluation.tried import scores as ended_scores
from tasks.search.space import Choices, Dimension, Range

if TYPE_CHECKING:
    import pandas as pd

    from reports.figures.encoding import Chart
    from tasks.records.plan import Plan
    from tasks.records.search_plan import SearchPlan
    from tasks.records.verdict import Verdict

_LINES = 400  # most lines of all parallel coordinates together
_RECIPES = 8  # most recipes with parallel coordinates: those with the best settings
_BRIGHT = 10  # settings that stand out
_DOTS = 250  # most dots of a slice
_COLUMNS = 8  # most columns of a slice, if the hyperparameter is a whole number or has steps
_LABEL = 100  # px; width of a choice's name
_OFF = -0.13  # place at which a line crosses the axis of an inactive hyperparameter
_CROWDED = 5  # axes; with more, the titles are on two levels
_SHADES = ("#c9d4dc", "#56b4e9", "#084a75")


def parallel(verdict: Verdict | None, plan: Plan, settings: pd.DataFrame) -> dict[str, Chart]:
    """Returns charts by recipe: a line for each setting, over an axis for each hyperparameter and one for the score."""
    search, judged = plan.search, verdict.search if verdict else None
    if not search or not judged:
        return {}
    tried = by_recipe(search, settings)
    spaces = {each.recipe: read_space(each.space) for each in search.recipes}
    best = {
        each.recipe: search.sign * (each.best.score or 0.0)
        for each in judged.recipes
        if each.best and each.recipe in tried
    }
    names = sorted(best, key=lambda name: -best[name])[:_RECIPES]
    most = max(20, _LINES // max(1, len(names)))
    return {
        name: _parallel(name, search, spaces[name], tried[name], most, searched(plan)) for name in names if spaces[name]
    }


def _parallel(
    recipe: str, search: SearchPlan, space: Sequence[Dimension], tried: list[Tried], most: int, metric: str
) -> Chart:
    import altair as alt

    ranked = [each for each in from_best(tried, search.sign) if each.ended]
    limit, best = worst_told_apart(ended_scores(tried), search.sign), ranked[0].score or 0.0
    keys = [f"x{i}" for i in range(len(space) + 1)]
    # Always the ten best; the others are thinned.
    rows = _lines([*ranked[:_BRIGHT], *thinned(ranked[_BRIGHT:], most - _BRIGHT)], keys, space, limit, best)
    x = alt.X("axis:N", sort=keys, title=None, axis=None, scale=alt.Scale(type="point", padding=0.35))
    scale = alt.Scale(domain=[_OFF - 0.05 if _has_off(rows, keys) else -0.06, 1.26], nice=False, zero=False)
    shades = list(_SHADES) if search.sign > 0 else list(_SHADES)[::-1]
    ends = alt.Scale(domain=sorted((limit, best)), range=shades, clamp=True)
    paint = alt.Color("score:Q", scale=ends, legend=None)
    over = alt.selection_point(fields=["number"], on="pointerover", empty=False, name="over")
    ticks = [
        {"axis": key, "at": at, "text": text}
        for key, dimension in zip(keys, space, strict=False)
        for at, text in _ticks(dimension, rows, key)
    ]
    ticks += [{"axis": keys[-1], "at": at, "text": rounded(score)} for at, score in ((0.0, limit), (1.0, best))]
    names = [*(each.name for each in space), metric]
    y = alt.Y("at:Q", axis=None, scale=scale)
    layers = [
        _line_layer(rows, keys, x, y, paint, over),
        *_axis_layers(keys, ticks, x, y),
        _dot_layer(rows, keys[-1], x, scale, paint, over),
        _head_layer(keys, names, x, y),
    ]
    return alt.layer(*layers).properties(
        usermeta={"wide": True},  # a narrow screen scrolls it: axes side by side need their room
        width="container",
        height=340,
        description=f"Parallel coordinates of {len(rows)} settings of {recipe} over {len(space)} hyperparameters",
    )


def _lines(
    shown: Sequence[Tried], keys: Sequence[str], space: Sequence[Dimension], limit: float, best: float
) -> list[dict[str, Any]]:
    """Returns a row for each setting: its place on each axis. The best come last, so that they are drawn on top."""
    return [
        {
            **{key: _place(dimension, each) for key, dimension in zip(keys, space, strict=False)},
            keys[-1]: _between(each.score or 0.0, limit, best),
            "number": each.number + 1,
            "score": each.score,
            "values": ", ".join(f"{name} {setting(value)}" for name, value in each.values.items()),
            "top": position < _BRIGHT,
        }
        for position, each in enumerate(shown)
    ][::-1]


def _line_layer(rows: list[dict[str, Any]], keys: Sequence[str], x: Any, y: Any, paint: Any, over: Any) -> Any:
    import altair as alt

    width = alt.when(over).then(alt.value(4)).when("datum.top").then(alt.value(2.2)).otherwise(alt.value(1))
    return (
        alt.Chart(inline(rows))
        .transform_fold(list(keys), as_=["axis", "at"])
        .mark_line(aria=False, strokeJoin="round")
        .encode(
            x=x,
            y=y,
            detail="number:N",
            color=paint,
            opacity=alt.when("datum.top").then(alt.value(1)).when(over).then(alt.value(1)).otherwise(alt.value(0.45)),
            strokeWidth=width,
        )
    )


def _dot_layer(rows: list[dict[str, Any]], key: str, x: Any, scale: Any, paint: Any, over: Any) -> Any:
    """Draws a dot for each score. A line is too thin to point at, so the dot shows the tooltip."""
    import altair as alt

    return (
        alt.Chart(inline(rows))
        .transform_calculate(axis=f"'{key}'")
        .mark_point(filled=True, size=45, opacity=1, aria=False)
        .encode(
            x=x,
            y=alt.Y(f"{key}:Q", axis=None, scale=scale),
            color=paint,
            tooltip=[
                alt.Tooltip("number:Q", title="setting"),
                alt.Tooltip("score:Q", format=",.4~r"),
                alt.Tooltip("values:N"),
            ],
        )
        .add_params(over)
    )


def _axis_layers(keys: Sequence[str], ticks: list[dict[str, Any]], x: Any, y: Any) -> tuple[Any, Any, Any]:
    """Draws the axes and their labels. Labels have a white outline, so that they can be read over lines."""
    import altair as alt

    rules = alt.Chart(inline([{"axis": key, "at": 0, "end": 1} for key in keys]))
    text = alt.Chart(inline(ticks)).encode(x=x, y=y, text="text:N")
    words = {"dx": 6, "align": "left", "fontSize": 10.5, "aria": False}
    return (
        rules.mark_rule(color=INK, strokeWidth=1, aria=False).encode(x=x, y=y, y2="end:Q"),
        text.mark_text(**words, stroke="white", strokeWidth=4, strokeJoin="round"),
        text.mark_text(**words, color=INK),
    )


def _head_layer(keys: Sequence[str], names: Sequence[str], x: Any, y: Any) -> Any:
    """Draws the axes' names. If there are many, every second one is higher up."""
    import altair as alt

    heads = [
        {"axis": key, "at": 1.10 + (0.10 if len(keys) > _CROWDED and i % 2 else 0.0), "text": name}
        for i, (key, name) in enumerate(zip(keys, names, strict=True))
    ]
    return alt.Chart(inline(heads)).mark_text(fontSize=11.5, fontWeight=600, color=INK).encode(x=x, y=y, text="text:N")


def _between(score: float, worst: float, best: float) -> float:
    return 1.0 if best == worst else min(1.0, max(0.0, (score - worst) / (best - worst)))


def _place(dimension: Dimension, tried: Tried) -> float:
    """Returns the setting's place on the axis: between 0 and 1, or `_OFF` if the dimension is not active."""
    if dimension.name not in tried.values:
        return _OFF
    value, over = tried.values[dimension.name], dimension.over
    if isinstance(over, Choices):
        return _spread(over, value)
    return min(1.0, max(0.0, over.place(value)))


def _spread(over: Choices, value: Any) -> float:
    """Returns a choice's place in 0 to 1. Choices are at equal distances, numbers in ascending order."""
    ordered = _ordered(over)
    return 0.5 if len(ordered) < 2 else ordered.index(value) / (len(ordered) - 1)


def _ordered(over: Choices) -> list[Any]:
    numeric = all(isinstance(value, int | float) for value in over.values)
    return sorted(over.values) if numeric else list(over.values)


def _has_off(rows: Sequence[dict[str, Any]], keys: Sequence[str]) -> bool:
    return any(row[key] == _OFF for row in rows for key in keys)


def _ticks(dimension: Dimension, rows: Sequence[dict[str, Any]], key: str) -> list[tuple[float, str]]:
    over = dimension.over
    off = [(_OFF, "not active")] if any(row[key] == _OFF for row in rows) else []
    if isinstance(over, Choices):
        return off + [(_spread(over, value), _short(setting(value))) for value in _ordered(over)]
    return off + [(over.place(value), setting(value)) for value in _values(over)]


def _values(over: Range) -> list[float]:
    """Returns the values of an axis's labels: all values if they are few; else both ends, and between them powers of
    ten of a logarithmic range, or the middle."""
    import math

    if over.low == over.high:
        return [over.low]
    points = over.points()
    if points is not None and len(points) <= 6:
        return list(points)
    if over.log:
        inner = [10.0**power for power in range(math.ceil(math.log10(over.low)), math.floor(math.log10(over.high)) + 1)]
        inner = [value for value in inner if 0.06 < over.place(value) < 0.94]
        between: list[float] = inner[:: max(1, len(inner) // 4)]
    else:
        between = [(over.low + over.high) / 2]
    values = [over.low, *between, over.high]
    return [round(value) for value in values] if over.integer else values


def _short(text: str) -> str:
    return text if len(text) <= 14 else f"{text[:13]}…"


def slices(verdict: Verdict | None, plan: Plan, settings: pd.DataFrame) -> dict[str, Chart]:
    """Returns charts by hyperparameter: the score against it. Each recipe that searched it has its own colour."""
    found = judged_search(verdict, plan, settings)
    if found is None:
        return {}
    search, _, tried, ends = found
    having: dict[str, dict[str, Dimension]] = {}
    for each in search.recipes:
        for dimension in read_space(each.space):
            if each.recipe in tried:
                having.setdefault(dimension.name, {})[each.recipe] = dimension
    return {
        name: _slice(name, dimensions, search, {recipe: tried[recipe] for recipe in dimensions}, plan, verdict, ends)
        for name, dimensions in having.items()
    }


def _slice(
    name: str,
    dimensions: dict[str, Dimension],
    search: SearchPlan,
    tried: dict[str, list[Tried]],
    plan: Plan,
    verdict: Verdict | None,
    ends: tuple[float, float],
) -> Chart:
    import altair as alt

    worst = ends[0] if search.sign > 0 else ends[1]
    most = max(10, _DOTS // len(tried))
    ranges = [dimension.over for dimension in dimensions.values() if isinstance(dimension.over, Range)]
    few = {setting(value): value for each in dimensions.values() for value in _points(each.over)}
    along = len(ranges) == len(dimensions) and (not few or len(few) > _COLUMNS)  # else one column for each value
    rows = []
    for recipe, own in tried.items():
        having = [each for each in from_best(own, search.sign) if name in each.values]
        for each in thinned(having, most):
            value = setting(each.values[name])
            rows.append(point(recipe, each, worst) | {"at": each.values[name] if along else value, "value": value})
    if along:
        whole: dict[str, Any] = {"tickMinStep": 1} if all(each.integer for each in ranges) else {}
        if all(each.log for each in ranges):
            x = logarithmic("at:Q", name, [row["at"] for row in rows], **whole)
        else:
            scale = alt.Scale(zero=False, nice=False, padding=10)
            x = alt.X("at:Q", title=name, scale=scale, axis=alt.Axis(grid=False, format="~g", tickCount=8, **whole))
    else:
        numeric = all(isinstance(value, int | float) for value in few.values())
        order = sorted(few, key=lambda text: few[text]) if numeric else list(few)
        x = alt.X("at:N", title=name, sort=order, axis=alt.Axis(grid=False, labelAngle=0, labelLimit=_LABEL))
    shown = Shown(recipes_of(plan, verdict).among(tried))
    base = alt.Chart(shown.inline(rows)).mark_point(size=30, filled=True, aria=False)
    chosen = alt.selection_point(fields=["recipe"], bind="legend", name="chosen_slice")
    encoded = base.encode(
        x=x,
        y=score_axis(searched(plan), ends),
        color=shown.colour(legend=shown.legend(stroke=False)),
        shape=status_shape(),
        opacity=alt.condition(chosen, alt.value(0.6), alt.value(0.05)),
        tooltip=[
            recipe_tooltip(),
            alt.Tooltip("number:Q", title="setting"),
            alt.Tooltip("value:N"),
            alt.Tooltip("status:N"),
            alt.Tooltip("text:N", title="score"),
        ],
    )
    if not along:
        encoded = encoded.encode(xOffset=alt.XOffset("recipe:N", sort=shown.labels))
    chart = encoded.add_params(chosen).properties(
        width="container",
        height=300,
        description=f"{searched(plan)} against {name}, for {len(tried)} recipes",
    )
    return shown.told(chart)


def _points(over: Range | Choices) -> list[Any]:
    return list(over.values) if isinstance(over, Choices) else list((over.points() or [])[:_LISTED])


_LISTED = 1_000
"""Most values of a range that are listed: far more than there is room for in columns."""
