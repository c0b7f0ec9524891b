"""Draws the deciding metric by recipe, and the leader against each other recipe, as dots with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from reports.figures.encoding import Shown, Span, inline, recipe_tooltip, span_of
from reports.metric_names import phrase, title
from reports.numbers import probability
from reports.palette import BETTER, INK, OPEN, WORSE
from reports.recipes import TOP, Recipes, recipes_of
from tasks.evaluation.rounding import interval, places, rounded

if TYPE_CHECKING:
    import pandas as pd

    from reports.figures.encoding import Chart
    from tasks.records.plan import Plan
    from tasks.records.verdict import Baseline, JudgedRecipe, PairedDifference, Verdict

_ROW = 30  # px
_FAR = 0.5
"""A baseline is drawn at the edge if it is further from the recipes than this share of the width that they take."""


def forest(verdict: Verdict | None, plan: Plan, trials: pd.DataFrame, metrics: pd.DataFrame) -> dict[str, Chart]:
    """Draws the deciding metric of each recipe: mean and interval, a faint dot for each seed, baselines as lines.

    Returns charts by tab title: one of all recipes; and, if some did not learn, one of those that did, since the others
    squeeze them together.
    """
    if not verdict:
        return {}
    measured = [recipe for recipe in verdict.recipes if _mean(recipe, verdict.metric) is not None]
    learned = [recipe for recipe in measured if recipe.learned and recipe.status == "ok"]
    seeds = _seeds(trials, metrics, verdict.metric, verdict.part)
    charts = {}
    if measured:
        charts["All recipes"] = _forest(measured, verdict, plan, seeds)
    if 2 <= len(learned) < len(measured):
        charts["Those that learned"] = _forest(learned, verdict, plan, seeds)
    return charts


def _forest(recipes: Sequence[JudgedRecipe], verdict: Verdict, plan: Plan, seeds: list[dict[str, Any]]) -> Chart:
    import altair as alt

    metric = verdict.metric
    ranked = sorted(recipes, key=lambda recipe: recipe.rank)
    decimals = places(recipe.metrics[metric] for recipe in ranked)
    rows = [
        {
            "recipe": recipe.recipe,
            **asdict(recipe.metrics[metric]),
            "text": interval(recipe.metrics[metric], decimals),
        }
        for recipe in ranked
    ]
    shown = Shown(recipes_of(plan, verdict).among(recipe.recipe for recipe in ranked))
    names = [look.name for look in shown.looks]
    own = [seed for seed in seeds if seed["recipe"] in names]
    leading, every = (_span(rows, own, verdict, set(kept)) for kept in (names[:TOP], names))
    span, spans = span_of(leading, every, len(names))
    # Room above the first row for each baseline that is beyond an edge.
    beyond = max(_beyond(verdict, leading), _beyond(verdict, every))
    padding = 0.5 + 0.5 * beyond  # rows above the first and below the last
    y = alt.Y("recipe:N", sort=shown.labels, title=None, scale=alt.Scale(padding=padding))
    paint = shown.colour(legend=None)
    tooltip = [recipe_tooltip(), alt.Tooltip("text:N", title=title(metric, verdict.titles))]
    base = alt.Chart(shown.inline(rows)).encode(y=y, color=paint, tooltip=tooltip)
    layers = [
        *_baselines(verdict),
        alt.Chart(shown.inline(own))
        .mark_point(size=16, opacity=0.55, strokeWidth=1, yOffset=9)
        .encode(x=alt.X("value:Q"), y=y, color=paint),
        base.mark_rule(strokeWidth=3, strokeCap="round").encode(x=alt.X("low:Q"), x2="high:Q"),
        base.mark_point(filled=True, size=90, opacity=1).encode(
            x=alt.X(
                "mean:Q",
                title=f"{title(metric, verdict.titles)}, {'out of fold' if verdict.out_of_fold else 'test part'}",
                scale=alt.Scale(domain=[alt.ExprRef("span[0]"), alt.ExprRef("span[1]")], zero=False, nice=False),
                axis=alt.Axis(tickCount=8),
            )
        ),
    ]
    chart = (
        alt.layer(*layers)
        .add_params(span)
        .properties(
            width="container",
            description=f"{title(metric, verdict.titles)} with its interval for {len(names)} recipes, the best on top",
        )
    )
    return shown.told(chart, rows=True, height=(_ROW * (2 * padding - 1), _ROW), spans=spans)


def _span(
    recipes: Sequence[Mapping[str, Any]], seeds: Sequence[Mapping[str, Any]], verdict: Verdict, kept: set[str]
) -> Span:
    """Returns a scale on which the recipes in `kept` take most of the width, together with baselines near them."""
    values = [each[end] for each in recipes if each["recipe"] in kept for end in ("mean", "low", "high")]
    values += [seed["value"] for seed in seeds if seed["recipe"] in kept]
    known = [value for value in values if value is not None]
    low, high = min(known), max(known)
    width = (high - low) or abs(high) or 1.0
    means = [mean for each in verdict.baselines if (mean := _mean(each, verdict.metric)) is not None]
    near = [mean for mean in means if low - _FAR * width <= mean <= high + _FAR * width]
    low, high = min([low, *near]), max([high, *near])
    padding = 0.04 * (high - low or width)
    return low - padding, high + padding


def _beyond(verdict: Verdict, span: Span) -> int:
    """Returns how many baselines lie beyond the scale."""
    means = [mean for each in verdict.baselines if (mean := _mean(each, verdict.metric)) is not None]
    return sum(not span[0] <= mean <= span[1] for mean in means)


def _baselines(verdict: Verdict) -> list[Chart]:
    """Draws a line for each baseline on the scale. One beyond it gets an arrow at the edge, with name and value."""
    import altair as alt

    known = [(each.name, mean) for each in verdict.baselines if (mean := _mean(each, verdict.metric)) is not None]
    rows = [{"baseline": name, "mean": mean} for name, mean in known]
    if not rows:
        return []
    # Baselines keep their order, so that the legend reads the same in every report.
    dashes = alt.Scale(range=[[1, 2], [5, 3], [10, 3]])
    lines = (
        alt.Chart(inline(rows))
        .mark_rule(color=OPEN, strokeWidth=1.5)
        .transform_filter("span[0] <= datum.mean && datum.mean <= span[1]")
        .encode(
            x=alt.X("mean:Q"),
            strokeDash=alt.StrokeDash(
                "baseline:N",
                sort=None,
                scale=dashes,
                legend=alt.Legend(title="Baselines", orient="top", titleOrient="left", symbolSize=400),
            ),
            tooltip=[alt.Tooltip("baseline:N"), alt.Tooltip("mean:Q", format=",.4~r")],
        )
    )
    edges = [_edge(place, name, mean, left) for place, (name, mean) in enumerate(known) for left in (True, False)]
    return [lines, *edges]


def _edge(place: int, name: str, mean: float, left: bool) -> Chart:
    import altair as alt

    said = f"◂ {name} {rounded(mean)}" if left else f"{name} {rounded(mean)} ▸"
    return (
        alt.Chart(inline([{"mean": mean, "text": said}]))
        .mark_text(align="left" if left else "right", baseline="top", color=INK, fontSize=11)
        .transform_filter("datum.mean < span[0]" if left else "datum.mean > span[1]")
        .encode(x=alt.value(0) if left else alt.value("width"), y=alt.value(2 + 14 * place), text="text:N")
    )


def _seeds(trials: pd.DataFrame, metrics: pd.DataFrame, metric: str, part: str) -> list[dict[str, Any]]:
    """Returns the metric of every final trial on one part."""
    final = trials.loc[trials["stage"] == "final", ["trial_id", "recipe"]]
    values = metrics[(metrics["part"] == part) & (metrics["metric"] == metric) & metrics["slice"].isna()]
    joined = final.merge(values[["trial_id", "value"]], on="trial_id").dropna()
    return [{"recipe": name, "value": value} for name, value in zip(joined["recipe"], joined["value"], strict=True)]


def differences(verdict: Verdict | None, plan: Plan) -> dict[str, Chart]:
    """Draws the leader minus each other recipe, paired over seeds or folds: right of zero, the leader is better.

    Returns charts by tab title: one of all recipes; and, if some did not learn, one of those that did, since the others
    squeeze them together.
    """
    if not verdict:
        return {}
    learned = {entry.recipe_id for entry in verdict.recipes if entry.learned and entry.status == "ok"}
    found = [entry for entry in verdict.comparisons if entry.difference is not None]
    close = [entry for entry in found if entry.recipe_id in learned]
    name = phrase(verdict.metric, verdict.titles)
    recipes = recipes_of(plan, verdict)
    charts = {"All recipes": _differences(found, recipes, name, "the leader")} if found else {}
    some = 1 <= len(close) < len(found)
    return charts | ({"Those that learned": _differences(close, recipes, name, "the leader")} if some else {})


def effects(verdict: Verdict | None, plan: Plan) -> dict[str, Chart]:
    """Draws each augmented recipe minus its twin, paired over seeds or folds: right of zero, augmentation is better."""
    if not verdict:
        return {}
    found = [entry for entry in verdict.augmentation if entry.difference is not None]
    name = phrase(verdict.metric, verdict.titles)
    return {"Augmentation": _differences(found, recipes_of(plan, verdict), name, "augmentation")} if found else {}


def _differences(found: Sequence[PairedDifference], recipes: Recipes, name: str, who: str) -> Chart:
    """Draws differences with intervals. Right of zero, `who` is better."""
    import altair as alt

    ordered = sorted(found, key=lambda entry: entry.difference or 0.0)
    decimals = places(entry.estimate for entry in ordered)
    rows = [
        {
            "recipe": entry.recipe,
            "difference": entry.difference,
            "low": entry.low,
            "high": entry.high,
            "answer": entry.answer,
            "text": interval(entry.estimate, decimals),
            "p": probability(entry.p_holm),
        }
        for entry in ordered
    ]
    answers = alt.Scale(domain=["better", "can't tell", "worse"], range=[BETTER, OPEN, WORSE])
    paint = alt.Color(
        "answer:N",
        scale=answers,
        legend=alt.Legend(title=f"{who[0].upper()}{who[1:]} is", orient="top", titleOrient="left"),
    )
    shown = Shown([recipes.looks[entry.recipe] for entry in ordered])
    base = alt.Chart(shown.inline(rows)).encode(
        y=alt.Y("recipe:N", sort=shown.labels, title=None),
        color=paint,
        tooltip=[
            recipe_tooltip(),
            alt.Tooltip("text:N", title="difference"),
            alt.Tooltip("p:N", title="p, Holm"),
            alt.Tooltip("answer:N"),
        ],
    )
    x = alt.X(
        "difference:Q",
        title=f"Difference in {name} (right of 0: {who} is better)",
        scale=alt.Scale(padding=14, nice=False),
        axis=alt.Axis(tickCount=8),
    )
    zero = alt.Chart(inline([{"zero": 0}])).mark_rule(color=INK, strokeWidth=1).encode(x=alt.X("zero:Q"))
    rules = base.mark_rule(strokeWidth=3, strokeCap="round").encode(x=alt.X("low:Q"), x2="high:Q")
    chart = alt.layer(zero, rules, base.mark_point(filled=True, size=80, opacity=1).encode(x=x)).properties(
        width="container",
        description=f"Difference in {name} with intervals, {len(rows)} recipes: right of 0, {who} is better",
    )
    return shown.told(chart, rows=True, height=(0, _ROW))


def _mean(entry: JudgedRecipe | Baseline, metric: str) -> float | None:
    return entry.metrics[metric].mean if metric in entry.metrics else None
