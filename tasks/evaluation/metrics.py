"""The metrics, each once, as a function of row weights: the bootstrap and the plain value are the same.

A metric's `statistic(target, prediction)` does the work that does not depend on the weights (sorting,
logarithms) and returns a function from weights `[resamples, rows]` to values `[resamples]`. A bootstrap
resample is a row of counts; the plain value is the row of ones.

Shapes throughout: classification takes the class index `[rows]` and probabilities `[rows, classes]`;
regression takes values `[rows]` and predicted values `[rows]`. Which class is positive the caller says; else with
two classes it is the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tasks.errors import BadInput, nearest
from tasks.evaluation import areas, costs, means, shares
from tasks.evaluation.intervals import Array, Interval, NoInterval, UndefinedMetric
from tasks.evaluation.wording import inside

Statistic = Callable[[Array], Array]
Ends = Callable[[np.ndarray, Array, float, np.ndarray | None], tuple[float, float]]
"""From target, prediction, confidence and the rows' groups to the ends of an interval; it may raise `NoInterval`."""

CLASSIFICATION, REGRESSION = "classification", "regression"
COST = "cost_per_case"
"""The metric that `evaluate.cost` defines."""


@dataclass(frozen=True)
class Metric:
    """One metric. Whatever the rest of the project knows of a metric stands here.

    Args:
        name: As written in a spec.
        title: As written in a report.
        tasks: Where it applies: `classification`, `regression`.
        greater_is_better: The direction.
        bounds: The lowest and highest possible value; infinite where there is none.
        range: Its values in words, with the unit.
        statistic: `(target, prediction)` to a function from weights `[resamples, rows]` (non-negative) to
            values `[resamples]`.
        interval: Its interval over test rows. What holds is measured, for each metric, by `tests.bench.coverage`.
        share: Whether it is a share of rows: it moves in steps of about 1 / rows.
        reads: What it looks at: probabilities or values; what is predicted (`decided`); or what answers cost. See
            `decisions.Answers`.
        of_class: Whether it speaks of one class, the positive one, or of all classes alike (macro).
        chance: What a model without knowledge gets: a value, or the share of the most frequent class; None where that
            follows from more than the classes' shares.
        default: Whether it is measured when the spec names no metric. The first such metric of a task decides.
    """

    name: str
    title: str
    tasks: frozenset[str]
    greater_is_better: bool
    bounds: tuple[float, float]
    range: str
    statistic: Callable[[np.ndarray, np.ndarray], Statistic]
    interval: Ends
    share: bool = False
    reads: Literal["prediction", "decided", "cost"] = "prediction"
    of_class: bool = False
    chance: float | Literal["majority"] | None = None
    default: bool = False

    @property
    def sign(self) -> int:
        """1 where greater is better, else -1: `sign * difference` is positive for the better one."""
        return 1 if self.greater_is_better else -1

    def titled(self, positive: str | None, classes: int) -> str:
        """Its title with the class that it speaks of: `Recall of fraud`, or of all alike `Macro recall`.

        Args:
            positive: The class of interest, if there is one.
            classes: How many there are; 0 for regression.
        """
        if not self.of_class or not classes:
            return self.title
        return f"{self.title} of {positive}" if positive is not None else f"Macro {inside(self.title)}"

    def function(self, target: np.ndarray, prediction: np.ndarray, positive: int | None = None) -> float:
        """The metric over all rows; NaN where undefined, without rows, or if a prediction is not finite."""
        return float(self.resampled(target, prediction, positive)(np.ones((1, len(target))))[0])

    def over_rows(
        self,
        target: np.ndarray,
        prediction: np.ndarray,
        confidence: float,
        groups: np.ndarray | None = None,
        positive: int | None = None,
    ) -> Interval:
        """The metric and its interval over test rows: the truth lies beyond an end in (1 - confidence) / 2 of cases.

        Args:
            target, prediction, positive: As for `resampled`.
            confidence: In (0, 1).
            groups: The group of each row `[rows]`, any dtype, or None. Rows of one group are not independent: as
                independent rows they would make the interval too narrow.

        Returns:
            Where the rows do not suffice, the reason and no ends; where no row counts, NaN as the estimate.

        Raises:
            ValueError: the shapes of target and prediction do not fit.
        """
        estimate = self.function(target, prediction, positive)
        if np.isnan(estimate):
            return Interval(estimate, None, None)
        try:
            low, high = self.interval(*self._of_positive(target, prediction, positive), confidence, groups)
        except UndefinedMetric as why:
            return Interval(np.nan, None, None, str(why))
        except NoInterval as why:
            return Interval(estimate, None, None, str(why))
        # Rounding must not put the estimate outside.
        return Interval(estimate, min(low, estimate), max(high, estimate))

    def resampled(self, target: np.ndarray, prediction: np.ndarray, positive: int | None = None) -> Statistic:
        """The metric as a function of weights `[resamples, rows]`: NaN in resamples where it is undefined.

        Args:
            positive: The class that it speaks of, where it speaks of one (`of_class`); None: of two the last one, of
                more all alike.

        Raises:
            ValueError: the shapes of target and prediction do not fit.
        """
        target, prediction = np.asarray(target), np.asarray(prediction, dtype=np.float64)
        expected = 2 if CLASSIFICATION in self.tasks or self.reads == "cost" else 1
        if prediction.ndim != expected or len(prediction) != len(target):
            raise ValueError(f"{self.name}: target {target.shape} and prediction {prediction.shape} do not fit")
        if not len(target) or not np.isfinite(prediction).all():
            return lambda weights: np.full(len(weights), np.nan)
        return self.statistic(*self._of_positive(target, prediction, positive))

    def _of_positive(
        self, target: np.ndarray, prediction: np.ndarray, positive: int | None
    ) -> tuple[np.ndarray, Array]:
        """What `statistic` and `interval` take: two classes where the metric speaks of one."""
        classes = CLASSIFICATION in self.tasks and REGRESSION not in self.tasks
        target = np.asarray(target).astype(np.int64 if classes else np.float64)
        prediction = np.asarray(prediction, dtype=np.float64)
        if self.of_class and positive is not None:
            return one_against_rest(target, prediction, positive)
        return target, prediction


