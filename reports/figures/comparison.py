"""The deciding metric by recipe, and the leader against each other recipe, as dots with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from reports.figures.encoding import colour, inline
from reports.metric_names import phrase, title
from reports.numbers import interval, places, probability, rounded
from reports.palette import BETTER, INK, OPEN, WORSE, palette

if TYPE_CHECKING:
    import pandas as pd

    from reports.figures.encoding import Chart
    from tasks.records.plan import Plan
    from tasks.records.verdict import Baseline, JudgedRecipe, PairedDifference, Verdict

_ROW = 30  # px
_FAR = 0.5
"""Of the width that the recipes take, from which on a baseline is drawn at the edge."""


def forest(verdict: Verdict | None, plan: Plan, trials: pd.DataFrame, metrics: pd.DataFrame) -> dict[str, Chart]:
    """The deciding metric of each recipe: a faint dot a seed, mean and interval, baselines as lines.

    By tab title: all recipes, and those that learned where the others would squeeze them together.
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
    names = [recipe.recipe for recipe in ranked]
    decimals = places(recipe.metrics[metric] for recipe in ranked)
    rows = [
        {
            "recipe": recipe.recipe,
            **asdict(recipe.metrics[metric]),
            "text": interval(recipe.metrics[metric], decimals),
        }
        for recipe in ranked
    ]
    y = alt.Y("recipe:N", sort=names, title=None)
    paint = colour(palette([recipe.recipe for recipe in plan.recipes]), legend=None)
    own = [seed for seed in seeds if seed["recipe"] in names]
    near, far, x_scale = _scaled(rows, own, verdict)
    tooltip = [alt.Tooltip("recipe:N"), alt.Tooltip("text:N", title=title(metric, verdict.titles))]
    base = alt.Chart(inline(rows)).encode(y=y, color=paint, tooltip=tooltip)
    layers = [
        *([_baselines(near)] if near else []),
        *([_far_baselines(far)] if far else []),
        alt.Chart(inline(own))
        .mark_point(size=16, opacity=0.55, strokeWidth=1, yOffset=9)
        .encode(x=alt.X("value:Q"), y=y, color=paint),
        base.mark_rule(strokeWidth=3, strokeCap="round").encode(x=alt.X("low:Q"), x2="high:Q"),
        base.mark_point(filled=True, size=90, opacity=1).encode(
            x=alt.X(
                "mean:Q",
                title=f"{title(metric, verdict.titles)}, {verdict.part} part",
                scale=x_scale,
                axis=alt.Axis(tickCount=8),
            )
        ),
    ]
    return alt.layer(*layers).properties(
        width="container",
        height=_ROW * len(names),
        description=f"{title(metric, verdict.titles)} with its interval for {len(names)} recipes, the best on top",
    )


def _scaled(
    recipes: Sequence[Mapping[str, Any]], seeds: Sequence[Mapping[str, Any]], verdict: Verdict
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], Any]:
    """The baselines near the recipes, those far from them, and a scale on which the recipes take most of the width."""
    import altair as alt

    values = [each[end] for each in recipes for end in ("mean", "low", "high") if each[end] is not None]
    values += [seed["value"] for seed in seeds]
    low, high = min(values), max(values)
    span = (high - low) or abs(high) or 1.0
    found = [(entry.name, _mean(entry, verdict.metric)) for entry in verdict.baselines]
    known = [{"baseline": name, "mean": mean} for name, mean in found if mean is not None]
    near = [each for each in known if low - _FAR * span <= each["mean"] <= high + _FAR * span]
    ends = [low, high, *(each["mean"] for each in near)]
    padding = 0.04 * (max(ends) - min(ends) or span)
    domain = [min(ends) - padding, max(ends) + padding]
    far = [
        each | {"left": each["mean"] < low, "at": domain[0] if each["mean"] < low else domain[1]}
        for each in known
        if each not in near
    ]
    return near, far, alt.Scale(domain=domain, zero=False, nice=False)


def _far_baselines(rows: Sequence[Mapping[str, Any]]) -> Chart:
    """Baselines beyond the chart: an arrow at the edge, with the name and the value."""
    import altair as alt

    marks = []
    for place, row in enumerate(rows):
        value = rounded(row["mean"])
        said = f"◂ {row['baseline']} {value}" if row["left"] else f"{row['baseline']} {value} ▸"
        marks.append(
            alt.Chart(inline([{"at": row["at"], "text": said}]))
            .mark_text(align="left" if row["left"] else "right", baseline="top", color=INK, fontSize=11)
            .encode(x=alt.X("at:Q"), y=alt.value(2 + 14 * place), text="text:N")
        )
    return alt.layer(*marks)


def _baselines(rows: Sequence[Mapping[str, Any]]) -> Chart:
    import altair as alt

    # Known names by constant order: the legend reads the same in every report.
    dashes = alt.Scale(range=[[1, 2], [5, 3], [10, 3]])
    return (
        alt.Chart(inline(rows))
        .mark_rule(color=OPEN, strokeWidth=1.5)
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


def _seeds(trials: pd.DataFrame, metrics: pd.DataFrame, metric: str, part: str) -> list[dict[str, Any]]:
    """The metric of every final trial."""
    final = trials.loc[trials["stage"] == "final", ["trial_id", "recipe"]]
    values = metrics[(metrics["part"] == part) & (metrics["metric"] == metric) & metrics["slice"].isna()]
    joined = final.merge(values[["trial_id", "value"]], on="trial_id").dropna()
    return [{"recipe": name, "value": value} for name, value in zip(joined["recipe"], joined["value"], strict=True)]


def differences(verdict: Verdict | None) -> dict[str, Chart]:
    """The leader minus each other recipe, paired over seeds: right of zero, the leader is better.

    By tab title: all recipes, and those that learned where the others would squeeze them together.
    """
    if not verdict:
        return {}
    learned = {entry.recipe_id for entry in verdict.recipes if entry.learned and entry.status == "ok"}
    found = [entry for entry in verdict.comparisons if entry.difference is not None]
    close = [entry for entry in found if entry.recipe_id in learned]
    name = phrase(verdict.metric, verdict.titles)
    charts = {"All recipes": _differences(found, name, "the leader")} if found else {}
    some = 1 <= len(close) < len(found)
    return charts | ({"Those that learned": _differences(close, name, "the leader")} if some else {})


def effects(verdict: Verdict | None) -> dict[str, Chart]:
    """Each augmented recipe minus its twin, paired over seeds: right of zero, augmentation is better."""
    if not verdict:
        return {}
    found = [entry for entry in verdict.augmentation if entry.difference is not None]
    return (
        {"Augmentation": _differences(found, phrase(verdict.metric, verdict.titles), "augmentation")} if found else {}
    )


def _differences(found: Sequence[PairedDifference], name: str, who: str) -> Chart:
    """Differences with intervals; `who` is better right of zero."""
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
    base = alt.Chart(inline(rows)).encode(
        y=alt.Y("recipe:N", sort=[row["recipe"] for row in rows], title=None),
        color=paint,
        tooltip=[
            alt.Tooltip("recipe:N"),
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
    return alt.layer(zero, rules, base.mark_point(filled=True, size=80, opacity=1).encode(x=x)).properties(
        width="container",
        height=_ROW * len(rows),
        description=f"Difference in {name} with intervals, {len(rows)} recipes: right of 0, {who} is better",
    )


def _mean(entry: JudgedRecipe | Baseline, metric: str) -> float | None:
    return entry.metrics[metric].mean if metric in entry.metrics else None
