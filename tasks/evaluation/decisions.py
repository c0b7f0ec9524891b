"""From probabilities to classes: the costs of answers, and the threshold from which the positive class is predicted.

The threshold is chosen on the validation part and evaluated on the test part. For calibrated probabilities the least
expected cost lies at c_FP / (c_FP + c_FN) (Elkan 2001, eq. 2). Choosing on the validation rows works for probabilities
that are not calibrated, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.choice import choose
from tasks.evaluation.intervals import RESAMPLES, Array
from tasks.evaluation.priors import weights
from tasks.records.decisions import Decides

if TYPE_CHECKING:
    import pandas as pd

    from tasks.evaluation.metrics import Metric

_SHARE, _MOST = 1 / 3, 20_000
"""Size of the resamples that show how far a threshold moves: this share of the rows (or groups), and at most so
many."""
THRESHOLD = "threshold"
"""Name, in table `metrics`, of the probability from which a trial predicts the positive class."""


def recorded_thresholds(metrics: pd.DataFrame) -> dict[str, float]:
    """Trial to its threshold, for trials that have one, from table `metrics`."""
    own = metrics[metrics["metric"] == THRESHOLD]
    return dict(zip(own["trial_id"], own["value"].astype(float), strict=True))


@dataclass(frozen=True)
class Answers:
    """A model's answers for some rows.

    Args:
        prediction: Probabilities `[rows, classes]`, or values `[rows]`.
        decided: The predicted class, as probabilities of 0 and 1 `[rows, classes]`; for values the same as
            `prediction`.
        costs: `[rows, 1 + classes]`: the cost of each row's answer, then the cost of each possible answer; for values
            `[rows, 1]`, only the former. None: answers have no cost.
    """

    prediction: Array
    decided: Array
    costs: Array | None = None

    def of(self, rows: np.ndarray) -> Answers:
        """The answers for some of the rows (bool)."""
        return Answers(self.prediction[rows], self.decided[rows], None if self.costs is None else self.costs[rows])

    def read_by(self, metric: Metric) -> Array:
        """The input that a metric is computed from.

        Raises:
            ValueError: the metric measures costs, but answers have none.
        """
        if metric.reads == "prediction":
            return self.prediction
        if metric.reads == "decided":
            return self.decided
        if self.costs is None:
            raise ValueError(f"{metric.name} needs evaluate.cost")
        return self.costs


def joined(parts: Sequence[Answers]) -> Answers:
    """Concatenates answers along the rows."""
    costs = [each.costs for each in parts if each.costs is not None]
    return Answers(
        np.concatenate([each.prediction for each in parts]),
        np.concatenate([each.decided for each in parts]),
        np.concatenate(costs) if costs else None,
    )


@dataclass(frozen=True)
class Deciding:
    """How classes are decided (`Decides`), with the costs of the rows of one data set.

    Args:
        how: The rule and costs, as in plan.json.
        positive: Position of the positive class of two; None: there is none.
        amounts: `ACTUAL,PREDICTED` (positions of classes) to the cost of that mistake in each row of the data set
            `[rows]`.
    """

    how: Decides = Decides()
    positive: int | None = None
    amounts: Mapping[str, Array] | None = None

    @property
    def chooses(self) -> bool:
        """Whether a model of two classes has a threshold of its own."""
        return self.positive is not None and self.how.rule is not None

    def threshold(self, target: np.ndarray, prediction: Array, rows: np.ndarray) -> float | None:
        """The probability from which the positive class is predicted. None: the likeliest class is predicted, or the
        class of least expected cost.

        Args:
            target: Class indices of the validation rows.
            prediction: Predicted probabilities of these rows.
            rows: Positions of these rows in the data set.
        """
        if not self.chooses or prediction.ndim == 1 or prediction.shape[1] != 2:
            return None
        if not len(target) or not np.isfinite(prediction).all():
            return None
        if self.how.rule == "fixed":
            return float(self.how.value or 0)
        return self._chosen(self._scores(target, prediction, rows))

    @property
    def prior(self) -> tuple[float, ...] | None:
        """The share that each class is weighted to; None: classes keep their shares of the rows."""
        return None if self.how.prior is None else tuple(map(float, self.how.prior))

    def moves(self, target: np.ndarray, prediction: Array, rows: np.ndarray, groups: np.ndarray | None) -> Array:
        """Thresholds chosen on resamples of the validation rows, `[resamples]`; arguments as for `threshold`.

        A resample has a third of the rows, or fewer where there are very many (m out of n, Bickel, Götze & van Zwet
        1997). The error of a best threshold falls only with the cube root of the rows, and there the bootstrap of all
        rows is too narrow (`tests.bench.costs`).
        """
        scores = self._scores(target, prediction, rows)
        drawn = _resamples(len(target), groups)
        return np.array([self._chosen(tuple(each[some] for each in scores)) for some in drawn])

    def _scores(self, target: np.ndarray, prediction: Array, rows: np.ndarray) -> tuple[Array, ...]:
        """The first three arguments of `Curve.of`."""
        assert self.positive is not None
        costs = self.of_answers(target, rows)
        extra = np.zeros(len(target)) if costs is None else costs[:, self.positive] - costs[:, 1 - self.positive]
        return prediction[:, self.positive], (target == self.positive).astype(np.float64), extra

    def _chosen(self, scores: tuple[Array, ...]) -> float:
        probability, positive, extra = scores
        curve = Curve.of(probability, positive, extra, self._weights(positive))
        return float(curve.thresholds[curve.chosen(self.how)])

    def _weights(self, positive: Array) -> Array | None:
        """The weight of each row; None: 1 each."""
        if self.prior is None or self.positive is None:
            return None
        return weights(positive, (self.prior[1 - self.positive], self.prior[self.positive]))

    def of_answers(self, target: np.ndarray, rows: np.ndarray) -> Array | None:
        """The cost of each possible answer, `[rows, classes]`; None: answers have no cost, or the target is a value."""
        costs = self.how.costs
        if costs is None or costs.matrix is None:
            return None
        found = np.array(costs.matrix, np.float64)[target]
        for place, amounts in (self.amounts or {}).items():
            actual, predicted = map(int, place.split(","))
            found[:, predicted] += np.where(target == actual, amounts[rows], 0.0)
        return found

    def answers(self, target: np.ndarray, prediction: Array, rows: np.ndarray, threshold: float | None) -> Answers:
        """Turns a model's outputs into answers.

        Args:
            target: Class indices, or values.
            prediction: Probabilities, or values.
            rows: Positions in the data set.
            threshold: The threshold that `threshold` chose on the validation rows, or None.
        """
        if prediction.ndim == 1:
            return Answers(prediction, prediction, self._of_errors(target, prediction))
        return self.answers_as(target, prediction, rows, self._decided(prediction, threshold))

    def answers_as(self, target: np.ndarray, prediction: Array, rows: np.ndarray, decided: Array) -> Answers:
        """Like `answers` for probabilities, where the model's decisions are known already: `decided` is
        `Answers.decided`."""
        possible = self.of_answers(target, rows)
        if possible is None:
            return Answers(prediction, decided)
        own = possible[np.arange(len(target)), decided.argmax(axis=1)]
        return Answers(prediction, decided, np.column_stack([own, possible]))

    def _decided(self, prediction: Array, threshold: float | None) -> Array:
        if threshold is None and self.how.rule is None:
            return prediction  # the metrics take its argmax: the likeliest class
        matrix = self.how.costs.matrix if self.how.costs else None
        return np.eye(prediction.shape[1])[
            choose(prediction, positive=self.positive, threshold=threshold, costs=matrix)
        ]

    def _of_errors(self, target: np.ndarray, prediction: Array) -> Array | None:
        costs = self.how.costs
        if costs is None or costs.over is None or costs.under is None:
            return None
        error = prediction - target
        return np.where(error > 0, costs.over * error, -costs.under * error)[:, None]


LIKELIEST = Deciding()
"""The likeliest class is predicted, and nothing has a cost."""


@dataclass(frozen=True)
class Curve:
    """All thresholds that change the answer of some row, falling, from the one that predicts no row positive.

    Args:
        thresholds: `[points]`, falling; each lies between the probabilities of neighbouring rows.
        alarms: Weighted number of rows that are predicted positive at each threshold.
        hits: Weighted number of those rows that are positive.
        extra: Cost of the answers at each threshold, minus the cost of predicting no row positive.
    """

    thresholds: Array
    alarms: Array
    hits: Array
    extra: Array

    @classmethod
    def of(cls, probability: Array, positive: Array, extra: Array, weight: Array | None = None) -> Curve:
        """The curve of these rows.

        Args:
            probability: Probability of the positive class `[rows]`.
            positive: 1 where the actual class is positive, else 0 `[rows]`.
            extra: Cost of predicting a row positive, minus the cost of predicting it negative `[rows]`.
            weight: Weight of each row `[rows]`; None: 1 each.
        """
        weight = np.ones(len(probability)) if weight is None else weight
        order = np.argsort(-probability, kind="stable")
        ranked = probability[order]
        last = np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True])  # the end of each run of equal probabilities
        above = ranked[last]
        between = np.r_[(above[:-1] + above[1:]) / 2, 0.0]
        between = np.where(between >= np.r_[above[:-1], np.inf], above, between)  # neighbouring floats
        none = (1 + above[0]) / 2 if above[0] < 1 else np.nextafter(1.0, 2.0)
        counted = (weight, weight * positive, weight * extra)
        alarms, hits, costs = (np.r_[0.0, np.cumsum(each[order])[last]] for each in counted)
        return cls(np.r_[none, between], alarms, hits, costs)

    def chosen(self, how: Decides) -> int:
        """The position in `thresholds` that a rule chooses. For the least cost, the middle of the first run of equally
        good ones.

        Where no threshold keeps the limit, the one that comes nearest to it is chosen.
        """
        limit = float(how.value or 0)
        if how.rule == "cost":
            return _middle(self.extra <= self.extra.min() + 1e-9)
        if how.rule == "recall_at_least":  # the fewest alarms that reach it
            return int((self.hits >= limit * self.hits[-1] - 1e-9).argmax())
        if how.rule == "alarms_at_most":  # the most alarms within it
            return _last(self.alarms <= limit * self.alarms[-1] + 1e-9)
        precision = np.divide(self.hits, self.alarms, out=np.zeros_like(self.hits), where=self.alarms > 0)
        kept = (precision >= limit - 1e-12) & (self.alarms > 0)
        return _last(kept) if kept.any() else int(precision.argmax())  # the most hits that keep it


def _resamples(rows: int, groups: np.ndarray | None) -> Iterator[np.ndarray]:
    """Yields the positions of the drawn rows of each resample; groups are drawn whole."""
    rng = np.random.default_rng(0)
    units = None if groups is None else _members(groups)
    count = rows if units is None else len(units)
    size = max(1, round(min(_SHARE, _MOST / rows) * count))
    for _ in range(RESAMPLES):
        drawn = rng.integers(count, size=size)
        yield drawn if units is None else np.concatenate([units[unit] for unit in drawn])


def _members(groups: np.ndarray) -> list[np.ndarray]:
    """The positions of each group's rows."""
    _, of_row, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return np.split(np.argsort(of_row, kind="stable"), np.cumsum(counts)[:-1])


def _last(true: np.ndarray) -> int:
    """The last position that is true."""
    return int(np.flatnonzero(true)[-1])


def _middle(true: np.ndarray) -> int:
    """The middle of the first run of true positions."""
    first = int(true.argmax())
    after = np.flatnonzero(~true[first:])
    stop = first + int(after[0]) if len(after) else len(true)
    return (first + stop - 1) // 2