def one_against_rest(target: np.ndarray, prediction: Array, positive: int) -> tuple[np.ndarray, Array]:
    """Two classes, the positive one last: it is predicted where it is the likeliest of all, and ranked by its own
    probability.

    Args:
        target: Class index `[rows]`.
        prediction: `[rows, classes]`.
    """
    rest = np.delete(prediction, positive, axis=1).max(axis=1)
    # On a tie the first of the classes is predicted, as by argmax.
    first = np.where(prediction.argmax(axis=1) == positive, -1.0, rest)
    return (target == positive).astype(np.int64), np.column_stack([first, prediction[:, positive]])


def _ratio(numerator: Array, denominator: Array) -> Array:
    """`numerator / denominator`, NaN where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full(np.shape(numerator), np.nan), where=denominator != 0)


def _mean_of(rows: Array) -> Statistic:
    """The weighted mean of one value a row."""
    return lambda weights: _ratio(weights @ rows, weights.sum(axis=1))


def _mean_over_defined(values: Array) -> Array:
    """The mean over the last axis without NaN; NaN where all are."""
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1).astype(np.float64))


# --- of the predicted class ---------------------------------------------------------------------------------


def _accuracy(target: np.ndarray, prediction: Array) -> Statistic:
    return _mean_of((prediction.argmax(axis=1) == target).astype(np.float64))


def _per_class(
    value: Callable[[Array, Array, Array], tuple[Array, Array]],
) -> Callable[[np.ndarray, Array], Statistic]:
    """A ratio of the `(hits, predicted, actual)` weights of the positive class; macro for 3 classes or more.

    As scikit-learn with `zero_division=0`: a ratio with denominator 0 is 0. A class that occurs in neither
    target nor prediction does not count; where none does, the value is NaN.
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


