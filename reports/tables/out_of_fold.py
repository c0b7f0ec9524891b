"""The whole procedure on rows that were held out in turn: its figures, and what it chose."""

from __future__ import annotations

from reports.escape import safe
from reports.markup import raw, recipe, table
from reports.metric_names import title
from reports.numbers import count
from tasks.evaluation.rounding import interval, rounded
from tasks.evaluation.wording import percent
from tasks.records.verdict import Verdict


def out_of_fold(verdict: Verdict | None) -> str:
    """The procedure's metrics, and what it chose in how many folds. Nothing where a test part judged."""
    found = verdict.out_of_fold if verdict else None
    if verdict is None or found is None:
        return ""
    rows = [(title(name, verdict.titles), interval(estimate)) for name, estimate in found.metrics.items()]
    figures = table(["Metric", "#Mean over folds"], rows, caption="The procedure out of fold, mean and interval")
    folds = found.folds * found.repeats
    chosen = [(recipe(name), count(times), percent(times / folds)) for name, times in found.chosen.items()]
    choices = table(["Chosen", "#Folds", "#Share"], chosen, caption="What the procedure chose in each fold")
    under = (
        f"{found.sentence} Scores of the folds scatter with a standard deviation of {rounded(found.spread)}. Folds "
        "share most of their training rows, so their mean is less certain than so many independent scores would make "
        "it: the interval is Student's with the variance s² (1/n + test rows / training rows) of Nadeau and Bengio "
        "(2003). Where the choices differ from fold to fold, rows do not tell the recipes apart."
    )
    return raw(f'{figures}{choices}<p class="under">{safe(under)}</p>')
