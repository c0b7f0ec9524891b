"""The computations of the metrics, as functions of row weights; the table of metrics is `tasks.evaluation.metrics`.

Each takes the target and the prediction, does the work that does not depend on the weights (sorting, logarithms), and
returns a function from weights `[resamples, rows]` to values `[resamples]`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tasks.evaluation import calibration, means, shares
from tasks.evaluation.intervals import Array

Statistic = Callable[[Array], Array]
"""Maps weights `[resamples, rows]`, 0 or more, to values `[resamples]`."""


def _ratio(numerator: Array, denominator: Array) -> Array:
    """`numerator / denominator`, NaN where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full(np.shape(numerator), np.nan), where=denominator != 0)


def mean_of(rows: Array) -> Statistic:
    """The weighted mean of one value per row."""
    return lambda weights: _ratio(weights @ rows, weights.sum(axis=1))


def _mean_over_defined(values: Array) -> Array:
    """The mean over the last axis, NaN left out; NaN where all values are NaN."""
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1).astype(np.float64))


# --- of the predicted class ---------------------------------------------------------------------------------


def accuracy(target: np.ndarray, prediction: Array) -> Statistic:
    return mean_of(means.rights(target, prediction))


def balanced_accuracy(target: np.ndarray, prediction: Array) -> Statistic:
    """The mean recall of the classes that occur."""
    actual = (target[:, None] == np.arange(prediction.shape[1])).astype(np.float64)
    right = actual * (prediction.argmax(axis=1) == target)[:, None]
    return lambda weights: _mean_over_defined(_ratio(weights @ right, weights @ actual))


def mcc(target: np.ndarray, prediction: Array) -> Statistic:
    """Matthews' correlation; for three classes or more R_K (Gorodkin 2004). 0 where all rows are of one class, or are
    predicted to be."""
    classes = np.arange(prediction.shape[1])
    actual = (target[:, None] == classes).astype(np.float64)
    predicted = (prediction.argmax(axis=1)[:, None] == classes).astype(np.float64)
    right = (prediction.argmax(axis=1) == target).astype(np.float64)

    def values(weights: Array) -> Array:
        rows, t, p = weights.sum(axis=1), weights @ actual, weights @ predicted
        together = (weights @ right) * rows - (t * p).sum(axis=1)
        alone = [rows**2 - (each**2).sum(axis=1) for each in (t, p)]
        value = np.nan_to_num(_ratio(together, np.sqrt(np.maximum(alone[0] * alone[1], 0.0))), nan=0.0)
        return np.where(rows > 0, value, np.nan)

    return values


def per_class(
    value: Callable[[Array, Array, Array], tuple[Array, Array]],
) -> Callable[[np.ndarray, Array], Statistic]:
    """A ratio of the `(hits, predicted, actual)` weights of the positive class; macro for 3 classes or more.

    As in scikit-learn with `zero_division=0`, a ratio with denominator 0 is 0. A class that occurs in neither target
    nor prediction is left out; where no class is left, the value is NaN.
    """

    def statistic(target: np.ndarray, prediction: Array) -> Statistic:
        classes = prediction.shape[1]
        scored = np.array(shares.scored(classes))
        actual_rows = (target[:, None] == scored).astype(np.float64)
        predicted_rows = (prediction.argmax(axis=1)[:, None] == scored).astype(np.float64)
        columns = np.hstack([actual_rows * predicted_rows, predicted_rows, actual_rows])

        def values(weights: Array) -> Array:
            hits, predicted, actual = np.split(weights @ columns, 3, axis=1)
            ratio = np.nan_to_num(_ratio(*value(hits, predicted, actual)), nan=0.0)
            return _mean_over_defined(np.where(predicted + actual > 0, ratio, np.nan))

        return values

    return statistic


# --- of the order of the probabilities ----------------------------------------------------------------------


def one_vs_rest(
    score: Callable[[Array, Array], Array],
) -> Callable[[np.ndarray, Array], Statistic]:
    """A score of a ranking: for the positive class of two, else the macro average over the classes.

    `score` takes the weights of positives and negatives `[resamples, distinct probabilities]`, the highest probability
    first, and returns `[resamples]`. Classes with an undefined score are left out; where no class has one, the value is
    NaN.
    """

    def statistic(target: np.ndarray, prediction: Array) -> Statistic:
        scored = shares.scored(prediction.shape[1])
        rankings = [_ranking(target == k, prediction[:, k], score) for k in scored]
        return lambda weights: _mean_over_defined(np.stack([ranking(weights) for ranking in rankings], axis=-1))

    return statistic


