"""The hyperparameter search in words and figures: its cost, its search space, and its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reports.escape import Html, safe
from reports.markup import bullets, callout, fold, raw, table
from reports.markup import recipe as named
from reports.metric_names import phrase, title, titles_of
from reports.numbers import count, duration, setting
from reports.recipes import TOP
from reports.tables.comparison import swatches
from tasks.evaluation import wording
from tasks.evaluation.rounding import MISSING, fixed, places
from tasks.evaluation.wording import listing
from tasks.records.estimate import Estimate
from tasks.records.plan import Plan
from tasks.records.search_plan import RangeTest, SearchedChoices, SearchedDimension, SearchedRange, SearchPlan
from tasks.records.search_verdict import BestSetting, Edge, SearchedRecipe, SearchVerdict
from tasks.records.verdict import Verdict
from tasks.search.methods import METHODS
from tasks.search.range_test import FALL, RATES_A_DECADE

_OWN = "the optimizer's own"
_FOUND = "found by a range test"


def search(plan: Plan, verdict: Verdict | None) -> str:
    """Shows the cost of the search and its search space. Empty without a search."""
    found = plan.search
    if not found:
        return ""
    return raw(
        f"<p>{_budget(found, verdict.search if verdict else None, titles_of(plan))} {_meant(plan)}</p>"
        + _tested(found.range_tests or ())
        + fold("What was searched", _ranges(found))
    )


def _tested(tests: Sequence[RangeTest]) -> Html:
    """Says how range tests found ranges of learning rates, and what they found. Empty without range tests."""
    if not tests:
        return Html("")
    return Html(f"<p>{safe(HOW_TESTED.format(rates=RATES_A_DECADE, seeds=tests[0].seeds))}</p>{range_tests(tests)}")


HOW_TESTED = (
    "Before the search, range tests found which learning rates to search: each recipe was trained for a short time at "
    "{rates} rates a decade, under {seeds} seeds, on training rows. A rate is good where the loss on the validation "
    f"rows falls by at least {FALL:.0%} of the largest fall; the range is the stretch of good rates around the best "
    "one (after Smith 2015). Its lower end is divided by the ratio of the training's length to the test's, "
    "since so long a training gets as far with a lower rate."
)


def range_tests(tests: Sequence[RangeTest]) -> Html:
    """Returns a table with the result of each range test."""
    rows = [
        (
            named(each.recipe),
            MISSING if each.best is None else setting(each.best),
            f"{setting(each.low)} to {setting(each.high)}" + ("" if each.best else " (the optimizer's own)"),
            f"{setting(each.rates[0])} to {setting(each.rates[-1])}",
            count(sum(loss is None for loss in each.losses)),
            count(each.epochs),
        )
        for each in tests
    ]
    head = ["Recipe", "#Best rate seen", "Range", "Rates tried", "#Diverged", "#Epochs of each"]
    return table(head, rows, caption="Learning-rate range tests", lists="recipes")


def _budget(search: SearchPlan, judged: SearchVerdict | None, titles: Mapping[str, str]) -> Html:
    recipes = search.recipes
    methods = listing([METHODS[name].title for name in dict.fromkeys(each.method for each in recipes)], most=7)
    trials, epochs = {each.trials for each in recipes}, {each.epochs for each in recipes}
    runs = f"{count(search.seeds)} seed{'s' if search.seeds > 1 else ''}"
    runs += f" × {count(search.folds)} folds" if search.folds else ""
    repeated = [word for word, number in (("seed", search.seeds), ("fold", search.folds or 1)) if number > 1]
    under = f" under each {' and '.join(repeated)}" if repeated else ""
    equal = len(trials) == 1 and len(recipes) > 1
    spent = duration(sum(each.seconds for each in judged.recipes)) if judged else None
    return safe(
        f"{'Each recipe' if len(recipes) > 1 else 'The recipe'} was given {_span(trials)} settings × {runs}, "
        f"{_span(epochs)} epochs{under}{', the same for each' if equal and len(epochs) == 1 else ''}, by {methods}"
        f"{f'; that took {spent} of training' if spent else ''}. A setting's score is its mean "
        f"{phrase(search.metric, titles)} over seeds{' and folds' if search.folds else ''} on the validation "
        "rows. "
        "The best setting of each was trained again on fresh seeds."
    )


def _meant(plan: Plan) -> Html:
    """Says how the figures of the comparison relate to the search."""
    if plan.held_out is None:
        return safe(
            "Only that is in the comparison above: its intervals are those of the settings found, and do not say what "
            "another search would have found."
        )
    return safe(
        f"This is the search on all rows; the shipped model comes from it. In each of the {plan.held_out.count} folds "
        "held out, the same search was done anew on the rows left to it, so the figures out of fold are those of the "
        "procedure with its search."
    )


def _span(values: set[int]) -> str:
    low, high = min(values, default=0), max(values, default=0)
    return count(low) if low == high else f"{count(low)} to {count(high)}"


def _ranges(search: SearchPlan) -> Html:
    """Returns a table of the dimensions. Recipes that have the same dimension share a row."""
    recipes = {each.recipe_id: each.recipe for each in search.recipes}
    alike: dict[str, tuple[SearchedDimension, list[str]]] = {}
    for each in search.recipes:
        for dimension in each.space:
            alike.setdefault(repr(dimension), (dimension, []))[1].append(each.recipe_id)
    rows = []
    for dimension, having in sorted(alike.values(), key=lambda pair: pair[0].name):
        tested = isinstance(dimension, SearchedRange) and dimension.tested
        whose_range = Html(f"<b>{safe(_OWN)}</b>") if dimension.owned else safe(_FOUND if tested else "the spec's")
        whose = "all" if len(having) == len(recipes) else listing([recipes[each] for each in having], most=6)
        active = " and ".join(
            f"{name} is {listing([setting(value) for value in values], most=6, last='or')}"
            for name, values in dimension.when.items()
        )
        rows.append((_code(dimension.name), _range(dimension), whose_range, f"where {active}" if active else "", whose))
    head = ["Hyperparameter", "Searched", "Range is", "Active", "Recipes"]
    return table(head, rows, caption="What was searched")


def _range(dimension: SearchedDimension) -> str:
    if isinstance(dimension, SearchedChoices):
        return listing([setting(value) for value in dimension.choices], most=12, last="or")
    words = [f"{setting(dimension.low)} to {setting(dimension.high)}"]
    words += ["logarithmic"] if dimension.log else []
    words += ["whole numbers"] if dimension.integer else []
    words += [f"steps of {setting(dimension.step)}"] if dimension.step else []
    return ", ".join(words)


def search_warnings(verdict: Verdict | None) -> str:
    """Lists what weakens the search: settings at an edge, an optimizer worse than one that it contains, diverged
    settings."""
    found = verdict.search.warnings if verdict and verdict.search else ()
    return callout("warning", "Was the search large enough?", bullets(found)) if found else ""


def settings(verdict: Verdict | None, plan: Plan) -> str:
    """Shows the best setting of each recipe, ranked by its score, and below it the ten best of the first recipes."""
    search = verdict.search if verdict else None
    if not search:
        return ""
    ranked = sorted(
        search.recipes,
        key=lambda each: (each.best is None, -search.sign * (each.best.score or 0.0) if each.best else 0.0),
    )
    lines = swatches(plan, verdict)
    decimals = places(_estimate(each.best) for each in ranked if each.best)
    rows = [
        (
            named(each.recipe, lines.get(each.recipe, "")),
            fixed(each.best.score, decimals) if each.best else MISSING,
            fixed(each.best.spread, decimals) if each.best else MISSING,
            _values(each.best.values, each.edges) if each.best else "no setting ended well",
            count(each.settings),
            count(each.diverged),
            duration(each.seconds),
        )
        for each in ranked
    ]
    name = title(search.metric, titles_of(plan))
    head = ["Recipe", f"#{name}", "#Spread", "Best setting", "#Settings", "#Diverged", "#Time"]
    under = (
        "Scores of the search: the best of many on the rows that chose it, so they are optimistic. Spread: standard "
        "deviation over seeds and folds. An arrow: at the upper or lower end of what was searched."
    )
    folds = "".join(
        fold(f"The {len(each.top)} best settings of {each.recipe}", _top(each, decimals, name))
        for each in ranked[:TOP]
        if each.top
    )
    if len(ranked) > TOP:
        folds += "<p>Those of the other recipes are in <code>settings.parquet</code>.</p>"
    caption = "The best setting of each recipe"
    return raw(f'{table(head, rows, caption=caption, lists="recipes")}<p class="under">{safe(under)}</p>{folds}')


def _top(recipe: SearchedRecipe, decimals: int, title: str) -> Html:
    names = list(dict.fromkeys(name for each in recipe.top for name in each.values))
    rows = [
        (
            count(each.number + 1),
            fixed(each.score, decimals),
            fixed(each.spread, decimals),
            *(setting(each.values[name]) if name in each.values else MISSING for name in names),
            duration(each.seconds),
        )
        for each in recipe.top
    ]
    head = ["#Asked as", f"#{title}", "#Spread", *(f"#{name}" for name in names), "#Time"]
    return table(head, rows, caption=f"The best settings of {recipe.recipe}", marked=0)


def sensitivity(verdict: Verdict | None, plan: Plan) -> str:
    """Shows how wide the range of good learning rates of each recipe is."""
    search = verdict.search if verdict else None
    rated = [(each, each.learning_rate) for each in search.recipes if each.learning_rate] if search else []
    if not search or not rated:
        return ""
    lines = swatches(plan, verdict)
    rows = [
        (
            named(each.recipe, lines.get(each.recipe, "")),
            f"{setting(found.low)} to {setting(found.high)}",
            " to ".join(dict.fromkeys((setting(found.good_low), setting(found.good_high)))),
            fixed(found.decades, 1),
            f"{found.share:.0%}",
        )
        for each, found in sorted(rated, key=lambda pair: -pair[1].decades)
    ]
    head = ["Recipe", "Learning rates searched", "Good ones", "#Good decades", "#Share of the range"]
    slack = wording.number(search.tolerance or 0.0)
    under = (
        f"Good: within {slack} of the recipe's best score, for all recipes alike. Each learning rate tried stands for "
        "the part of the range nearest to it, on a logarithmic scale. Where other hyperparameters were searched too, "
        "the true width is larger."
    )
    shown = table(head, rows, caption="Sensitivity to the learning rate", lists="recipes")
    return raw(f'{shown}<p class="under">{safe(under)}</p>')


def _estimate(best: BestSetting) -> Estimate:
    score, spread = best.score or 0.0, best.spread or 0.0
    return Estimate(score, score - spread, score + spread)


def _values(values: Mapping[str, Any], edges: Sequence[Edge]) -> Html:
    """Returns names and values. A value at an edge of its range has an arrow that says which edge."""
    arrows = {each.name: {"high": "\N{NO-BREAK SPACE}↑", "low": "\N{NO-BREAK SPACE}↓"}[each.side] for each in edges}
    return Html(
        ", ".join(
            f"{safe(name)}&nbsp;<b>{safe(setting(value))}{arrows.get(name, '')}</b>" for name, value in values.items()
        )
    )


def _code(text: str) -> Html:
    return Html(f"<code>{safe(text)}</code>")
