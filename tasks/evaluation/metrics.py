"""The metrics. Each is one function of row weights, so that the bootstrap and the plain value share the same code.

A metric's `statistic(target, prediction)` does the work that does not depend on the weights (sorting,
logarithms) and returns a function from weights `[resamples, rows]` to values `[resamples]`. A bootstrap
resample is a row of counts; the plain value is the row of ones.

Shapes throughout: classification takes the class index `[rows]` and probabilities `[rows, classes]`; regression takes
values `[rows]` and predicted values `[rows]`. The caller says which class is positive; else with two classes it is the
last one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tasks.errors import BadInput, nearest
from tasks.evaluation import agreement, areas, calibration, costs, means, medians, priors, shares, statistics
from tasks.evaluation.intervals import Array, Interval, NoInterval, UndefinedMetric
from tasks.evaluation.statistics import Statistic
from tasks.evaluation.wording import inside

Ends = Callable[[np.ndarray, Array, float, np.ndarray | None], tuple[float, float]]
"""Maps target, prediction, confidence and the rows' groups to the ends of an interval; may raise `NoInterval`."""

CLASSIFICATION, REGRESSION = "classification", "regression"
COST = "cost_per_case"
"""The metric that `evaluate.cost` defines."""

IMBALANCED = 0.8
"""Share of the most common class above which accuracy says little."""


@dataclass(frozen=True)
class Metric:
    """One metric. Everything that the rest of the project knows about a metric is defined here.

    Args:
        name: As written in a spec.
        title: As written in a report.
        tasks: Tasks that it applies to: `classification`, `regression`.
        greater_is_better: Whether a greater value is better.
        bounds: The lowest and highest possible value; infinite where there is none.
        range: Its range and unit in words.
        statistic: `(target, prediction)` to a function from weights `[resamples, rows]` (non-negative) to
            values `[resamples]`.
        interval: Its interval over test rows. `tests.bench.coverage` measures the coverage of each metric's.
        at_prior: Its interval at class shares other than those of the rows.
        share: Whether it is a share of rows, so that it moves in steps of about 1 / rows.
        reads: Its input: probabilities or values (`prediction`); the predicted class (`decided`); or the costs of
            answers (`cost`). See `decisions.Answers`.
        of_class: Whether it is computed per class: for the positive class or, where there is none, for all classes with
            equal weight (macro).
        macro: Whether, for three classes or more without a positive one, it is the mean over the classes.
        chance: Value of a model without knowledge: a number, or `majority` for the share of the most frequent class;
            None where it depends on more than that.
        smooth: Whether one row changes it by little, so that the jackknife tells its variance; not so for a median.
        default: Whether it is measured when the spec names no metric. The first such metric of a task is the deciding
            one.
    """

    name: str
    title: str
    tasks: frozenset[str]
    greater_is_better: bool
    bounds: tuple[float, float]
    range: str
    statistic: Callable[[np.ndarray, np.ndarray], Statistic]
    interval: Ends
    at_prior: priors.Ends = priors.unknown
    share: bool = False
    reads: Literal["prediction", "decided", "cost"] = "prediction"
    of_class: bool = False
    macro: bool = True
    chance: float | Literal["majority"] | None = None
    smooth: bool = True
    default: bool = False

    @property
    def sign(self) -> int:
        """1 where greater is better, else -1: `sign * difference` is positive for the better one."""
        return 1 if self.greater_is_better else -1

    def titled(self, positive: str | None, classes: int) -> str:
        """Its title with the class that it is computed for: `Recall of fraud`; for all classes alike `Macro recall`.

        Args:
            positive: Name of the positive class, if there is one.
            classes: Number of classes; 0 for regression.
        """
        if not self.of_class or not classes:
            return self.title
        if positive is not None:
            return f"{self.title} of {positive}"
        return f"Macro {inside(self.title)}" if self.macro else self.title

    def function(
        self,
        target: np.ndarray,
        prediction: np.ndarray,
        positive: int | None = None,
        prior: priors.Prior | None = None,
    ) -> float:
        """The metric over all rows; NaN where undefined, without rows, or if a prediction is not finite."""
        return float(self.resampled(target, prediction, positive, prior)(np.ones((1, len(target))))[0])

    def over_rows(
        self,
        target: np.ndarray,
        prediction: np.ndarray,
        confidence: float,
        groups: np.ndarray | None = None,
        positive: int | None = None,
        prior: priors.Prior | None = None,
    ) -> Interval:
        """The metric and its interval over test rows: the truth lies beyond each end in (1 - confidence) / 2 of cases.

        Args:
            target, prediction, positive, prior: As for `resampled`.
            confidence: In (0, 1).
            groups: The group of each row `[rows]`, any dtype, or None. Rows of one group are not independent: treating
                them as independent would make the interval too narrow.

        Returns:
            The estimate with its ends. Where the rows do not suffice, the reason instead of ends; where no row counts,
            NaN as the estimate.

        Raises:
            ValueError: the shapes of target and prediction do not fit.
        """
        estimate = self.function(target, prediction, positive, prior)
        if np.isnan(estimate):
            return Interval(estimate, None, None, self._undefined(target, prediction, positive))
        try:
            rows = self._of_positive(target, prediction, positive)
            if prior is None:
                low, high = self.interval(*rows, confidence, groups)
            else:
                low, high = self.at_prior(*rows, self._prior_of(positive, prior), confidence, groups)
        except UndefinedMetric as why:
            return Interval(np.nan, None, None, str(why))
        except NoInterval as why:
            return Interval(estimate, None, None, str(why))
        # Rounding errors must not put the estimate outside its interval.
        return Interval(estimate, min(low, estimate), max(high, estimate))

    def _undefined(self, target: np.ndarray, prediction: np.ndarray, positive: int | None) -> str | None:
        """Why the metric has no value on these rows, where that is known."""
        if not len(target) or not np.isfinite(prediction).all():
            return None
        try:
            self.interval(*self._of_positive(target, prediction, positive), 0.5, None)
        except UndefinedMetric as why:
            return str(why)
        except NoInterval:
            pass
        return None

    def resampled(
        self,
        target: np.ndarray,
        prediction: np.ndarray,
        positive: int | None = None,
        prior: priors.Prior | None = None,
    ) -> Statistic:
        """The metric as a function of weights `[resamples, rows]`: NaN in resamples where it is undefined.

        Args:
            positive: The class that it is computed for, where it is for one class (`of_class`); None: the last of two
                classes, or all of more with equal weight.
            prior: Share that each class is weighted to; None: classes keep their shares of the rows.

        Raises:
            ValueError: the shapes of target and prediction do not fit.
        """
        target, prediction = np.asarray(target), np.asarray(prediction, dtype=np.float64)
        expected = 2 if CLASSIFICATION in self.tasks or self.reads == "cost" else 1
        if prediction.ndim != expected or len(prediction) != len(target):
            raise ValueError(f"{self.name}: target {target.shape} and prediction {prediction.shape} do not fit")
        if not len(target) or not np.isfinite(prediction).all():
            return lambda weights: np.full(len(weights), np.nan)
        found = self.statistic(*self._of_positive(target, prediction, positive))
        return found if prior is None else priors.reweighted(found, target, prior)

    def _prior_of(self, positive: int | None, prior: priors.Prior) -> priors.Prior:
        """The class shares in the order of `_of_positive`."""
        if self.of_class and positive is not None and len(prior) == 2:
            return prior[1 - positive], prior[positive]
        return prior

    def _of_positive(
        self, target: np.ndarray, prediction: np.ndarray, positive: int | None
    ) -> tuple[np.ndarray, Array]:
        """The arguments of `statistic` and `interval`: reduced to two classes where the metric is for one class."""
        classes = CLASSIFICATION in self.tasks and REGRESSION not in self.tasks
        target = np.asarray(target).astype(np.int64 if classes else np.float64)
        prediction = np.asarray(prediction, dtype=np.float64)
        if self.of_class and positive is not None:
            return one_against_rest(target, prediction, positive)
        return target, prediction


