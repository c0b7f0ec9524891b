"""Intervals of shares of test rows: exact for accuracy, and for precision, recall and F1 of two classes.

Clopper & Pearson (1934): with k hits in n rows the ends are the shares at which k or more hits, or k or fewer, would
occur in (1 - confidence) / 2 of cases. So a gate on an end is passed wrongly in at most that share of cases, for every
n and every true share.

Precision, recall and F1 are shares of a random number of rows. Given that number the hits are binomial, so the interval
holds for each number, and thus in general.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tasks.evaluation.clusters import design_effect, fewest
from tasks.evaluation.intervals import Array, Interval, NoInterval, UndefinedMetric

Rows = tuple[np.ndarray, np.ndarray]
"""Which rows are hits, and which rows are counted: both `[rows]`, bool."""

MACRO_FACTOR = 1.1
"""Factor that widens macro intervals: the classes' half-widths are not standard deviations (`tests.bench.coverage`)."""


def scored(classes: int) -> range:
    """The classes that a per-class metric is computed for: the last of two (the positive one), else all, with equal
    weight."""
    return range(1, 2) if classes == 2 else range(classes)


def clopper_pearson(hits: float, rows: float, confidence: float) -> tuple[float, float]:
    """The exact interval of a share of `hits` in `rows`; both may be fractions, as effective sizes are.

    >>> low, high = clopper_pearson(1, 4, 0.95)
    >>> round(low, 3), round(high, 3)
    (0.006, 0.806)
    """
    low, high = clopper_pearson_ends(np.array([hits]), np.array([rows]), confidence)
    return float(low[0]), float(high[0])


def clopper_pearson_ends(hits: np.ndarray, rows: np.ndarray, confidence: float) -> tuple[Array, Array]:
    """Like `clopper_pearson`, for many shares at once `[shares]`; with no rows it is 0 to 1."""
    from scipy.special import betaincinv

    tail, misses = (1 - confidence) / 2, rows - hits
    low = np.where(hits > 0, betaincinv(np.maximum(hits, 1e-300), misses + 1, tail), 0.0)
    high = np.where(misses > 0, betaincinv(hits + 1, np.maximum(misses, 1e-300), 1 - tail), 1.0)
    return low, high


def effective_rows(hit: np.ndarray, groups: np.ndarray | None) -> float:
    """The effective number of independent rows of `hit` `[rows]` (bool).

    n / design effect (Korn & Graubard 1998) uses a variance that few groups estimate badly. So where it exceeds the
    number of groups, the result is the geometric mean of it once and the number of groups twice.

    Raises:
        NoInterval: there is one group.
    """
    if groups is None:
        return float(len(hit))
    equal = len(hit) / design_effect(hit - hit.mean(), groups)
    return float(np.cbrt(equal * min(equal, fewest(np.ones(len(hit), bool), groups)) ** 2))


def share_interval(hit: np.ndarray, confidence: float, groups: np.ndarray | None = None) -> tuple[float, float]:
    """The interval of the share of rows that are hits.

    Args:
        hit: `[rows]`, bool; at least one row.
        confidence: In (0, 1).
        groups: The group of each row `[rows]`, or None.

    Raises:
        NoInterval: there is one group.
    """
    worth = effective_rows(hit, groups)
    return clopper_pearson(float(hit.mean()) * worth, worth, confidence)


def _share(rows: Rows, confidence: float, groups: np.ndarray | None) -> tuple[float, float, float]:
    """The share, and the ends of its interval."""
    hit, counted = rows
    of_counted = None if groups is None else np.asarray(groups)[counted]
    return float(hit[counted].mean()), *share_interval(hit[counted], confidence, of_counted)


def accuracy(
    target: np.ndarray, prediction: Array, confidence: float, groups: np.ndarray | None
) -> tuple[float, float]:
    """The interval of the share of rows whose class is predicted."""
    return share_interval(prediction.argmax(axis=1) == target, confidence, groups)


def _predicted(actual: np.ndarray, predicted: np.ndarray) -> Rows:
    return actual & predicted, predicted


def _actual(actual: np.ndarray, predicted: np.ndarray) -> Rows:
    return actual & predicted, actual


