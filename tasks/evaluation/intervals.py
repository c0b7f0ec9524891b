"""Intervals: Student's t over seeds, the bootstrap of differences over test rows.

A handful of seeds is far too few for a bootstrap (over 3 / 5 / 10 seeds it covers 73% / 84% / 89% at a nominal 95%,
simulated), so means over seeds get Student's t. Over test rows each metric has an interval of its own
(`Metric.over_rows`), since a gate that passes is a claim about one end of it. For differences of two models on the same
rows no closed form fits all metrics: they get the percentile bootstrap, widened where losses are skewed
(`tasks.evaluation.differences`).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from tasks.records.estimate import Estimate

if TYPE_CHECKING:
    from tasks.evaluation.metrics import Metric
    from tasks.evaluation.statistics import Statistic

Array = NDArray[np.float64]

RESAMPLES = 1000
_CELLS = 1_000_000  # weights in memory at once: 8 MB, so that a chunk about fits in the cache

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Interval:
    """An estimate (NaN where undefined) and its interval (None and None where there is none; `reason` may say why)."""

    mean: float
    low: float | None
    high: float | None
    reason: str | None = None

    def within(self, lowest: float, highest: float) -> Interval:
        """Clips the interval to the possible range of the estimated quantity."""
        if self.low is None or self.high is None:
            return self
        return Interval(self.mean, max(self.low, lowest), min(self.high, highest))

    def estimate(self) -> Estimate:
        """The same for strict JSON: values that are not finite become None."""
        return Estimate(*map(finite, (self.mean, self.low, self.high)))


def finite(value: float | None) -> float | None:
    """The value as Python's number; None for NaN and infinities.

    >>> finite(float("inf")), finite(0.5)
    (None, 0.5)
    """
    return float(value) if value is not None and math.isfinite(value) else None


class NoInterval(Exception):
    """The rows do not suffice for a valid interval. The message is a clause that says why."""


class UndefinedMetric(NoInterval):
    """The metric itself is undefined: no row counts."""


def over_seeds(values: Array, confidence: float) -> Interval:
    """Student's t interval of the mean of `values` `[seeds]`; no interval for one seed, NaN for none.

    Has the nominal coverage where the values are normal across seeds, for any number of seeds.

    >>> interval = over_seeds(np.array([0.80, 0.82, 0.81]), 0.95)
    >>> round(interval.mean, 3), round(interval.low, 3), round(interval.high, 3)
    (0.81, 0.785, 0.835)
    """
    values = np.asarray(values, dtype=np.float64)
    if not len(values):
        return Interval(np.nan, None, None)
    mean = float(values.mean())
    if len(values) < 2:
        return Interval(mean, None, None)
    error = values.std(ddof=1) / np.sqrt(len(values))
    from scipy.special import stdtrit

    half = float(stdtrit(len(values) - 1, (1 + confidence) / 2) * error)
    return Interval(mean, mean - half, mean + half)


def over_folds(values: Array, ratio: float, confidence: float) -> Interval:
    """The corrected resampled t interval of the mean of scores `[folds]` on rows held out in turn.

    Folds share most of their training rows, so their scores are correlated. Nadeau and Bengio (2003, Machine Learning
    52:239-281, eq. 9) assume a correlation equal to the share of rows held out. The variance of the mean is then s^2
    (1 / folds + ratio), with folds - 1 degrees of freedom. Its coverage is in `tests/bench/folds.md`.

    Args:
        values: Scores of every fold of every repeat, at least two.
        ratio: Number of held-out rows divided by number of training rows: 1 / (k - 1) for k equal folds.

    >>> interval = over_folds(np.array([0.80, 0.82, 0.81, 0.79, 0.83]), 0.25, 0.95)
    >>> round(interval.mean, 3), round(interval.low, 3), round(interval.high, 3)
    (0.81, 0.781, 0.839)
    """
    from scipy.special import stdtrit

    mean, count = float(values.mean()), len(values)
    error = values.std(ddof=1) * math.sqrt(1 / count + ratio)
    half = float(stdtrit(count - 1, (1 + confidence) / 2) * error)
    return Interval(mean, mean - half, mean + half)


def over_folds_and_rows(values: Array, rows: Interval, ratio: float, confidence: float) -> Interval:
    """The mean over folds for a subset of rows that may be small in each fold, such as a slice. At each end the wider
    of `over_folds` and of the interval over the rows.

    Where a fold has only a few of these rows, all may be right in every fold, and equal scores would give an interval
    of no width. The interval over the rows alone ignores that trainings differ. The coverage is in
    `tests/bench/folds.md`.

    Args:
        values: Scores of every fold of every repeat; NaN where a fold has none of these rows, or the figure is
            undefined on them.
        rows: Interval of the same figure over the rows of the first repeat.
    """
    lacking = int((~np.isfinite(values)).sum())
    if lacking:
        mean = float(np.nanmean(values)) if lacking < len(values) else math.nan
        reason = f"{lacking} of {len(values)} folds have no rows that it could be measured on"
        return Interval(mean, None, None, reason)
    found = over_folds(values, ratio, confidence)
    if rows.low is None or rows.high is None or found.low is None or found.high is None:
        return Interval(found.mean, None, None, rows.reason)
    return Interval(found.mean, min(found.low, rows.low), max(found.high, rows.high))


def over_rows_and_seeds(seeds: Interval, rows: Interval) -> Interval:
    """The interval of the mean over seeds, for new rows and new seeds. It is comparable with a baseline's interval.

    Both sources of uncertainty are independent, so on each side the squares of their half-widths add up (Zou and Donner
    2008, doi:10.1002/sim.3095). For one seed only the rows count, since the spread of seeds is not known.

    Args:
        seeds: Interval over seeds, on these rows (`over_seeds`).
        rows: Interval over rows, of one of the models.
    """
    if rows.low is None or rows.high is None:
        return Interval(seeds.mean, None, None, rows.reason)
    half = 0.0 if seeds.high is None else seeds.high - seeds.mean
    return Interval(
        seeds.mean,
        seeds.mean - math.hypot(rows.mean - rows.low, half),
        seeds.mean + math.hypot(rows.high - rows.mean, half),
    )


def resample(
    statistics: Mapping[Key, Statistic],
    rows: int,
    *,
    groups: np.ndarray | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[Key, Array]:
    """Each statistic's values `[resamples]`, all in the same bootstrap resamples, so that differences are paired.

    Args:
        statistics: Functions of weights `[resamples, rows]` (see `Metric.resampled`), all over the same rows.
        rows: Number of rows.
        groups: The group of each row `[rows]`, any dtype, or None. Rows of one group are drawn together: they are not
            independent, and drawing them one by one would make the interval too narrow. With a single group all values
            are NaN, so there is no interval: one group says nothing about how groups differ.
        resamples: Number of resamples.
        seed: Seed of the draws; equal arguments give equal values.
    """
    if groups is not None and len(np.unique(groups)) == 1:
        return {key: np.full(resamples, np.nan) for key in statistics}
    chunks: dict[Key, list[Array]] = {key: [] for key in statistics}
    for weights in draws(rows, groups, resamples, np.random.default_rng(seed)):
        for key, statistic in statistics.items():
            chunks[key].append(statistic(weights))
    return {key: np.concatenate(values) for key, values in chunks.items()}


def draws(rows: int, groups: np.ndarray | None, resamples: int, rng: np.random.Generator) -> Iterator[Array]:
    """Yields how often each row was drawn, `[chunk, rows]`, in chunks that add up to `resamples`."""
    unit_of_row = None if groups is None else np.unique(groups, return_inverse=True)[1]
    units = rows if unit_of_row is None else int(unit_of_row.max()) + 1
    chunk = max(1, _CELLS // rows)
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        counts = np.empty((size, units))
        for i in range(size):
            counts[i] = np.bincount(rng.integers(units, size=units), minlength=units)
        yield counts if unit_of_row is None else counts[:, unit_of_row]


@lru_cache(maxsize=2)
def counts(units: int) -> Array:
    """How often each of some units is drawn, `[RESAMPLES, units]`; the same in every call."""
    return np.concatenate(list(draws(units, None, RESAMPLES, np.random.default_rng(0))))


def percentile(estimate: float, values: Array, confidence: float) -> Interval:
    """The percentile interval (Efron & Tibshirani 1993, ch. 13) of bootstrap `values` `[resamples]`.

    Coverage at a nominal 95%, simulated: accuracy 95% from 30 rows on; skewed metrics have less (RMSE of normal errors
    on 20 / 40 / 100 / 300 rows: 86% / 90% / 93% / 94%); with groups, count the groups instead of rows (means of
    10 / 20 / 40 groups: 90% / 92% / 94%). Resamples where the metric is undefined are left out; no interval where all
    are, or the estimate is.
    """
    values = values[~np.isnan(values)]
    if np.isnan(estimate) or not len(values):
        return Interval(estimate, None, None)
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return Interval(estimate, float(low), float(high))


def difference_interval(
    metric: Metric, estimates: tuple[float, float], drawn: tuple[Array, Array], confidence: float
) -> Interval:
    """How much better the first of two models is, from both estimates and from both models' values in the same
    resamples.

    Positive means better, also where a smaller metric is better.
    """
    estimate = _difference(metric, *(np.array([value]) for value in estimates))
    return percentile(float(estimate[0]), _difference(metric, *drawn), confidence)


def _difference(metric: Metric, one: Array, other: Array) -> Array:
    difference = metric.sign * (one - other)
    # Equal shares may differ by rounding error: set such differences to 0, so that an interval that ends at 0 does not
    # exclude 0.
    return np.where(np.abs(difference) <= 1e-12 * np.abs(one), 0.0, difference)