def _one_vs_rest(
    score: Callable[[Array, Array], Array],
) -> Callable[[np.ndarray, Array], Statistic]:
    """A score of a ranking, of the positive class with two classes, else the macro average over the classes.

    `score` takes the weights of positives and negatives `[resamples, distinct probabilities]`, the highest
    probability first, and returns `[resamples]`. Undefined classes do not count; where none is defined, the
    value is NaN.
    """

    def statistic(target: np.ndarray, prediction: Array) -> Statistic:
        scored = shares.scored(prediction.shape[1])
        rankings = [_ranking(target == k, prediction[:, k], score) for k in scored]
        return lambda weights: _mean_over_defined(np.stack([ranking(weights) for ranking in rankings], axis=-1))

    return statistic


def _ranking(positive: np.ndarray, probability: Array, score: Callable[[Array, Array], Array]) -> Statistic:
    """Sorts once; equal probabilities are one threshold, so ties count half, whatever the rows' order."""
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


def _area_under_roc(positives: Array, negatives: Array) -> Array:
    """P(positive ranks above negative) + P(equal) / 2 (Hanley & McNeil 1982); NaN with one class only."""
    above = np.cumsum(positives, axis=1) - positives / 2
    won = np.einsum("ij,ij->i", above, negatives)
    return _ratio(won, positives.sum(axis=1) * negatives.sum(axis=1))


def _average_precision(positives: Array, negatives: Array) -> Array:
    """Sum over thresholds of (recall gained) x precision, without interpolation; NaN without positives."""
    hits = np.cumsum(positives, axis=1)
    predicted = hits + np.cumsum(negatives, axis=1)
    precision = np.nan_to_num(_ratio(hits, predicted), nan=0.0)
    return _ratio(np.einsum("ij,ij->i", positives, precision), hits[:, -1])


# --- of the probabilities and values themselves -------------------------------------------------------------


def _log_loss(target: np.ndarray, prediction: Array) -> Statistic:
    return _mean_of(means.cross_entropies(target, prediction))


def _rmse(target: Array, prediction: Array) -> Statistic:
    squared = _mean_of((target - prediction) ** 2)
    return lambda weights: np.sqrt(squared(weights))


def _mae(target: Array, prediction: Array) -> Statistic:
    return _mean_of(np.abs(target - prediction))


def _r2(target: Array, prediction: Array) -> Statistic:
    """1 - residual / total sum of squares; NaN where the target does not vary."""
    centred = target - target.mean()  # keeps the one-pass sum of squares exact when the mean is far from 0
    columns = np.column_stack([np.ones_like(centred), centred, centred**2, (target - prediction) ** 2])
    rounding = (8 * np.finfo(np.float64).eps * np.abs(target).max()) ** 2

    def values(weights: Array) -> Array:
        count, total, squares, residual = (weights @ columns).T
        variation = squares - _ratio(total**2, count)
        # What rounding leaves of a constant target is not variation.
        varies = variation > 1e-12 * squares + rounding * count
        return 1.0 - _ratio(residual, np.where(varies, variation, 0.0))

    return values


_classification, _regression = frozenset({CLASSIFICATION}), frozenset({REGRESSION})