def _either(actual: np.ndarray, predicted: np.ndarray) -> Rows:
    return actual & predicted, actual | predicted


def _f1(jaccard: float) -> float:
    """F1 = 2J / (1 + J), which rises with J = TP / (TP + FP + FN), so an interval of J gives one of F1."""
    return 2 * jaccard / (1 + jaccard)


def _of_classes(
    rows_of: Callable[[np.ndarray, np.ndarray], Rows],
    missing: str,
    factor: float,
    transform: Callable[[float], float] = float,
) -> Callable[[np.ndarray, Array, float, np.ndarray | None], tuple[float, float]]:
    """Returns the interval function of a share of the positive class; for three classes or more, of the mean over
    classes, by MOVER.

    MOVER (Zou & Donner 2008): the distance from a sum to its end is the root of the sum of the squares of its terms'
    distances. That assumes independent shares of the classes; `factor` corrects for it. With groups the classes may
    move together, so the ends are the means of the classes' ends.

    Args:
        rows_of: Maps the rows of the class and those predicted to be of it, bool `[rows]`, to the share's rows.
        missing: Words for a row that would count, in the message where none does; `{}` is replaced by the class.
        factor: Factor of the distances.
        transform: Maps the share to the metric.
    """

    def interval(
        target: np.ndarray, prediction: Array, confidence: float, groups: np.ndarray | None
    ) -> tuple[float, float]:
        classes, predicted = prediction.shape[1], prediction.argmax(axis=1)
        of_class = [rows_of(target == k, predicted == k) for k in scored(classes)]
        empty = sum(not counted.any() for _, counted in of_class)
        if empty and classes == 2:
            raise UndefinedMetric(f"no test row is {missing.format('positive')}")
        if empty:
            raise NoInterval(f"no test row is {missing.format(f'of {empty} of the {classes} classes')}")
        ends = [[transform(value) for value in _share(rows, confidence, groups)] for rows in of_class]
        if classes == 2:
            return ends[0][1], ends[0][2]
        share, low, high = np.array(ends).T
        if groups is not None:
            return float(low.mean()), float(high.mean())
        below, above = (factor * float(np.sqrt(np.sum((share - end) ** 2))) / classes for end in (low, high))
        return max(float(share.mean()) - below, 0.0), min(float(share.mean()) + above, 1.0)

    return interval


precision = _of_classes(_predicted, "predicted {}", MACRO_FACTOR)
"""The share of true positives among the rows predicted positive. Undefined where there are none."""

recall = _of_classes(_actual, "{}", MACRO_FACTOR)
"""The share of true positives among the positive rows."""

f1 = _of_classes(_either, "{}, actually or as predicted", float(np.sqrt(2)), _f1)
"""From the share of true positives among the rows that are positive or predicted so. In a macro mean every wrong row
counts for two classes, so the variance is doubled."""


def of_one_class(
    actual: np.ndarray, predicted: np.ndarray, confidence: float, groups: np.ndarray | None
) -> dict[str, Interval]:
    """Precision, recall and F1 of one class among others, each with its own exact interval (not joint over classes).

    Args:
        actual: Rows of the class `[rows]`, bool.
        predicted: Rows predicted to be of it `[rows]`, bool.
        confidence: In (0, 1).
        groups: The group of each row `[rows]`, or None.

    Returns:
        Name of the metric to its interval. NaN without an interval where no row counts; no interval where the rows are
        all of one group.
    """
    return {
        "precision": _interval(_predicted(actual, predicted), confidence, groups, float),
        "recall": _interval(_actual(actual, predicted), confidence, groups, float),
        "f1": _interval(_either(actual, predicted), confidence, groups, _f1),
    }


def _interval(
    rows: Rows, confidence: float, groups: np.ndarray | None, transform: Callable[[float], float]
) -> Interval:
    hit, counted = rows
    if not counted.any():
        return Interval(np.nan, None, None)
    try:
        mean, low, high = (transform(value) for value in _share(rows, confidence, groups))
        return Interval(mean, low, high)
    except NoInterval as found:
        return Interval(transform(float(hit[counted].mean())), None, None, str(found))
