"""The interval of how much better one of two models is on the same rows, for metrics of probabilities and of values.

Such metrics are made of losses, and losses are skewed: among few rows the rare large ones are missing, and then the
percentile bootstrap is too sure. A studentised bootstrap (bootstrap-t, Efron & Tibshirani 1993, ch. 12.5) knows the
skew. It needs the influence of each row on the difference, which the jackknife gives for any metric (ch. 11): each row
is left out in turn. Its ends are moved out by a factor found by simulation (`tests.bench.paired`), and each end of the
result is the wider one of both bootstraps. Where too few rows carry the answer there is no interval.
"""

from __future__ import annotations

import numpy as np

from tasks.evaluation.clusters import fewest
from tasks.evaluation.intervals import Array, Interval, NoInterval, counts
from tasks.evaluation.means import FEWEST, FEWEST_OF_CLASS
from tasks.evaluation.statistics import Statistic

MOST_UNITS = 500
"""More rows (or groups) than this are left out in so many blocks, assigned in turn."""
_CELLS = 1_000_000  # weights in memory at once: 8 MB
_EQUAL = 1e-12
"""Share of the influences' variance below which a resample counts as one of equal influences."""


def widening(target: np.ndarray, groups: np.ndarray | None, classes: int) -> float:
    """The factor by which the studentised interval is widened, from the number of rows (or groups) that carry it.

    Args:
        target: `[rows]`, class index or value.
        groups: The group of each row `[rows]`, or None.
        classes: How many classes there are; 0 for regression. The rows of the rarest class carry the answer.

    Raises:
        NoInterval: they are too few.
    """
    what = "rows" if groups is None else "groups"
    if classes:
        rarest = min(fewest(target == each, groups) for each in range(classes))
        if rarest < FEWEST_OF_CLASS:
            raise NoInterval(f"the rarest class has {rarest} {what}, and {FEWEST_OF_CLASS} are needed to compare")
        return 1 + 6 / rarest
    count = fewest(np.ones(len(target), bool), groups)
    if count < FEWEST:
        raise NoInterval(f"there are {count} {what}, and {FEWEST} are needed to compare")
    return 1 + 25 / count


def left_out(statistic: Statistic, rows: int, groups: np.ndarray | None) -> Array:
    """A statistic's values without each row, or group, in turn: `[units]`, at most `MOST_UNITS`.

    Args:
        statistic: A function of weights `[resamples, rows]` (see `Metric.resampled`).
    """
    units = np.arange(rows) if groups is None else np.unique(groups, return_inverse=True)[1]
    blocks = units % MOST_UNITS
    count, chunk = int(blocks.max()) + 1, max(1, _CELLS // rows)
    parts = [np.arange(start, min(start + chunk, count)) for start in range(0, count, chunk)]
    return np.concatenate([statistic((blocks != part[:, None]).astype(np.float64)) for part in parts])


def widened(found: Interval, without: Array, factor: float, confidence: float) -> Interval:
    """The wider one, at each end, of the percentile interval of a difference and of the studentised one.

    Args:
        found: The difference with its percentile interval.
        without: The difference without each row (or group) in turn, `[units]`.
        factor: See `widening`.
    """
    count = len(without)
    influence = (count - 1) * (without.mean() - without)
    variance = float(influence @ influence) / count
    if np.isnan(variance):
        return Interval(found.mean, None, None, "it is undefined without one of the rows")
    if found.low is None or found.high is None or not variance:
        return found
    drawn = counts(count) @ np.column_stack([influence, influence**2]) / count
    spread = drawn[:, 1] - drawn[:, 0] ** 2
    told = spread > _EQUAL * variance
    values = drawn[told, 0] / np.sqrt(spread[told] / count)
    tail, error = (1 - confidence) / 2, factor * np.sqrt(variance / (count - 1))
    below, above = np.quantile(values, [1 - tail, tail])
    low, high = found.mean - float(below * error), found.mean - float(above * error)
    return Interval(found.mean, min(found.low, low), max(found.high, high), found.reason)
