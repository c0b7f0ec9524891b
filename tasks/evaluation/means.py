"""Intervals of means of one value per row, and of ratios of such means: RMSE, MAE, MAPE, log loss, Brier score, R2.

They use the bootstrap-t (Efron & Tibshirani 1993, ch. 12.5) of the mean's logarithm: the mean error of few rows is
skewed, and its logarithm less so. Where the values have a heavy tail, the interval is still too short, since the rows
lack the rare large values. So both ends are moved out by a factor found by simulation (`tests.bench.coverage`); where
that does not help, there is no interval.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tasks.evaluation.clusters import fewest, sums
from tasks.evaluation.intervals import Array, NoInterval, UndefinedMetric, counts

MOST_UNITS = 2000
"""More rows than this are summed into this many blocks, assigned in turn: the variance of the total stays the same, and
the resamples fit in memory."""

FEWEST = 30
"""Fewest rows (or groups) for an interval: with fewer its coverage was not measured, and with two the bootstrap has no
width."""

FEWEST_SQUARED = 60
"""The same for a mean square: among fewer rows the rare large errors are missing too often."""

LARGEST_RATIO = 1e6
"""Largest ratio of an interval's upper end to the estimate. A larger upper end carries no information."""

FEWEST_OF_CLASS = 5
"""Fewest rows (or groups) of the rarest class for an interval of log loss or Brier score. That class has the largest
losses."""


def cross_entropies(target: np.ndarray, prediction: Array) -> Array:
    """The cross-entropy of each row, in nats; probabilities are clipped to `[eps, 1 - eps]` of float64, as in
    scikit-learn."""
    eps = np.finfo(np.float64).eps
    return -np.log(np.clip(prediction[np.arange(len(target)), target], eps, 1 - eps))


def brier_scores(target: np.ndarray, prediction: Array) -> Array:
    """The Brier score of each row (Brier 1950). With two classes it is the squared error of the positive class's
    probability, in [0, 1]; with more the sum of the squared errors over the classes, in [0, 2]. As in scikit-learn."""
    squares = (prediction - np.eye(prediction.shape[1])[target]) ** 2
    return squares[:, 1] if prediction.shape[1] == 2 else squares.sum(axis=1)


def rights(target: np.ndarray, prediction: Array) -> Array:
    """1 for each row whose class is predicted as the likeliest, else 0."""
    return (prediction.argmax(axis=1) == target).astype(np.float64)


def percentages(target: Array, prediction: Array) -> Array:
    """The absolute error of each row as a share of the target; NaN where the target is 0."""
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
    """Returns the function that gives the interval of a mean of losses, for rows of one class."""

    def interval(
        target: np.ndarray, prediction: Array, confidence: float, groups: np.ndarray | None
    ) -> tuple[float, float]:
        return ratio_interval(losses(target, prediction), np.ones(len(target)), confidence, groups)

    return interval


def mape(target: Array, prediction: Array, confidence: float, groups: np.ndarray | None) -> tuple[float, float]:
    """The interval of the mean absolute error as a share of the target.

    Raises:
        UndefinedMetric: a target is 0, so that the share is undefined.
    """
    shares = percentages(target, prediction)
    if zeros := int(np.isnan(shares).sum()):
        rows = "1 test row has" if zeros == 1 else f"{zeros:,} test rows have"
        raise UndefinedMetric(f"{rows} a target of 0, where a percentage error is undefined")
    return ratio_interval(shares, np.ones(len(shares)), confidence, groups)


def mae(target: Array, prediction: Array, confidence: float, groups: np.ndarray | None) -> tuple[float, float]:
    """The interval of the mean absolute error, in the target's unit."""
    return ratio_interval(np.abs(target - prediction), np.ones(len(target)), confidence, groups)


def rmse(target: Array, prediction: Array, confidence: float, groups: np.ndarray | None) -> tuple[float, float]:
    """The interval of the root mean square error, in the target's unit: the roots of the mean square's ends."""
    low, high = ratio_interval((target - prediction) ** 2, np.ones(len(target)), confidence, groups, FEWEST_SQUARED)
    return low**0.5, high**0.5


def r2(target: Array, prediction: Array, confidence: float, groups: np.ndarray | None) -> tuple[float, float]:
    """The interval of 1 - residual / total sum of squares, from the interval of that ratio; it needs as many rows as
    RMSE's."""
    total = (target - target.mean()) ** 2
    low, high = ratio_interval((target - prediction) ** 2, total, confidence, groups, FEWEST_SQUARED)
    return 1 - high, 1 - low


def ratio_interval(
    numerator: Array, denominator: Array, confidence: float, groups: np.ndarray | None = None, least: int = FEWEST
) -> tuple[float, float]:
    """The interval of `numerator.sum() / denominator.sum()`; rows or groups are resampled.

    A mean is the ratio to a denominator of ones. In each resample the ratio's standard error comes from its
    linearisation (Cochran 1977, eq. 2.39), which covers groups of unequal size, too.

    Args:
        numerator: `[rows]`, 0 or more.
        denominator: `[rows]`, 0 or more.
        confidence: In (0, 1).
        groups: The group of each row `[rows]`, or None.
        least: Fewest rows or groups.

    Raises:
        NoInterval: there are fewer than `least`, the values do not vary, or the upper end is beyond `LARGEST_RATIO`.
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
    """The factor by which the interval is widened, 1 or more: for few rows, and for a heavy tail of the values.

    Args:
        units: Number of rows, or of groups.
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
    top, bottom = (units / units.mean(axis=0)).T  # divided by their means, so that the estimated ratio is 1
    drawn = counts(count) @ np.column_stack([top, bottom, top**2, top * bottom, bottom**2])
    a, b, aa, ab, bb = drawn.T / count
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = a / b
        error = np.sqrt(np.maximum(aa - 2 * ratio * ab + ratio**2 * bb, 0.0) / count) / a
        values = np.log(ratio) / error
    # Leave out resamples of equal values, which have no standard error.
    return values[np.isfinite(values)]
