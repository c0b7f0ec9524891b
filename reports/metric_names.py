"""How the report calls a metric."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.evaluation.metrics import METRICS
from tasks.records.plan import Plan
from tasks.records.verdict import Verdict


def titles_of(plan: Plan) -> dict[str, str]:
    """What each metric is called in a run: with the class that it speaks of. Plain in a run that names none."""
    positive, classes = plan.data.positive, plan.data.classes or ()
    unnamed = positive is None and len(classes) == 2
    return {
        name: metric.title if unnamed else metric.titled(positive, len(classes)) for name, metric in METRICS.items()
    }


def title(name: str, titles: Mapping[str, str]) -> str:
    """The metric's title; its own name where a run holds one that this version does not know.

    Args:
        titles: Those of the run, as in the verdict.
    """
    return titles.get(name) or (METRICS[name].title if name in METRICS else name.replace("_", " "))


def phrase(name: str, titles: Mapping[str, str]) -> str:
    """The metric's title inside a sentence: `accuracy`, `RMSE`."""
    words = title(name, titles)
    return words[0].lower() + words[1:] if words[1:2].islower() else words


def measured(verdict: Verdict) -> list[str]:
    """The metrics of the comparison: the deciding one first, then the others as they were asked for."""
    found = {name: None for recipe in verdict.recipes for name in recipe.metrics}
    return list({verdict.metric: None, **found})


def searched(plan: Plan) -> str:
    """The title of the metric that a search goes by."""
    assert plan.search is not None
    return title(plan.search.metric, titles_of(plan))
