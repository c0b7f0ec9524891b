"""The whole procedure, tested on folds that are held out in turn: its figures, and what it chose."""

from __future__ import annotations

from reports.escape import Html, safe
from reports.markup import raw, recipe, table
from reports.metric_names import phrase, title
from reports.numbers import count, setting
from tasks.evaluation.rounding import interval, rounded
from tasks.evaluation.wording import percent
from tasks.records.out_of_fold import ChosenSettings, OutOfFold, VarianceShares
from tasks.records.verdict import Verdict

SETTINGS = 5
"""Most settings of a recipe that are listed, the most frequent first."""


def out_of_fold(verdict: Verdict | None) -> str:
    """Shows the procedure's metrics, and what it chose in how many folds. Empty for a run with a test part."""
    found = verdict.out_of_fold if verdict else None
    if verdict is None or found is None:
        return ""
    rows = [(title(name, verdict.titles), interval(estimate)) for name, estimate in found.metrics.items()]
    figures = table(["Metric", "#Mean over folds"], rows, caption="The procedure out of fold, mean and interval")
    folds = found.folds * found.repeats
    chosen = [(recipe(name), count(times), percent(times / folds)) for name, times in found.chosen.items()]
    choices = table(["Chosen", "#Folds", "#Share"], chosen, caption="What the procedure chose in each fold")
    choices = Html(choices + _settings(found, verdict) + _variance(found, verdict))
    under = (
        f"{found.sentence} Scores of the folds scatter with a standard deviation of {rounded(found.spread)}. Folds "
        "share most of their training rows, so their mean is less certain than so many independent scores would make "
        "it: the interval is Student's with the variance s² (1/n + test rows / training rows) of Nadeau and Bengio "
        "(2003). Where the choices differ from fold to fold, rows do not tell the recipes apart."
    )
    return raw(f'{figures}{choices}<p class="under">{safe(under)}</p>')


def _settings(found: OutOfFold, verdict: Verdict) -> Html:
    """Shows the settings that the searches in the folds chose, and their own scores beside those out of fold."""
    if not found.searched:
        return Html("")
    rows = [row for each in found.searched for row in _rows(each)]
    head = ["Recipe", "Best setting", "#Folds", "Also on all rows"]
    shown = table(head, rows, caption="What the searches chose in each fold")
    means = {each.recipe_id: each.metrics[verdict.metric].mean for each in verdict.recipes}
    name = phrase(verdict.metric, verdict.titles)
    told = "; ".join(
        f"{each.recipe} {rounded(each.chosen_by)} and {rounded(means.get(each.recipe_id))}"
        for each in found.searched
        if each.chosen_by is not None
    )
    under = (
        "Each fold was searched anew, on the rows left to it. A setting's own score is the best of many, on the rows "
        f"that chose it. So it is too good: the mean {name} of the best setting there, and out of fold: {told}."
    )
    return Html(f'{shown}<p class="under">{safe(under)}</p>')


def _variance(found: OutOfFold, verdict: Verdict) -> Html:
    """Shows how much of a fold's score varies with the seed and with the split."""
    shares = found.variance
    if shares is None or shares.share.mean is None:
        return Html("")
    percents = [percent(end) for end in (shares.share.mean, shares.share.low, shares.share.high) if end is not None]
    rows = [
        ("another split: which rows are learned from and held out", rounded(shares.split), percents[0]),
        (
            "another seed: initial weights, order of batches and the like",
            rounded(shares.seed),
            percent(1 - shares.share.mean),
        ),
        *_sources(shares),
    ]
    head = ["What else is drawn", "#Standard deviation", "#Share of the variance"]
    shown = table(head, rows, caption="What changes the score of a fold")
    told = (
        f"Of {shares.recipe}, from its {phrase(verdict.metric, verdict.titles)} in {shares.folds} folds under "
        f"{shares.seeds} seeds each (analysis of variance, after Bouthillier et al. 2021). The split's share is "
        f"{percents[0]}, with a {verdict.confidence:.0%} interval of {' to '.join(percents[1:])}. "
        + (_APART if shares.initial and shares.order else _TOGETHER)
    )
    return Html(f'{shown}<p class="under">{safe(told)}</p>')


_TOGETHER = (
    "A seed draws initial weights and the order of batches together, so these are not told apart "
    "(evaluate.seed_sources: true does so)."
)
_APART = (
    "In each fold one more trial has the initial weights of one seed and all else of another, so it differs from "
    "either in one of them alone. The shares of the two need not add up to the seed's, since the effect of the one may "
    "depend on the other."
)


def _sources(shares: VarianceShares) -> list[tuple[str, str, str]]:
    """Returns a row for each part of a seed that was changed alone."""
    whole = shares.split**2 + shares.seed**2
    named = {
        "other initial weights alone, on the same batches": shares.initial,
        "another order of batches and the like alone, from the same initial weights": shares.order,
    }
    return [
        (name, interval(each), percent(each.mean**2 / whole))
        for name, each in named.items()
        if each is not None and each.mean is not None
    ]


def _rows(chosen: ChosenSettings) -> list[tuple[Html | str, ...]]:
    """Returns a row for each of a recipe's settings that was chosen most often, and one row for all others."""
    rows: list[tuple[Html | str, ...]] = [
        (
            recipe(chosen.recipe),
            ", ".join(f"{name} {setting(value)}" for name, value in each.values.items()),
            count(each.folds),
            "yes" if each.whole else "no",
        )
        for each in chosen.settings[:SETTINGS]
    ]
    others = chosen.settings[SETTINGS:]
    if others:
        whole = "one of them" if any(each.whole for each in others) else "no"
        rows.append((recipe(chosen.recipe), f"{len(others)} others", count(sum(each.folds for each in others)), whole))
    return rows or [(recipe(chosen.recipe), "no setting ended well", count(0), "no")]
