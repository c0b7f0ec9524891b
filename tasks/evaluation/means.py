"""Intervals of means of one value a row, and of ratios of such means: RMSE, MAE, MAPE, log loss, Brier score, R2.

The bootstrap-t (Efron & Tibshirani 1993, ch. 12.5) of the mean's logarithm: the mean error of few rows is skewed, and
its logarithm less so. Where the values themselves have a heavy tail it is still too short, by what the rows can't tell.
So both ends are moved out by a factor found by simulation (`tests.bench.coverage`); where that does not help, there is
no interval.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from tasks.evaluation.clusters import fewest, sums
from tasks.evaluation.intervals import RESAMPLES, Array, NoInterval, UndefinedMetric, draws

MOST_UNITS = 2000
"""More rows are joined into so many blocks, by turns: their sum varies as that of the rows, and the resamples fit in
memory."""

FEWEST = 30
"""Rows (or groups) that an interval needs: with fewer it was not measured, and with two the bootstrap has no width."""

FEWEST_SQUARED = 60
"""Likewise of a mean square: among fewer rows the rare large error is too often missing."""

LARGEST_RATIO = 1e6
"""Of an interval's upper end to the estimate. An end beyond says nothing."""

FEWEST_OF_CLASS = 5
"""Rows (or groups) of the rarest class that an interval of log loss needs. That class has the largest losses."""


def cross_entropies(target: np.ndarray, prediction: Array) -> Array:
    """Of each row, in nats; probabilities clipped to `[eps, 1 - eps]` of float64, as in scikit-learn."""
    eps = np.finfo(np.float64).eps
    return -np.log(np.clip(prediction[np.arange(len(target)), target], eps, 1 - eps))


def brier_scores(target: np.ndarray, prediction: Array) -> Array:
    """Of each row: with two classes the square of what the positive one's probability is off, in [0, 1]; with more the
    sum of such squares over the classes, in [0, 2] (Brier 1950). As in scikit-learn."""
    squares = (prediction - np.eye(prediction.shape[1])[target]) ** 2
    return squares[:, 1] if prediction.shape[1] == 2 else squares.sum(axis=1)


def rights(target: np.ndarray, prediction: Array) -> Array:
    """Of each row 1 where its class is the likeliest, else 0."""
    return (prediction.argmax(axis=1) == target).astype(np.float64)


def percentages(target: Array, prediction: Array) -> Array:
    """Of each row the absolute error as a share of the target; NaN where that is 0."""
    size = np.abs(target)
    return np.divide(np.abs(target - prediction), size, out=np.full(len(size), np.nan), where=size > 0)


def log_loss(
    target: np.ndarray, prediction: Array, confidence: float, groups: np.ndarray | None
) -> tuple[float, float]:
    """The interval of the mean cross-entropy, in nats."""
    return _of_probabilities(cross_entropies(target, prediction), target, prediction, confidence, groups)


def brier_score(
    target: np.ndarray, prediction: Array, confidence: float, groups: np.ndarray | None
) -> tuple[float, float]:
    """The interval of the Brier score."""
    return _of_probabilities(brier_scores(target, prediction), target, prediction, confidence, groups)


def _of_probabilities(
    losses: Array, target: np.ndarray, prediction: Array, confidence: float, groups: np.ndarray | None
) -> tuple[float, float]:
    rarest = min(fewest(target == k, groups) for k in range(prediction.shape[1]))
    if rarest < FEWEST_OF_CLASS:
        what = "rows" if groups is None else "groups with rows"
        raise NoInterval(f"the rarest class has {rarest} test {what}, and {FEWEST_OF_CLASS} are needed")
    return ratio_interval(losses, np.ones(len(losses)), confidence, groups)


def of_losses(
    losses: Callable[[np.ndarray, Array], Array],
) -> Callable[[np.ndarray, Array, float, np.ndarray | None], tuple[float, float]]:
    """The interval of a mean of losses among rows of one class."""

    def interval(
        target: np.ndarray, prediction: Array, confidence: float, groups: np.ndarray | None
    ) -> tuple[float, float]:
        return ratio_interval(losses(target, prediction), np.ones(len(target)), confidence, groups)

    return interval


def mape(target: Array, prediction: Array, confidence: float, groups: np.ndarray | None) -> tuple[float, float]:
    """The interval of the mean absolute error as a share of the target.

    Raises:
        UndefinedMetric: a target is 0, of which no error is a share.
    """
    shares = percentages(target, prediction)
    if zeros := int(np.isnan(shares).sum()):
        rows = "1 test row has" if zeros == 1 else f"{zeros:,} test rows have"
        raise UndefinedMetric(f"{rows} a target of 0, of which no error is a share")
    return ratio_interval(shares, np.ones(len(shares)), confidence, groups)


