"""Parameters, bytes and latency of models: their gates, and which models are small for what they do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import binom

from tasks.evaluation.comparison import CANNOT_TELL
from tasks.evaluation.intervals import Interval
from tasks.evaluation.wording import percent
from tasks.records.footprint import Footprint, Footprints
from tasks.records.verdict import Verdict

PARAMETERS, BYTES, LATENCY = "parameters", "model_bytes", "latency_ms"
FOOTPRINT = {PARAMETERS: "Parameters", BYTES: "Bytes of the saved model", LATENCY: "Latency in ms"}
"""By name in a spec the title in a report."""

Measure = Callable[[str, Sequence[int]], Footprint | None]
"""Of a trial, with latency for calls of these rows; None where there is no saved model of it."""


def median(values: Sequence[float], confidence: float) -> Interval:
    """The median, with an interval of order statistics that holds for any continuous distribution: between the k-th
    smallest and the k-th largest lies the median at least this often (David and Nagaraja, Order Statistics, 7.1).

    Args:
        values: Independent, of one distribution.
        confidence: In (0, 1).
    """
    ordered = np.sort(values)
    skipped = int(binom.ppf((1 - confidence) / 2, len(ordered), 0.5))
    middle = float(np.median(ordered))
    if not skipped:
        return Interval(middle, None, None, f"{len(ordered)} calls are too few")
    return Interval(middle, float(ordered[skipped - 1]), float(ordered[-skipped]))


def at_footprint_gate(gate: Mapping[str, Any], trial: str | None, measure: Measure | None) -> tuple[Interval, str]:
    """A model at a gate on what it takes: the figure, and its title. A count has no error: its interval is itself."""
    batch = gate.get("batch") or 1
    title = FOOTPRINT[gate["metric"]] + (f" for {batch:,} rows" if batch > 1 else "")
    found = measure(trial, [batch]) if measure and trial else None
    if gate["metric"] == LATENCY and found:
        timed = found.latency_ms[str(batch)]
        reason = f"{timed.calls} calls are too few" if timed.low is None else None
        return Interval(timed.mean, timed.low, timed.high, reason), title
    value = (found.parameters if gate["metric"] == PARAMETERS else found.model_bytes) if found else None
    if value is None:
        return Interval(np.nan, None, None, "only a network has it" if found else "no such model is saved"), title
    return Interval(float(value), float(value), float(value)), title


def footprints(verdict: Verdict, of_recipe: Mapping[str, Footprint], others: Sequence[Footprint]) -> Footprints:
    """What was measured, with the recipes on the front, and a smaller one that can't be told from the leader.

    Args:
        of_recipe: `recipe_id` to the footprint of its trial; empty where architectures are alike.
        others: Measured too: the shipped model, and models at gates.
    """
    sign = 1 if verdict.greater_is_better else -1
    known = {
        each.recipe_id: (-(of_recipe[each.recipe_id].parameters or 0), sign * mean)
        for each in verdict.recipes
        if each.recipe_id in of_recipe and (mean := each.metrics[verdict.metric].mean) is not None
    }
    front = [
        recipe
        for recipe, own in known.items()
        if not any(other != own and other[0] >= own[0] and other[1] >= own[1] for other in known.values())
    ]
    models = {each.trial_id: each for each in [*others, *of_recipe.values()]}
    return Footprints(models=list(models.values()), front=front, smaller=_smaller(verdict, of_recipe))


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
        f"not {of:,}, which is {percent(1 - own / of)} fewer."
    )
