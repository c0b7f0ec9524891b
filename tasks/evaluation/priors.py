"""Figures at other class shares than those of the rows, as where the data hold a rare class more often than reality.

Within a class the rows are as they are; only how much each class counts is given (a stratified sample, Cochran 1977,
ch. 5). So a figure is the metric of rows of which each class's weigh its share. Of means over rows, the interval joins
the classes' own by MOVER (Zou & Donner 2008): each one's distance to an end counts by its share, and their squares add
up, since rows of different classes are independent; with groups, which may hold several classes, the distances add up.
Metrics of the predicted class of two are functions of both recalls, whose exact intervals are joined likewise.
What holds is measured by `tests.bench.costs`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tasks.evaluation import agreement
from tasks.evaluation.intervals import Array, NoInterval, UndefinedMetric
from tasks.evaluation.statistics import Statistic

Prior = Sequence[float]
"""The share of each class, which add up to 1."""

Ends = Callable[[np.ndarray, Array, Prior, float, np.ndarray | None], tuple[float, float]]
"""From target, prediction, prior, confidence and the rows' groups to the ends of an interval."""

_OfRows = Callable[[np.ndarray, Array, float, np.ndarray | None], tuple[float, float]]


def weights(target: np.ndarray, prior: Prior) -> Array:
    """What each row counts, `[rows]`, so that classes have these shares; its mean is 1. A class without rows leaves its
    share to the others."""
    target = np.asarray(target).astype(np.int64)
    counts = np.bincount(target, minlength=len(prior))
    share = np.where(counts > 0, prior, 0.0)
    return (share / share.sum() * len(target) / np.maximum(counts, 1))[target]


def reweighted(statistic: Statistic, target: np.ndarray, prior: Prior) -> Statistic:
    """A metric at these class shares: in every resample its rows count so that the classes have them.

    Args:
        statistic: Of weights `[resamples, rows]`.
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
    """Of a mean over rows.

    Args:
        value: Of each row, from target and prediction.
        interval: Of the mean, for rows of one class.
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
    """Of two classes' recalls.

    Args:
        function: From sensitivity, specificity and the positive class's share to the metric.
        of_predicted: Whether it is undefined where no row is predicted positive.
    """

    def ends(
        target: np.ndarray, prediction: Array, prior: Prior, confidence: float, groups: np.ndarray | None
    ) -> tuple[float, float]:
        if len(prior) != 2:
            raise NoInterval("at given class shares it is known of two classes only")
        agreement.all_occur(target, 2)
        predicted = prediction.argmax(axis=1)
        if of_predicted and not predicted.any():
            raise UndefinedMetric("no test row is predicted positive")
        recalls = agreement.recalls(target, predicted, confidence, groups)
        return agreement.ends_of(lambda s, t: function(s, t, np.array(prior[1])), recalls, groups)

    return ends


def precision(sensitivity: Array, specificity: Array, prevalence: Array) -> Array:
    """0 where nothing is predicted positive."""
    hits = prevalence * sensitivity
    return _ratio(hits, hits + (1 - prevalence) * (1 - specificity))


def f1(sensitivity: Array, specificity: Array, prevalence: Array) -> Array:
    hits = prevalence * sensitivity
    return _ratio(2 * hits, hits + (1 - prevalence) * (1 - specificity) + prevalence)


def _ratio(top: Array, bottom: Array) -> Array:
    return np.divide(top, bottom, out=np.zeros(np.shape(top + bottom)), where=bottom > 0)


def unmoved(interval: _OfRows) -> Ends:
    """Of a metric of recalls, which says the same at all class shares."""
    return lambda target, prediction, prior, confidence, groups: interval(target, prediction, confidence, groups)


def of_two(interval: _OfRows) -> Ends:
    """Of a metric that of two classes says the same at all their shares."""

    def ends(
        target: np.ndarray, prediction: Array, prior: Prior, confidence: float, groups: np.ndarray | None
    ) -> tuple[float, float]:
        if len(prior) != 2:
            raise NoInterval("at given class shares it is known of two classes only")
        return interval(target, prediction, confidence, groups)

    return ends


def unknown(
    target: np.ndarray, prediction: Array, prior: Prior, confidence: float, groups: np.ndarray | None
) -> tuple[float, float]:
    """Of a metric for which none was found that holds."""
    raise NoInterval("at given class shares none is known")
