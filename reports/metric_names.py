"""How the report calls a metric."""

from __future__ import annotations

from tasks.evaluation.metrics import METRICS
from tasks.records.verdict import Verdict


def title(name: str) -> str:
    """The metric's title; its own name where a run holds one that this version does not know."""
    return METRICS[name].title if name in METRICS else name.replace("_", " ")


def phrase(name: str) -> str:
    """The metric's title inside a sentence: `accuracy`, `RMSE`."""
    words = title(name)
    return words[0].lower() + words[1:] if words[1:2].islower() else words


def measured(verdict: Verdict) -> list[str]:
    """The metrics of the comparison: the deciding one first, then the others as they were asked for."""
    found = {name: None for recipe in verdict.recipes for name in recipe.metrics}
    return list({verdict.metric: None, **found})