def mae(target: Array, prediction: Array, confidence: float, groups: np.ndarray | None) -> tuple[float, float]:
    """The interval of the mean absolute error, in the target's unit."""
    return ratio_interval(np.abs(target - prediction), np.ones(len(target)), confidence, groups)


def rmse(target: Array, prediction: Array, confidence: float, groups: np.ndarray | None) -> tuple[float, float]:
    """The interval of the root mean square error, in the target's unit: the root of the mean square's."""
    low, high = ratio_interval((target - prediction) ** 2, np.ones(len(target)), confidence, groups, FEWEST_SQUARED)
    return low**0.5, high**0.5


def r2(target: Array, prediction: Array, confidence: float, groups: np.ndarray | None) -> tuple[float, float]:
    """The interval of 1 - residual / total sum of squares, from that of the ratio: what holds for RMSE holds for it."""
    total = (target - target.mean()) ** 2
    low, high = ratio_interval((target - prediction) ** 2, total, confidence, groups, FEWEST_SQUARED)
    return 1 - high, 1 - low


def ratio_interval(
    numerator: Array, denominator: Array, confidence: float, groups: np.ndarray | None = None, least: int = FEWEST
) -> tuple[float, float]:
    """The interval of `numerator.sum() / denominator.sum()`; rows or groups are resampled.

    A mean is the ratio to a denominator of ones. In each resample the ratio's standard error is that of its
    linearisation (Cochran 1977, eq. 2.39), so that groups of unequal size are no special case.

    Args:
        numerator: `[rows]`, 0 or more.
        denominator: `[rows]`, 0 or more.
        confidence: In (0, 1).
        groups: The group of each row `[rows]`, or None.
        least: Rows or groups that it takes.

    Raises:
        NoInterval: there are fewer, the numerators do not vary, or the upper end says nothing.
    """
    units = sums(np.column_stack([numerator, denominator]), groups)
    count = len(units)
    if count < least:
        raise NoInterval(f"there are {count} test {'rows' if groups is None else 'groups'}, and {least} are needed")
    top, bottom = units.sum(axis=0)
    deviation = units[:, 0] / top - units[:, 1] / bottom if top > 0 and bottom > 0 else np.zeros(count)
    spread = count * float(deviation @ deviation)
    if spread <= 1e-20:
        raise NoInterval("all test rows have the same error")
    tail = (1 - confidence) / 2
    below, above = np.quantile(_studentised(_blocks(units)), [1 - tail, tail])
    error = widening(count, spread) * float(np.sqrt(spread / count))
    if -above * error > np.log(LARGEST_RATIO):
        raise NoInterval(f"a few of the {count} errors outweigh all others")
    return float(top / bottom * np.exp(-below * error)), float(top / bottom * np.exp(-above * error))


def widening(units: int, spread: float) -> float:
    """By how much the interval is widened, 1 or more: with few rows, and where the values' tail is heavy.

    Args:
        units: Rows, or groups.
        spread: The values' squared coefficient of variation: 0.57 for absolute and 2 for squared normal errors.
    """
    heavy = float(np.clip(spread - min(2.2, units / 33), 0, 1))
    return (1 + 25 / units) * (1 + heavy * (0.7 + 8 * (30 / units) ** 3))


def _blocks(units: Array) -> Array:
    """At most `MOST_UNITS` sums of `units` `[n, 2]`."""
    if len(units) <= MOST_UNITS:
        return units
    of_unit = np.arange(len(units)) % MOST_UNITS
    return np.stack([np.bincount(of_unit, column) for column in units.T], axis=1)


def _studentised(units: Array) -> Array:
    """Bootstrap values of (log ratio - its estimate) / its standard error, `[resamples]`, of sums `units` `[n, 2]`."""
    count = len(units)
    top, bottom = (units / units.mean(axis=0)).T  # in units of their means: the estimated ratio is 1
    drawn = _weights(count) @ np.column_stack([top, bottom, top**2, top * bottom, bottom**2])
    a, b, aa, ab, bb = drawn.T / count
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = a / b
        error = np.sqrt(np.maximum(aa - 2 * ratio * ab + ratio**2 * bb, 0.0) / count) / a
        values = np.log(ratio) / error
    # A resample of equal values has no standard error; it says nothing.
    return values[np.isfinite(values)]


@lru_cache(maxsize=2)
def _weights(units: int) -> Array:
    """How often each unit was drawn, `[resamples, units]`; the same at each call."""
    return np.concatenate(list(draws(units, None, RESAMPLES, np.random.default_rng(0))))