def _ranking(positive: np.ndarray, probability: Array, score: Callable[[Array, Array], Array]) -> Statistic:
    """Sorts the rows once, outside the returned function. Equal probabilities form one threshold, so the order of tied
    rows does not matter."""
    order = np.argsort(-probability, kind="stable")
    ranked = probability[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    positive = positive[order].astype(np.float64)

    def value(weights: Array) -> Array:
        weights = weights[:, order]
        positives = weights * positive
        negatives = weights - positives
        if len(starts) < len(order):
            positives = np.add.reduceat(positives, starts, axis=1)
            negatives = np.add.reduceat(negatives, starts, axis=1)
        return score(positives, negatives)

    return value


def area_under_roc(positives: Array, negatives: Array) -> Array:
    """P(positive ranks above negative) + P(equal) / 2 (Hanley & McNeil 1982); NaN with one class only."""
    above = np.cumsum(positives, axis=1) - positives / 2
    won = np.einsum("ij,ij->i", above, negatives)
    return _ratio(won, positives.sum(axis=1) * negatives.sum(axis=1))


def average_precision(positives: Array, negatives: Array) -> Array:
    """Sum over thresholds of (recall gained) x precision, without interpolation; NaN without positives."""
    hits = np.cumsum(positives, axis=1)
    predicted = hits + np.cumsum(negatives, axis=1)
    precision = np.nan_to_num(_ratio(hits, predicted), nan=0.0)
    return _ratio(np.einsum("ij,ij->i", positives, precision), hits[:, -1])


# --- of the probabilities and values themselves -------------------------------------------------------------


def log_loss(target: np.ndarray, prediction: Array) -> Statistic:
    return mean_of(means.cross_entropies(target, prediction))


def brier_score(target: np.ndarray, prediction: Array) -> Statistic:
    return mean_of(means.brier_scores(target, prediction))


def calibration_error(target: np.ndarray, prediction: Array) -> Statistic:
    """See `calibration.calibration_error`."""
    gaps = calibration.gaps(*calibration.asked(target, prediction))
    return lambda weights: _ratio(np.abs(weights @ gaps).sum(axis=1), weights.sum(axis=1))


def rmse(target: Array, prediction: Array) -> Statistic:
    squared = mean_of((target - prediction) ** 2)
    return lambda weights: np.sqrt(squared(weights))


def mae(target: Array, prediction: Array) -> Statistic:
    return mean_of(np.abs(target - prediction))


def mape(target: Array, prediction: Array) -> Statistic:
    """The mean absolute percentage error, as a share; NaN where a row with a target of 0 has a weight."""
    errors = means.percentages(target, prediction)
    zero = np.isnan(errors)
    mean, zeros = mean_of(np.where(zero, 0.0, errors)), zero.astype(np.float64)
    return lambda weights: np.where(weights @ zeros > 0, np.nan, mean(weights))


def median_ae(target: Array, prediction: Array) -> Statistic:
    """The median of the absolute errors; for an even number of rows the mean of the middle two."""
    errors = np.abs(target - prediction)
    order = np.argsort(errors)
    ranked = errors[order]

    def values(weights: Array) -> Array:
        below = np.cumsum(weights[:, order], axis=1)
        half = below[:, -1:] / 2
        middle = ranked[(below >= half).argmax(axis=1)] + ranked[(below > half).argmax(axis=1)]
        return np.where(half[:, 0] > 0, middle / 2, np.nan)

    return values


def r2(target: Array, prediction: Array) -> Statistic:
    """1 - residual / total sum of squares; NaN where the target does not vary."""
    centred = target - target.mean()  # keeps the one-pass sum of squares exact when the mean is far from 0
    columns = np.column_stack([np.ones_like(centred), centred, centred**2, (target - prediction) ** 2])
    rounding = (8 * np.finfo(np.float64).eps * np.abs(target).max()) ** 2

    def values(weights: Array) -> Array:
        count, total, squares, residual = (weights @ columns).T
        variation = squares - _ratio(total**2, count)
        # A constant target may vary by rounding error: that does not count as variation.
        varies = variation > 1e-12 * squares + rounding * count
        return 1.0 - _ratio(residual, np.where(varies, variation, 0.0))

    return values
