"""Metrics at class shares other than those of the rows, as where a rare class is more frequent in the data than in
reality.

Within a class the rows stay as they are; only the weight of each class is given (a stratified sample, Cochran 1977,
ch. 5). So the metric is computed with rows weighted to the given class shares. For means over rows, MOVER (Zou & Donner
2008) joins the classes' own intervals: each distance to an end is multiplied by the class's share, and the squares add
up, since rows of different classes are independent. With groups, which may hold several classes, the distances add up.
For two classes, metrics of the predicted class are functions of both recalls, whose exact intervals are joined in the
same way. `tests.bench.costs` measures the coverage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tasks.evaluation import agreement
from tasks.evaluation.intervals import Array, NoInterval, UndefinedMetric
from tasks.evaluation.statistics import Statistic

Prior = Sequence[float]
"""The share of each class; they add up to 1."""

Ends = Callable[[np.ndarray, Array, Prior, float, np.ndarray | None], tuple[float, float]]
"""Maps target, prediction, prior, confidence and the rows' groups to the ends of an interval."""

_OfRows = Callable[[np.ndarray, Array, float, np.ndarray | None], tuple[float, float]]


def weights(target: np.ndarray, prior: Prior) -> Array:
    """The weight of each row, `[rows]`, that gives the classes these shares; the mean weight is 1. The share of a class
    without rows is divided among the others."""
    target = np.asarray(target).astype(np.int64)
    counts = np.bincount(target, minlength=len(prior))
    share = np.where(counts > 0, prior, 0.0)
    return (share / share.sum() * len(target) / np.maximum(counts, 1))[target]


def reweighted(statistic: Statistic, target: np.ndarray, prior: Prior) -> Statistic:
    """A metric at these class shares: in every resample the rows are weighted so that the classes have them.

    Args:
        statistic: The metric as a function of weights `[resamples, rows]`.
        target: Class indices `[rows]`.
    """
    target = np.asarray(target).astype(np.int64)
    actual = np.eye(len(prior))[target]

    def values(drawn: Array) -> Array:
        of_class = drawn @ actual
        each = np.divide(np.asarray(prior), of_class, out=np.zeros(of_class.shape), where=of_class > 0)
        return statistic(drawn * each[:, target] * len(target))

    return values


def of_means(value: Callable[[np.ndarray, Array], Array], interval: _OfRows) -> Ends:
    """Returns the interval function of a mean over rows.

    Args:
        value: The value of each row, from target and prediction.
        interval: The interval of the mean, for rows of one class.
    """

    def ends(
        target: np.ndarray, prediction: Array, prior: Prior, confidence: float, groups: np.ndarray | None
    ) -> tuple[float, float]:
        target = np.asarray(target).astype(np.int64)
        agreement.all_occur(target, len(prior))
        mean, below, above = 0.0, np.zeros(len(prior)), np.zeros(len(prior))
        for k, share in enumerate(prior):
            own = target == k
            of_class = None if groups is None else np.asarray(groups)[own]
            center = float(value(target[own], prediction[own]).mean())
            low, high = _of_class(interval, target[own], prediction[own], confidence, of_class)
            mean, below[k], above[k] = mean + share * center, share * (center - low), share * (high - center)
        return mean - agreement.joined(below, groups), mean + agreement.joined(above, groups)

    return ends


def _of_class(
    interval: _OfRows, target: np.ndarray, prediction: Array, confidence: float, groups: np.ndarray | None
) -> tuple[float, float]:
    try:
        return interval(target, prediction, confidence, groups)
    except NoInterval as why:
        raise NoInterval(f"of one class, {why}") from None


def of_rates(function: Callable[[Array, Array, Array], Array], *, of_predicted: bool = False) -> Ends:
    """Returns the interval function of a metric of two classes that depends on their recalls.

    Args:
        function: Maps sensitivity, specificity and the positive class's share to the metric.
        of_predicted: Whether the metric is undefined where no row is predicted positive.
    """

    def ends(
        target: np.ndarray, prediction: Array, prior: Prior, confidence: float, groups: np.ndarray | None
    ) -> tuple[float, float]:
        if len(prior) != 2:
            raise NoInterval("with given class shares an interval is known for two classes only")
        agreement.all_occur(target, 2)
        predicted = prediction.argmax(axis=1)
        if of_predicted and not predicted.any():
            raise UndefinedMetric("no test row is predicted positive")
        recalls = agreement.recalls(target, predicted, confidence, groups)
        return agreement.ends_of(lambda s, t: function(s, t, np.array(prior[1])), recalls, groups)

    return ends


def precision(sensitivity: Array, specificity: Array, prevalence: Array) -> Array:
    """Precision from the rates; 0 where nothing is predicted positive."""
    hits = prevalence * sensitivity
    return _ratio(hits, hits + (1 - prevalence) * (1 - specificity))


def f1(sensitivity: Array, specificity: Array, prevalence: Array) -> Array:
    hits = prevalence * sensitivity
    return _ratio(2 * hits, hits + (1 - prevalence) * (1 - specificity) + prevalence)


def _ratio(top: Array, bottom: Array) -> Array:
    return np.divide(top, bottom, out=np.zeros(np.shape(top + bottom)), where=bottom > 0)


def unmoved(interval: _OfRows) -> Ends:
    """Returns the interval function of a metric of recalls, which does not depend on the class shares."""
    return lambda target, prediction, prior, confidence, groups: interval(target, prediction, confidence, groups)


def of_two(interval: _OfRows) -> Ends:
    """Returns the interval function of a metric that, for two classes, does not depend on their shares."""

    def ends(
        target: np.ndarray, prediction: Array, prior: Prior, confidence: float, groups: np.ndarray | None
    ) -> tuple[float, float]:
        if len(prior) != 2:
            raise NoInterval("with given class shares an interval is known for two classes only")
        return interval(target, prediction, confidence, groups)

    return ends


def unknown(
    target: np.ndarray, prediction: Array, prior: Prior, confidence: float, groups: np.ndarray | None
) -> tuple[float, float]:
    """The interval function of a metric for which no valid interval is known: always raises `NoInterval`."""
    raise NoInterval("with given class shares no interval is known")
