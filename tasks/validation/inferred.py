"""An expectation inferred from the data, and the texts that describe its outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.records.validation import Severity
from tasks.validation.finding import Finding
from tasks.validation.suite import Expectation, Outcome
from tasks.validation.wording import listing, of

MISSING = 0.05
"""Share of missing values in a column above which we warn. A column without any value in train blocks."""
MARGIN = 0.5
"""How far other values may lie outside training's range, in multiples of that range's width."""
UNSEEN = 0.01
"""Share of values in categories that training never sees, above which we warn."""


@dataclass(frozen=True)
class Inferred:
    """An expectation with the texts that describe its outcome; `column` is the one it is about, or None."""

    expectation: Expectation
    severity: Severity
    expected: str
    observed: Callable[[Outcome], str]
    passed: str
    failed: Callable[[Outcome], str]
    remedy: str
    column: str | None = None

    def finding(self, outcome: Outcome) -> Finding:
        return Finding(
            success=outcome.success,
            expected=self.expected,
            observed=outcome.error or self.observed(outcome),
            rows=outcome.rows or 0,
            unexpected=outcome.unexpected,
            message=self.passed if outcome.success else self.failed(outcome),
            remedy=self.remedy,
            column=self.column,
        )


Suite = tuple[pd.DataFrame, list[Inferred]]
"""A frame, and what is expected of it."""


def bounds(seen: np.ndarray) -> tuple[float, float] | None:
    """Smallest and largest finite value of `seen` (float64), widened by a margin; None if no value is finite."""
    finite = seen[np.isfinite(seen)]
    if not len(finite):
        return None
    low, high = float(finite.min()), float(finite.max())
    margin, limit = MARGIN * (high - low), np.finfo(np.float64).max
    return max(low - margin, -limit), min(high + margin, limit)


def values(outcome: Outcome) -> str:
    """`3 of 320 values (0.9%) such as 17 and 21`, or `none`."""
    if not outcome.unexpected:
        return "none"
    return f"{of(outcome.unexpected, outcome.rows or 0, 'values')} such as {listing(outcome.examples)}"