def one_against_rest(target: np.ndarray, prediction: Array, positive: int) -> tuple[np.ndarray, Array]:
    """Reduces to two classes, the positive one last. It is predicted where it is the likeliest of all classes, and rows
    are ranked by its own probability.

    Args:
        target: Class index `[rows]`.
        prediction: `[rows, classes]`.
    """
    rest = np.delete(prediction, positive, axis=1).max(axis=1)
    # On a tie the first class is predicted, as by argmax.
    first = np.where(prediction.argmax(axis=1) == positive, -1.0, rest)
    return (target == positive).astype(np.int64), np.column_stack([first, prediction[:, positive]])


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
            statistic=statistics.accuracy,
            interval=shares.accuracy,
            at_prior=priors.of_means(means.rights, shares.accuracy),
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
            range="share of the rows predicted positive that are truly positive, 0 to 1",
            statistic=statistics.per_class(lambda hits, predicted, actual: (hits, predicted)),
            interval=shares.precision,
            at_prior=priors.of_rates(priors.precision, of_predicted=True),
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
            statistic=statistics.per_class(lambda hits, predicted, actual: (hits, actual)),
            interval=shares.recall,
            at_prior=priors.unmoved(shares.recall),
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
            statistic=statistics.per_class(lambda hits, predicted, actual: (2 * hits, predicted + actual)),
            interval=shares.f1,
            at_prior=priors.of_rates(priors.f1),
            share=True,
            reads="decided",
            of_class=True,
        ),
        Metric(
            "balanced_accuracy",
            "Balanced accuracy",
            _classification,
            greater_is_better=True,
            bounds=UNIT_RANGE,
            range="mean of the classes' recalls, 0 to 1; 1 / classes = chance",
            statistic=statistics.balanced_accuracy,
            interval=agreement.balanced_accuracy,
            at_prior=priors.unmoved(agreement.balanced_accuracy),
            share=True,
            reads="decided",
        ),
        Metric(
            "mcc",
            "MCC (Matthews' correlation)",
            _classification,
            greater_is_better=True,
            bounds=(-1.0, 1.0),
            range="correlation of actual and predicted classes, -1 to 1; 0 = chance",
            statistic=statistics.mcc,
            interval=agreement.mcc,
            at_prior=priors.of_rates(agreement.correlation),
            share=True,
            reads="decided",
            chance=0.0,
        ),
        Metric(
            "roc_auc",
            "ROC AUC",
            _classification,
            greater_is_better=True,
            bounds=UNIT_RANGE,
            range="area, 0 to 1; 0.5 = chance",
            statistic=statistics.one_vs_rest(statistics.area_under_roc),
            interval=areas.roc_auc,
            at_prior=priors.of_two(areas.roc_auc),
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
            statistic=statistics.one_vs_rest(statistics.average_precision),
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
            statistic=statistics.log_loss,
            interval=means.log_loss,
            at_prior=priors.of_means(means.cross_entropies, means.of_losses(means.cross_entropies)),
            default=True,
        ),
        Metric(
            "brier_score",
            "Brier score",
            _classification,
            greater_is_better=False,
            bounds=(0.0, 2.0),
            range="squared error of the probabilities, 0 to 1; of several classes 0 to 2",
            statistic=statistics.brier_score,
            interval=means.brier_score,
            at_prior=priors.of_means(means.brier_scores, means.of_losses(means.brier_scores)),
        ),
        Metric(
            "calibration_error",
            "Calibration error (ECE)",
            _classification,
            greater_is_better=False,
            bounds=UNIT_RANGE,
            range="mean difference between probabilities and observed shares in ten bins, 0 to 1",
            statistic=statistics.calibration_error,
            interval=calibration.calibration_interval,
            of_class=True,
            macro=False,
        ),
        Metric(
            "rmse",
            "RMSE",
            _regression,
            greater_is_better=False,
            bounds=FROM_ZERO,
            range="in the target's unit, 0 or more",
            statistic=statistics.rmse,
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
            statistic=statistics.mae,
            interval=means.mae,
        ),
        Metric(
            "mape",
            "MAPE",
            _regression,
            greater_is_better=False,
            bounds=FROM_ZERO,
            range="mean absolute error as a share of the target, 0 or more",
            statistic=statistics.mape,
            interval=means.mape,
        ),
        Metric(
            "median_ae",
            "Median absolute error",
            _regression,
            greater_is_better=False,
            bounds=FROM_ZERO,
            range="in the target's unit, 0 or more",
            statistic=statistics.median_ae,
            interval=medians.median_ae,
            smooth=False,
        ),
        Metric(
            "r2",
            "R²",
            _regression,
            greater_is_better=True,
            bounds=(-np.inf, 1.0),
            range="share of the variance, 1 or less; 0 = the mean",
            statistic=statistics.r2,
            interval=means.r2,
        ),
        Metric(
            COST,
            "Cost per case",
            _classification | _regression,
            greater_is_better=False,
            bounds=(-np.inf, np.inf),
            range="in the unit of evaluate.cost; gains are negative",
            statistic=lambda target, costs: statistics.mean_of(costs[:, 0]),
            interval=costs.per_case,
            at_prior=priors.of_means(lambda target, costs: costs[:, 0], costs.of_one_class),
            reads="cost",
        ),
    )
}


def default_metrics(task: str) -> tuple[str, ...]:
    """The metrics that are measured when the spec names none; the first is the deciding one."""
    return tuple(name for name in metrics_for(task) if METRICS[name].default)


def deciding_metric(task: str, commonest: float | None = None) -> str:
    """The deciding metric when the spec names none and answers have no cost. It is not accuracy where nearly all rows
    are of one class, since always predicting that class would have a high accuracy.

    Args:
        commonest: Share of the most common class among the training rows; None where it is not known or there are no
            classes.
    """
    if task == CLASSIFICATION and commonest is not None and commonest > IMBALANCED:
        return "balanced_accuracy"
    return default_metrics(task)[0]


def metrics_for(task: str) -> Sequence[str]:
    """The names of all metrics of `classification` or `regression`, in the table's order."""
    return [name for name, metric in METRICS.items() if task in metric.tasks]


def check_metric(name: str, task: str, where: str | None = None) -> None:
    """Checks that metric `name` applies to `task`.

    Raises:
        BadInput: the metric is unknown, or is for the other task.
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