UNIT_RANGE, FROM_ZERO = (0.0, 1.0), (0.0, np.inf)

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "accuracy",
            "Accuracy",
            _classification,
            greater_is_better=True,
            bounds=UNIT_RANGE,
            range="share of rows, 0 to 1",
            statistic=_accuracy,
            interval=shares.accuracy,
            share=True,
            reads="decided",
            chance="majority",
            default=True,
        ),
        Metric(
            "precision",
            "Precision",
            _classification,
            greater_is_better=True,
            bounds=UNIT_RANGE,
            range="share of the rows predicted positive that are, 0 to 1",
            statistic=_per_class(lambda hits, predicted, actual: (hits, predicted)),
            interval=shares.precision,
            share=True,
            reads="decided",
            of_class=True,
        ),
        Metric(
            "recall",
            "Recall",
            _classification,
            greater_is_better=True,
            bounds=UNIT_RANGE,
            range="share of the positive rows that are found, 0 to 1",
            statistic=_per_class(lambda hits, predicted, actual: (hits, actual)),
            interval=shares.recall,
            share=True,
            reads="decided",
            of_class=True,
        ),
        Metric(
            "f1",
            "F1",
            _classification,
            greater_is_better=True,
            bounds=UNIT_RANGE,
            range="harmonic mean of precision and recall, 0 to 1",
            statistic=_per_class(lambda hits, predicted, actual: (2 * hits, predicted + actual)),
            interval=shares.f1,
            share=True,
            reads="decided",
            of_class=True,
        ),
        Metric(
            "roc_auc",
            "ROC AUC",
            _classification,
            greater_is_better=True,
            bounds=UNIT_RANGE,
            range="area, 0 to 1; 0.5 = chance",
            statistic=_one_vs_rest(_area_under_roc),
            interval=areas.roc_auc,
            share=True,
            of_class=True,
            chance=0.5,
        ),
        Metric(
            "pr_auc",
            "PR AUC (average precision)",
            _classification,
            greater_is_better=True,
            bounds=UNIT_RANGE,
            range="area, 0 to 1; share of positives = chance",
            statistic=_one_vs_rest(_average_precision),
            interval=areas.pr_auc,
            share=True,
            of_class=True,
        ),
        Metric(
            "log_loss",
            "Log loss",
            _classification,
            greater_is_better=False,
            bounds=FROM_ZERO,
            range="nats a row, 0 or more",
            statistic=_log_loss,
            interval=means.log_loss,
            default=True,
        ),
        Metric(
            "rmse",
            "RMSE",
            _regression,
            greater_is_better=False,
            bounds=FROM_ZERO,
            range="in the target's unit, 0 or more",
            statistic=_rmse,
            interval=means.rmse,
            default=True,
        ),
        Metric(
            "mae",
            "MAE",
            _regression,
            greater_is_better=False,
            bounds=FROM_ZERO,
            range="in the target's unit, 0 or more",
            statistic=_mae,
            interval=means.mae,
        ),
        Metric(
            "r2",
            "R²",
            _regression,
            greater_is_better=True,
            bounds=(-np.inf, 1.0),
            range="share of the variance, 1 or less; 0 = the mean",
            statistic=_r2,
            interval=means.r2,
        ),
        Metric(
            COST,
            "Cost per case",
            _classification | _regression,
            greater_is_better=False,
            bounds=(-np.inf, np.inf),
            range="as evaluate.cost counts; gains are negative",
            statistic=lambda target, costs: _mean_of(costs[:, 0]),
            interval=costs.per_case,
            reads="cost",
        ),
    )
}


def default_metrics(task: str) -> tuple[str, ...]:
    """What is measured when the spec names no metric; the first one decides."""
    return tuple(name for name in metrics_for(task) if METRICS[name].default)


def metrics_for(task: str) -> Sequence[str]:
    """The names of all metrics of `classification` or `regression`, in the table's order."""
    return [name for name, metric in METRICS.items() if task in metric.tasks]


def check_metric(name: str, task: str, where: str | None = None) -> None:
    """Whether metric `name` applies to `task`.

    Raises:
        BadInput: it is unknown, or meant for the other task.
    """
    if name not in METRICS:
        raise BadInput("unknown metric", where=where, got=name, accepted=nearest(name, metrics_for(task)))
    if task not in METRICS[name].tasks:
        meant = " and ".join(sorted(METRICS[name].tasks))
        accepted = "one of " + ", ".join(metrics_for(task))
        remedy = f"choose another metric; or, where the target can be either, data.task: {meant}"
        raise BadInput(
            f"{name} is for {meant}, this is {task}", where=where, got=name, accepted=accepted, remedy=remedy
        )
