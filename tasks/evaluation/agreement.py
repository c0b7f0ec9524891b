"""Intervals of metrics of all classes together: balanced accuracy and Matthews' correlation.

Both are functions of independent shares: of the classes' recalls, and for Matthews' correlation of the classes' shares
too. MOVER (Zou & Donner 2008; for functions that are not sums, Newcombe 2016) joins the exact intervals of these
shares: each share moves alone through its interval, and the distance from the estimate to an end is the root of the sum
of the squares of the distances reached. Rows of one group may be wrong in both classes together, so with groups the
distances are summed instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tasks.evaluation.clusters import design_effect, fewest, quantile
from tasks.evaluation.intervals import Array, NoInterval, UndefinedMetric
from tasks.evaluation.shares import MACRO_FACTOR, share_interval

FEWEST_OF_CLASS = 10
"""Fewest rows of each class (or groups that hold one) for an interval of R_K, Matthews' correlation of three or more
classes."""

_STEPS = 201


def balanced_accuracy(
    target: np.ndarray, prediction: Array, confidence: float, groups: np.ndarray | None
) -> tuple[float, float]:
    """The interval of the mean of the classes' recalls.

    Raises:
        UndefinedMetric: there are no rows.
        NoInterval: a class has no row.
    """
    right, classes = prediction.argmax(axis=1) == target, prediction.shape[1]
    all_occur(target, classes)
    ends = np.array([_recall(right, target == k, confidence, groups) for k in range(classes)])
    share, low, high = ends.T
    factor = MACRO_FACTOR if classes > 2 else 1.0
    mean = float(share.mean())
    below, above = (joined(share - low, groups), joined(high - share, groups))
    return max(mean - factor * below / classes, 0.0), min(mean + factor * above / classes, 1.0)


def mcc(target: np.ndarray, prediction: Array, confidence: float, groups: np.ndarray | None) -> tuple[float, float]:
    """The interval of Matthews' correlation.

    Raises:
        NoInterval: a class has no row, or one of three or more classes has fewer than `FEWEST_OF_CLASS`.
    """
    classes, predicted = prediction.shape[1], prediction.argmax(axis=1)
    all_occur(target, classes)
    if classes == 2:
        return _of_two(target, predicted, confidence, groups)
    return _of_many(target, predicted, classes, confidence, groups)


def all_occur(target: np.ndarray, classes: int) -> None:
    """Raises UndefinedMetric where there are no rows, and NoInterval where a class has none."""
    missing = classes - len(np.unique(target))
    if not len(target):
        raise UndefinedMetric("there is no test row")
    if missing:
        raise NoInterval(f"no test row is of {missing} of the {classes} classes")


def _recall(
    right: np.ndarray, actual: np.ndarray, confidence: float, groups: np.ndarray | None
) -> tuple[float, float, float]:
    of_class = None if groups is None else np.asarray(groups)[actual]
    return float(right[actual].mean()), *share_interval(right[actual], confidence, of_class)


def joined(distances: Array, groups: np.ndarray | None) -> float:
    """The distance from a sum to the end of its interval, from the distances of its independent terms."""
    return float(np.sqrt(distances @ distances)) if groups is None else float(distances.sum())


def correlation(sensitivity: Array, specificity: Array, prevalence: Array) -> Array:
    """Matthews' correlation of two classes from the recalls of both and the share of the positive one; 0 where only one
    class is actual or predicted."""
    alarms = prevalence * sensitivity + (1 - prevalence) * (1 - specificity)
    bottom = np.sqrt(np.maximum(alarms * (1 - alarms), 0.0))
    top = (sensitivity + specificity - 1) * np.sqrt(prevalence * (1 - prevalence))
    return np.divide(top, bottom, out=np.zeros(np.shape(top + bottom)), where=bottom > 1e-12)


def _of_two(
    target: np.ndarray, predicted: np.ndarray, confidence: float, groups: np.ndarray | None
) -> tuple[float, float]:
    positive = target == 1
    shares = recalls(target, predicted, confidence, groups)
    shares.append((float(positive.mean()), *share_interval(positive, confidence, groups)))
    low, high = ends_of(correlation, shares, groups)
    return max(low, -1.0), min(high, 1.0)


def recalls(
    target: np.ndarray, predicted: np.ndarray, confidence: float, groups: np.ndarray | None
) -> list[tuple[float, float, float]]:
    """The sensitivity and the specificity of two classes, each with the ends of its interval."""
    positive, right = target == 1, predicted == target
    return [_recall(right, positive, confidence, groups), _recall(right, ~positive, confidence, groups)]


def ends_of(
    function: Callable[..., Array], shares: Sequence[tuple[float, float, float]], groups: np.ndarray | None
) -> tuple[float, float]:
    """The interval of a function of independent shares.

    Args:
        shares: Each with the ends of its interval.
    """
    found = np.array([share for share, _, _ in shares])
    value = float(function(*found))
    below, above = [], []
    for place, (_, low, high) in enumerate(shares):
        # Scan the whole interval of the share, since the function need not be largest at an end.
        moved = np.repeat(found[:, None], _STEPS, axis=1)
        moved[place] = np.linspace(low, high, _STEPS)
        reached = function(*moved)
        below.append(max(value - float(reached.min()), 0.0))
        above.append(max(float(reached.max()) - value, 0.0))
    return value - joined(np.array(below), groups), value + joined(np.array(above), groups)


def _of_many(
    target: np.ndarray, predicted: np.ndarray, classes: int, confidence: float, groups: np.ndarray | None
) -> tuple[float, float]:
    """The interval of R_K (Gorodkin 2004): at each end the wider of two intervals. One linearises R_K in the rows'
    weights, on the scale of Fisher's z; the other uses the exact interval of the share of right rows and treats the
    classes' shares as fixed."""
    rarest = min(fewest(target == k, groups) for k in range(classes))
    if rarest < FEWEST_OF_CLASS:
        what = "rows" if groups is None else "groups with rows"
        raise NoInterval(f"the rarest class has {rarest} test {what}, and {FEWEST_OF_CLASS} are needed")
    right = predicted == target
    actual, alarms = (np.bincount(each, minlength=classes) / len(target) for each in (target, predicted))
    expected, of_actual, of_alarms = float(actual @ alarms), 1 - float(actual @ actual), 1 - float(alarms @ alarms)
    if of_alarms <= 0:
        raise NoInterval("all test rows are predicted to be of one class")
    scale = np.sqrt(of_actual * of_alarms)
    value = (float(right.mean()) - expected) / scale
    influence = (right - right.mean() - alarms[target] - actual[predicted] + 2 * expected) / scale
    change = (actual[target] + actual @ actual * -1) / of_actual + (alarms[predicted] - alarms @ alarms) / of_alarms
    influence = influence + value * change
    spread = float(influence @ influence) * design_effect(influence, groups)
    low, high = share_interval(right, confidence, groups)
    ends = value + np.array([low - right.mean(), high - right.mean()]) / scale
    if abs(value) < 1:
        z = quantile(confidence, len(target), groups)
        error = np.sqrt(spread) / len(target) / (1 - value**2)
        linear = np.tanh(np.arctanh(value) + np.array([-z, z]) * error)
        ends = np.array([min(ends[0], linear[0]), max(ends[1], linear[1])])
    return max(float(ends[0]), -1.0), min(float(ends[1]), 1.0)
