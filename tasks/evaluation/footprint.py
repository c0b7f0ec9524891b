"""Parameters, bytes and latency of models: their gates, and which models are smallest for their quality."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tasks.evaluation.comparison import CANNOT_TELL
from tasks.evaluation.intervals import Interval
from tasks.evaluation.rounding import interval
from tasks.evaluation.wording import inside
from tasks.records.estimate import Estimate
from tasks.records.footprint import Footprint, Footprints
from tasks.records.verdict import PairedDifference, Verdict, of_batch

PARAMETERS, BYTES, LATENCY = "parameters", "model_bytes", "latency_ms"
FOOTPRINT = {PARAMETERS: "Number of parameters", BYTES: "Size of the saved model", LATENCY: "Latency"}
"""Name in a spec to title in a report."""

BATCHES = (1, 256)
"""Batch sizes (rows in a call) for timing models of several architectures."""

Measure = Callable[[Iterable[str], Sequence[int]], Mapping[str, Footprint]]
"""Maps trials, and batch sizes to time, to footprints; trials without a saved model are left out."""


def figure(metric: str, value: float) -> str:
    """A value of one of these metrics, unrounded, with its unit.

    >>> figure("model_bytes", 12345), figure("latency_ms", 50.0), figure("parameters", 1000)
    ('12.345 kB', '50 ms', '1,000')
    """
    unit = {BYTES: " kB", LATENCY: " ms"}.get(metric, "")
    return f"{value / 1000 if metric == BYTES else value:,.12g}{unit}"


def reading(metric: str, estimate: Estimate) -> str:
    """A measured metric, with its interval and unit where it has them; works for all metrics, not only those of the
    footprint.

    >>> reading("model_bytes", Estimate(12345.0, 12345.0, 12345.0)), reading("latency_ms", Estimate(2.31, 2.28, 2.35))
    ('12.345 kB', '2.310 [2.280, 2.350] ms')
    """
    if metric in (PARAMETERS, BYTES) and estimate.mean is not None:
        return figure(metric, estimate.mean)
    return interval(estimate) + (" ms" if metric == LATENCY and estimate.mean is not None else "")


def at_footprint_gate(
    gate: Mapping[str, Any], trial: str | None, measure: Measure | None, confidence: float
) -> tuple[Interval, str, str]:
    """A model's figure at a footprint gate, its title, and how it was measured. A count has no error, so both ends are
    the count. The interval of a latency holds this share (`confidence`) of the calls.
    """
    metric, batch = gate["metric"], gate.get("batch") or 1
    title = FOOTPRINT[metric] + (of_batch(batch) if metric == LATENCY else "")
    found = measure([trial], [batch] if metric == LATENCY else []).get(trial) if measure and trial else None
    if found is None:
        return Interval(np.nan, None, None, "no such model is saved" if trial else "there is no model"), title, ""
    if metric == LATENCY:
        timed = found.latency_ms[str(batch)]
        basis = f"on the machine that computed the verdict (brackets: {confidence:.0%} of {timed.calls:,} calls)"
        return Interval(timed.median, timed.low, timed.high), title, basis
    value = found.parameters if metric == PARAMETERS else found.model_bytes
    if value is None:
        return Interval(np.nan, None, None, "only networks have parameters to count"), title, ""
    return Interval(float(value), float(value), float(value)), title, ""


def footprints(verdict: Verdict, of_recipe: Mapping[str, Footprint], shipped: Footprint | None) -> Footprints:
    """The measured footprints, the recipes on each Pareto front, and a smaller recipe that can't be told apart from the
    leader.

    Args:
        of_recipe: `recipe_id` to the footprint of its trial; empty where all recipes have one architecture.
        shipped: Footprint of the shipped model; None: it is not saved.
    """
    sign = 1 if verdict.greater_is_better else -1
    worth = {
        each.recipe_id: sign * mean
        for each in verdict.recipes
        if each.recipe_id in of_recipe and (mean := each.metrics[verdict.metric].mean) is not None
    }
    models = {each.trial_id: each for each in [*([shipped] if shipped else []), *of_recipe.values()]}
    fronts = {}
    for name in (PARAMETERS, BYTES, *(timed(batch) for batch in BATCHES)):
        sizes = {recipe: size for recipe in worth if (size := size_of(of_recipe[recipe], name)) is not None}
        if len(set(sizes.values())) > 1:
            fronts[name] = front(sizes, worth)
    return Footprints(models=list(models.values()), fronts=fronts or None, smaller=_smaller(verdict, of_recipe))


def timed(batch: int) -> str:
    """The name, in `fronts`, of the latency for a batch size."""
    return LATENCY if batch == 1 else f"{LATENCY} {batch}"


def size_of(found: Footprint, name: str) -> float | None:
    """The figure of a footprint that the front `name` compares; None where it was not measured."""
    if name in (PARAMETERS, BYTES):
        return found.parameters if name == PARAMETERS else found.model_bytes
    latency = found.latency_ms.get(name.removeprefix(LATENCY).strip() or "1")
    return latency.median if latency else None


def front(sizes: Mapping[str, float], worth: Mapping[str, float]) -> list[str]:
    """The Pareto set: names for which no other is at least as small and as good, and better in one of the two. Equal
    ones are all in it.

    Args:
        sizes: Name to size; less is better.
        worth: Name to quality, for all names in `sizes`; more is better.
    """
    best, kept = -np.inf, []
    for size in sorted(set(sizes.values())):
        alike = [name for name in sizes if sizes[name] == size]
        top = max(worth[name] for name in alike)
        if top > best:  # better than all that are smaller
            kept += [name for name in alike if worth[name] == top]
            best = top
    return kept


def _smaller(verdict: Verdict, of_recipe: Mapping[str, Footprint]) -> str | None:
    sizes = {recipe: found.parameters for recipe, found in of_recipe.items() if found.parameters is not None}
    leader = verdict.leader
    if leader not in sizes or not any(each.learned for each in verdict.recipes):
        return None
    tied = [each for each in verdict.comparisons if each.answer == CANNOT_TELL and each.recipe_id in sizes]
    least = min(tied, key=lambda each: sizes[each.recipe_id], default=None)
    if least is None or sizes[least.recipe_id] >= sizes[leader]:
        return None
    own, of = sizes[least.recipe_id], sizes[leader]
    return (
        f"{least.recipe} can't be told from {verdict.name_of(leader)} and is smaller: {own:,} parameters, "
        f"not {of:,}. {_not_equal(verdict, least)}"
    )


def _not_equal(verdict: Verdict, smaller: PairedDifference) -> str:
    """Says that a difference which the data do not show may still exist."""
    title = inside(verdict.titles[verdict.metric])
    return (
        f"That does not make them equal: the difference in {title} is {interval(smaller.estimate)} "
        f"(above zero: {verdict.name_of(verdict.leader or '')} is better)."
    )
