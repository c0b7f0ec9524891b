"""From probabilities to classes: what answers cost, and from which probability on the positive class is predicted.

The threshold is chosen on the validation part and judged on the test part. Of the probabilities as they are, the least
expected cost lies at c_FP / (c_FP + c_FN) (Elkan 2001, eq. 2), if they are calibrated; the validation rows choose it
whether they are or not.
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
"""Of the rows (or groups), and in all: the size of the resamples that say how far a threshold moves."""
THRESHOLD = "threshold"
"""In table `metrics`, of each trial: from which probability on it predicts the positive class."""


def recorded_thresholds(metrics: pd.DataFrame) -> dict[str, float]:
    """By trial that has one, from table `metrics`."""
    own = metrics[metrics["metric"] == THRESHOLD]
    return dict(zip(own["trial_id"], own["value"].astype(float), strict=True))


@dataclass(frozen=True)
class Answers:
    """A model's answers for some rows.

    Args:
        prediction: Probabilities `[rows, classes]`, or values `[rows]`.
        decided: What is predicted, as probabilities of 0 and 1 `[rows, classes]`; of values the same as `prediction`.
        costs: Of each row what its answer costs, and then what each possible answer would have: `[rows, 1 + classes]`;
            of values only the former. None: answers have no cost.
    """

    prediction: Array
    decided: Array
    costs: Array | None = None

    def of(self, rows: np.ndarray) -> Answers:
        """The answers for some of the rows (bool)."""
        return Answers(self.prediction[rows], self.decided[rows], None if self.costs is None else self.costs[rows])

    def read_by(self, metric: Metric) -> Array:
        """What a metric looks at.

        Raises:
            ValueError: answers have no cost, which is what it measures.
        """
        if metric.reads == "prediction":
            return self.prediction
        if metric.reads == "decided":
            return self.decided
        if self.costs is None:
            raise ValueError(f"{metric.name} needs evaluate.cost")
        return self.costs


def joined(parts: Sequence[Answers]) -> Answers:
    """The answers for rows of one part after another."""
    costs = [each.costs for each in parts if each.costs is not None]
    return Answers(
        np.concatenate([each.prediction for each in parts]),
        np.concatenate([each.decided for each in parts]),
        np.concatenate(costs) if costs else None,
    )


@dataclass(frozen=True)
class Deciding:
    """`Decides`, with the costs of a data set's rows.

    Args:
        how: As in plan.json.
        positive: Position of the class of interest of two; None: there is none.
        amounts: By `ACTUAL,PREDICTED` (positions) what that mistake costs in each row of the data set `[rows]`.
    """

    how: Decides = Decides()
    positive: int | None = None
    amounts: Mapping[str, Array] | None = None

    @property
    def chooses(self) -> bool:
        """Whether a model of two classes has a threshold of its own."""
        return self.positive is not None and self.how.rule is not None

    def threshold(self, target: np.ndarray, prediction: Array, rows: np.ndarray) -> float | None:
        """The probability of the positive class from which on it is predicted; None: the likeliest class is, or that of
        least expected cost.

        Args:
            target: Class indices of the validation rows.
            prediction: Their probabilities.
            rows: Their positions in the data set.
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
        """The share that each class counts with; None: that of its rows."""
        return None if self.how.prior is None else tuple(map(float, self.how.prior))

    def moves(self, target: np.ndarray, prediction: Array, rows: np.ndarray, groups: np.ndarray | None) -> Array:
        """Thresholds that resamples of the validation rows would have chosen, `[resamples]`; as for `threshold`.

        A resample has a third of the rows, and of very many rows fewer (m out of n, Bickel, Götze & van Zwet 1997): a
        best threshold nears the truth by the cube root of the rows, and the bootstrap of all rows is too narrow there
        (`tests.bench.costs`).
        """
        scores = self._scores(target, prediction, rows)
        drawn = _resamples(len(target), groups)
        return np.array([self._chosen(tuple(each[some] for each in scores)) for some in drawn])

    def _scores(self, target: np.ndarray, prediction: Array, rows: np.ndarray) -> tuple[Array, ...]:
        """What `Curve.of` takes."""
        assert self.positive is not None
        costs = self.of_answers(target, rows)
        extra = np.zeros(len(target)) if costs is None else costs[:, self.positive] - costs[:, 1 - self.positive]
        return prediction[:, self.positive], (target == self.positive).astype(np.float64), extra

    def _chosen(self, scores: tuple[Array, ...]) -> float:
        probability, positive, extra = scores
        curve = Curve.of(probability, positive, extra, self._weights(positive))
        return float(curve.thresholds[curve.chosen(self.how)])

    def _weights(self, positive: Array) -> Array | None:
        """What each row counts."""
        if self.prior is None or self.positive is None:
            return None
        return weights(positive, (self.prior[1 - self.positive], self.prior[self.positive]))

    def of_answers(self, target: np.ndarray, rows: np.ndarray) -> Array | None:
        """What each possible answer costs, `[rows, classes]`; None: nothing, or the target is a value."""
        costs = self.how.costs
        if costs is None or costs.matrix is None:
            return None
        found = np.array(costs.matrix, np.float64)[target]
        for place, amounts in (self.amounts or {}).items():
            actual, predicted = map(int, place.split(","))
            found[:, predicted] += np.where(target == actual, amounts[rows], 0.0)
        return found

    def answers(self, target: np.ndarray, prediction: Array, rows: np.ndarray, threshold: float | None) -> Answers:
        """What a model's outputs amount to.

        Args:
            target: Class indices, or values.
            prediction: Probabilities, or values.
            rows: Positions in the data set.
            threshold: As `threshold` chose it on the validation rows.
        """
        if prediction.ndim == 1:
            return Answers(prediction, prediction, self._of_errors(target, prediction))
        return self.answers_as(target, prediction, rows, self._decided(prediction, threshold))

    def answers_as(self, target: np.ndarray, prediction: Array, rows: np.ndarray, decided: Array) -> Answers:
        """As `answers` of probabilities, where it is known what the model decides: `Answers.decided`."""
        possible = self.of_answers(target, rows)
        if possible is None:
            return Answers(prediction, decided)
        own = possible[np.arange(len(target)), decided.argmax(axis=1)]
        return Answers(prediction, decided, np.column_stack([own, possible]))

    def _decided(self, prediction: Array, threshold: float | None) -> Array:
        if threshold is None and self.how.rule is None:
            return prediction  # whose largest is the likeliest
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
    """All thresholds that make a difference to some rows, from the one that predicts no positive on downwards.

    Args:
        thresholds: `[points]`, falling; between the probabilities of neighbouring rows.
        alarms: Rows that are predicted positive there, each as it counts.
        hits: Those of them that are.
        extra: What all of them together cost more than if none was.
    """

    thresholds: Array
    alarms: Array
    hits: Array
    extra: Array

    @classmethod
    def of(cls, probability: Array, positive: Array, extra: Array, weight: Array | None = None) -> Curve:
        """Of rows.

        Args:
            probability: Of the positive class `[rows]`.
            positive: 1 where it is the actual class, else 0.
            extra: What predicting a row positive costs more than not to.
            weight: What each row counts; None: 1.
        """
        weight = np.ones(len(probability)) if weight is None else weight
        order = np.argsort(-probability, kind="stable")
        ranked = probability[order]
        last = np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True])  # of each run of equal probabilities
        above = ranked[last]
        between = np.r_[(above[:-1] + above[1:]) / 2, 0.0]
        between = np.where(between >= np.r_[above[:-1], np.inf], above, between)  # neighbouring floats
        none = (1 + above[0]) / 2 if above[0] < 1 else np.nextafter(1.0, 2.0)
        counted = (weight, weight * positive, weight * extra)
        alarms, hits, costs = (np.r_[0.0, np.cumsum(each[order])[last]] for each in counted)
        return cls(np.r_[none, between], alarms, hits, costs)

    def chosen(self, how: Decides) -> int:
        """Which threshold a rule chooses, a position in `thresholds`. Of equally good ones the middle.

        A limit that no threshold keeps is kept as nearly as can be.
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
    """Places of drawn rows; groups are drawn whole."""
    rng = np.random.default_rng(0)
    units = None if groups is None else _members(groups)
    count = rows if units is None else len(units)
    size = max(1, round(min(_SHARE, _MOST / rows) * count))
    for _ in range(RESAMPLES):
        drawn = rng.integers(count, size=size)
        yield drawn if units is None else np.concatenate([units[unit] for unit in drawn])


def _members(groups: np.ndarray) -> list[np.ndarray]:
    """The places of each group's rows."""
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
