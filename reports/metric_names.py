"""Names of metrics in the report."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.evaluation.metrics import METRICS
from tasks.records.plan import Plan
from tasks.records.verdict import Verdict


def titles_of(plan: Plan) -> dict[str, str]:
    """Returns the title of each metric in a run, with the class that it is about. Runs on two classes without a class
    of interest get the plain titles."""
    positive, classes = plan.data.positive, plan.data.classes or ()
    unnamed = positive is None and len(classes) == 2
    return {
        name: metric.title if unnamed else metric.titled(positive, len(classes)) for name, metric in METRICS.items()
    }


def title(name: str, titles: Mapping[str, str]) -> str:
    """Returns the metric's title. A metric that this version does not know keeps its name, in words.

    Args:
        titles: The run's titles, as in the verdict.
    """
    return titles.get(name) or (METRICS[name].title if name in METRICS else name.replace("_", " "))


def phrase(name: str, titles: Mapping[str, str]) -> str:
    """Returns the metric's title for use inside a sentence: `accuracy`, `RMSE`."""
    words = title(name, titles)
    return words[0].lower() + words[1:] if words[1:2].islower() else words


def measured(verdict: Verdict) -> list[str]:
    """Returns the metrics of the comparison: the deciding one first, then the others in the order of the spec."""
    found = {name: None for recipe in verdict.recipes for name in recipe.metrics}
    return list({verdict.metric: None, **found})


def searched(plan: Plan) -> str:
    """Returns the title of the metric that a search optimises."""
    assert plan.search is not None
    return title(plan.search.metric, titles_of(plan))
