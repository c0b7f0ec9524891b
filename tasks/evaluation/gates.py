"""Gates: compare a business threshold with the metric's interval for the shipped model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import ndtri

from tasks.evaluation.comparison import POWER
from tasks.evaluation.footprint import FOOTPRINT, LATENCY, figure, reading
from tasks.evaluation.intervals import Interval
from tasks.evaluation.wording import number
from tasks.records.verdict import GateResult

PASS, FAIL, UNDECIDED = "pass", "fail", "undecided"


def answer(interval: Interval, *, at_least: float | None = None, at_most: float | None = None) -> str:
    """`pass` if the whole interval is on the good side, `fail` if it is on the bad side, else `undecided`.

    The threshold itself is on the good side. Without an interval the answer is `undecided`.

    Raises:
        ValueError: not exactly one threshold is given.
    """
    if (at_least is None) == (at_most is None):
        raise ValueError("a gate has one threshold: at_least or at_most")
    if interval.low is None or interval.high is None:
        return UNDECIDED
    if at_least is not None:
        return PASS if interval.low >= at_least else FAIL if interval.high < at_least else UNDECIDED
    assert at_most is not None
    return PASS if interval.high <= at_most else FAIL if interval.low > at_most else UNDECIDED


def judge_gate(gate: Mapping[str, Any], interval: Interval, title: str, basis: str = "") -> GateResult:
    """Evaluates a gate; the result is written to verdict.json.

    Args:
        gate: `metric`, `severity`, and `at_least` or `at_most` (the other one missing or None), as in the
            spec; perhaps `by` or `slice`.
        interval: The metric's interval for the shipped model.
        title: The metric's title, with the class that it is about.
        basis: The data that it was measured on, in words (`on 11 rows of fraud`).
    """
    bound = "at_least" if gate.get("at_least") is not None else "at_most"
    threshold = float(gate[bound])
    found = answer(interval, **{bound: threshold})
    return GateResult(
        metric=gate["metric"],
        by=gate.get("by"),
        slice=gate.get("slice"),
        batch=gate.get("batch") or 1 if gate["metric"] == LATENCY else None,
        at_least=threshold if bound == "at_least" else None,
        at_most=threshold if bound == "at_most" else None,
        severity=gate["severity"],
        estimate=interval.estimate().mean,
        low=interval.low,
        high=interval.high,
        answer=found,
        reason=interval.reason,
        sentence=_sentence(gate["metric"], title, bound, threshold, interval, found, basis),
    )


def _sentence(metric: str, title: str, bound: str, threshold: float, interval: Interval, found: str, basis: str) -> str:
    wanted = limit(metric, bound, threshold)
    if interval.low is None or interval.high is None:
        lacks = "is undefined here" if np.isnan(interval.mean) and interval.reason else "has no interval here"
        return f"{title} {lacks}{_because(interval.reason)}, so whether it is {wanted} is open."
    said = f"{title} is {reading(metric, interval.estimate())}"
    said += f" {basis}" if basis else ""
    return {
        PASS: f"{said}: {wanted}, as required.",
        FAIL: f"{said}: it should be {wanted}.",
        UNDECIDED: f"{said}: whether it is {wanted} can't be told.",
    }[found]


def limit(metric: str, bound: str, threshold: float) -> str:
    """A gate's condition, unrounded, with its unit: `at least 0.8`, `at most 50 ms`."""
    return f"{bound.replace('_', ' ')} {figure(metric, threshold)}"


def _because(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


def rows_needed(undecided: Sequence[GateResult], rows: int, confidence: float) -> str:
    """A clause that says how many test rows would decide these gates; empty where that is unknown, or where no number
    of rows decides.

    Args:
        rows: Number of rows of the test part.
        confidence: Confidence level of the intervals, in (0, 1).
    """
    needed = [
        rows_to_decide(Interval(gate.estimate, gate.low, gate.high), gate.threshold, rows, confidence)
        for gate in undecided
        if gate.estimate is not None and gate.metric not in FOOTPRINT
    ]
    counts = [n for n in needed if n is not None]
    if len(counts) < len(undecided):
        return ""
    about = int(float(f"{max(counts):.2g}"))  # an estimate should look like one
    return f"; about {number(about)} test rows (now {number(rows)}) would decide it in {POWER:.0%} of cases"


def rows_to_decide(interval: Interval, threshold: float, rows: int, confidence: float) -> int | None:
    """About how many test rows would decide a gate in 80% of repeats, if the estimate is the truth.

    The half-width of an interval shrinks with the square root of the rows, and a new estimate has a random error of its
    own. So, with q the normal quantile, the distance to the threshold must be 1 + q(power) / q((1 + confidence) / 2)
    half-widths. None where the estimate equals the threshold, and without an interval.

    Args:
        interval: The metric's interval, which holds the threshold.
        threshold: The gate's threshold.
        rows: Number of rows behind the interval.
        confidence: Confidence level of the interval, in (0, 1).
    """
    if interval.low is None or interval.high is None:
        return None
    distance = abs(interval.mean - threshold)
    reach = interval.mean - interval.low if interval.mean >= threshold else interval.high - interval.mean
    reach *= 1 + float(ndtri(POWER) / ndtri((1 + confidence) / 2))
    return round(rows * (reach / distance) ** 2) if distance > 0 else None
