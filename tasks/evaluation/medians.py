"""The interval of a median: its ends are two of the ordered values, and it holds for every distribution."""

from __future__ import annotations

import numpy as np

from tasks.evaluation.intervals import Array, NoInterval
from tasks.evaluation.shares import effective_rows


def median_ae(target: Array, prediction: Array, confidence: float, groups: np.ndarray | None) -> tuple[float, float]:
    """The interval of the median absolute error, in the target's unit.

    The number of rows with an error below the median is binomial with probability 1/2. So the median lies between the
    k-th smallest and the k-th largest error in at least `confidence` of cases (David & Nagaraja 2003, Order Statistics,
    7.1). Rows in groups count as their effective number of independent rows (Woodruff 1952).

    Raises:
        NoInterval: there are too few rows, or groups.
    """
    errors = np.sort(np.abs(target - prediction))
    below = np.abs(target - prediction) <= np.median(errors)
    worth = int(effective_rows(below, groups))
    rank = _rank(worth, (1 - confidence) / 2)
    if not rank:
        what = "rows" if groups is None else "rows (as many as the groups are worth)"
        raise NoInterval(f"{worth} test {what} are too few for an interval of a median")
    place = int(rank * len(errors) / worth)
    return float(errors[place - 1]), float(errors[len(errors) - place])


def _rank(rows: int, tail: float) -> int:
    """The largest k for which fewer than k of `rows` lie below the median in at most `tail` of cases; 0: there is
    none."""
    from scipy.special import bdtr

    if rows < 1:
        return 0
    # Binomial probability (with 1/2) that at most 0, 1, 2, ... rows lie below the median.
    return int(np.sum(bdtr(np.arange(rows // 2 + 1), rows, 0.5) <= tail))
