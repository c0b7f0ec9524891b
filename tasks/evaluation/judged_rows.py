"""The rows of one part with the answers of several models: metrics, gates and differences on them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from tasks.dataset import TEST
from tasks.evaluation import gates, wording
from tasks.evaluation.clusters import groups_of
from tasks.evaluation.decisions import LIKELIEST, Answers, Deciding, joined, recorded_thresholds
from tasks.evaluation.differences import left_out, widened, widening
from tasks.evaluation.fairness import FAIRNESS
from tasks.evaluation.fold_scores import PROCEDURE, FoldScores
from tasks.evaluation.footprint import FOOTPRINT, Measure, at_footprint_gate
from tasks.evaluation.intervals import Interval, NoInterval, difference_interval, over_folds_and_rows, resample
from tasks.evaluation.metrics import METRICS, Metric
from tasks.evaluation.priors import Prior
from tasks.evaluation.slices import Slicing, at_gate
from tasks.records.estimate import Estimate
from tasks.records.plan import DataFacts, Plan
from tasks.records.verdict import GateResult, PositiveClass, Verdict


@dataclass(frozen=True)
class Classes:
    """The classes of the target, and which one is positive.

    Args:
        names: Class names in order; empty for regression.
        positive: Position of the positive class, or None.
        why: How the positive class was chosen.
        currency: Unit of costs, where it is known.
    """

    names: tuple[str, ...]
    positive: int | None
    why: str | None
    currency: str | None = None

    @classmethod
    def of(cls, data: DataFacts, currency: str | None = None) -> Classes:
        """Reads the classes from plan.json's `data`. Old runs do not name the positive class: there it is the last of
        two."""
        names = tuple(data.classes or ())
        positive = data.positive
        if positive is None:
            return cls(names, len(names) - 1 if len(names) == 2 else None, None, currency)
        return cls(names, names.index(positive), data.positive_why, currency)

    @property
    def name(self) -> str | None:
        return None if self.positive is None else self.names[self.positive]

    def titled(self, metric: Metric) -> str:
        title = metric.titled(self.name, len(self.names))
        return f"{title} in {self.currency}" if metric.reads == "cost" and self.currency else title


@dataclass(frozen=True)
class JudgedRows:
    """The rows of a part, and each model's answers for them.

    Args:
        target: `[rows]`, class index or value.
        groups: `[rows]` or None.
        classes: Classes of the target.
        confidence: Confidence level of the intervals, in (0, 1).
        answers: `trial_id` to its answers.
        rows: Positions in the data set `[rows]`.
        slicings: Divisions of the data set's rows into slices, for gates on slices.
        prior: Share that each class is weighted to; None: classes keep their shares of the rows.
        measure: Measures a model's footprint (size, latency), for gates on it.
        folds: Scores by fold, where the procedure is evaluated out of fold: then intervals and differences are over
            folds, not over rows.
        in_folds: With `folds`: model, or `PROCEDURE`, to the rows of every fold with the answers of its trial there;
            None where nothing ended well. Needed for slices, since `folds` has no figures of them.
        parts: A subset of rows by fold, of all repeats, where the evaluation is out of fold; the other fields then hold
            the rows of the first repeat. Intervals are then over folds and over rows.
        ratio: See `over_folds`.
    """

    target: np.ndarray
    groups: np.ndarray | None
    classes: Classes
    confidence: float
    answers: Mapping[str, Answers]
    rows: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    slicings: Sequence[Slicing] = ()
    prior: Prior | None = None
    measure: Measure | None = None
    folds: FoldScores | None = None
    in_folds: Mapping[str, Sequence[JudgedRows | None]] = field(default_factory=dict)
    parts: Sequence[JudgedRows] | None = None
    ratio: float = 0.0

    @classmethod
    def read(
        cls,
        predictions: pd.DataFrame,
        splits: pd.DataFrame,
        part: str,
        wanted: Collection[str],
        classes: Classes,
        confidence: float,
        deciding: Deciding = LIKELIEST,
        thresholds: Mapping[str, float] = {},
    ) -> JudgedRows:
        """Reads the rows and the answers of the trials in `wanted`.

        Args:
            deciding: Turns predictions into answers with costs.
            thresholds: Trial to the probability from which it predicts the positive class.

        Raises:
            ValueError: a trial has no predictions, two trials predict different rows, or a class is missing.
        """
        if not wanted:
            return cls(np.empty(0), None, classes, confidence, {})
        of_part = (predictions["part"] == part).to_numpy(bool)
        trials, width = predictions["trial_id"], len(classes.names) or 1
        answers: dict[str, Answers] = {}
        rows, target = np.empty(0, np.int64), np.empty(0)
        for trial in sorted(wanted):  # one at a time, since the table is large with many rows and trials
            own = predictions[of_part & (trials == trial).to_numpy(bool)]
            if own.empty:
                raise ValueError(f"no {part} predictions of {trial}")
            own = own.sort_values(["row", "class_index"], kind="stable")
            predicted = own["row"].to_numpy(np.int64)
            if not answers:
                rows, target = predicted[::width], own["target"].to_numpy(dtype=np.float64)[::width]
            if not np.array_equal(predicted, np.repeat(rows, width)):
                raise ValueError(f"trial {trial} does not predict each {part} row once, or another one's rows")
            value = own["value"].to_numpy(dtype=np.float64, na_value=np.nan)
            values = value.reshape(-1, width) if classes.names else value
            actual = target.astype(np.int64) if classes.names else target
            answers[trial] = deciding.answers(actual, values, rows, thresholds.get(trial))
        groups = groups_of(splits, part, rows)
        return cls(target, groups, classes, confidence, answers, rows, prior=deciding.prior)

    @classmethod
    def of_shipped(
        cls, plan: Plan, verdict: Verdict, deciding: Deciding, tables: Mapping[str, pd.DataFrame]
    ) -> JudgedRows:
        """The test rows with the answers of the model that a run ships.

        Args:
            tables: The run's `predictions`, `metrics` and `splits`.
        """
        assert verdict.shipped is not None
        costs = plan.decides.costs if plan.decides else None
        return cls.read(
            tables["predictions"],
            tables["splits"],
            TEST,
            [verdict.shipped.trial_id],
            Classes.of(plan.data, costs.currency if costs else None),
            plan.confidence,
            deciding,
            recorded_thresholds(tables["metrics"]),
        )

    def where(self, rows: np.ndarray, trial: str) -> JudgedRows:
        """Some of the rows (bool) with one model's answers. `prior` is dropped, since the real class shares among these
        rows are not known. Out of fold, each fold's rows come with the answers of the model's trial in that fold."""
        if self.folds is not None:
            return self._where_in_folds(self.rows[rows], trial)
        groups = None if self.groups is None else self.groups[rows]
        answers = {trial: self.answers[trial].of(rows)}
        return JudgedRows(self.target[rows], groups, self.classes, self.confidence, answers, self.rows[rows])

    def _where_in_folds(self, wanted: np.ndarray, trial: str) -> JudgedRows:
        assert self.folds is not None
        who, held = PROCEDURE if self.folds.whole else trial, self.folds.held_out
        parts = [
            JudgedRows(np.empty(0), None, self.classes, self.confidence, {})
            if part is None
            else replace(part, answers={trial: part.answers[who]}).where(np.isin(part.rows, wanted), trial)
            for part in self.in_folds[who]
        ]
        first = [part for part in parts[: held.folds] if len(part.rows)]
        if not first:
            return replace(parts[0], parts=parts, ratio=held.ratio)
        groups = None if self.groups is None else self.groups[np.searchsorted(self.rows, _joined(first, "rows"))]
        answers = {trial: joined([part.answers[trial] for part in first])}
        return JudgedRows(
            _joined(first, "target"),
            groups,
            self.classes,
            self.confidence,
            answers,
            _joined(first, "rows"),
            parts=parts,
            ratio=held.ratio,
        )

    @property
    def of_procedure(self) -> JudgedRows:
        """The same rows; out of fold, the figures are those of the procedure, whatever model is asked for."""
        return self if self.folds is None else replace(self, folds=self.folds.of_procedure)

    def interval(self, trial: str, metric: Metric) -> Interval:
        """The metric with its interval over the rows, or over folds."""
        if self.folds is not None:
            return self.folds.interval(trial, metric, self.confidence)
        answers = self.answers[trial].read_by(metric)
        over_rows = metric.over_rows(
            self.target, answers, self.confidence, self.groups, self.classes.positive, self.prior
        )
        if self.parts is None:
            return over_rows
        return self.over_parts(over_rows, lambda part: part.value(trial, metric)).within(*metric.bounds)

    def value(self, trial: str, metric: Metric) -> float:
        """The metric over the rows, without an interval; NaN where it is undefined."""
        answers = self.answers[trial].read_by(metric)
        return metric.function(self.target, answers, self.classes.positive, self.prior)

    def over_parts(self, over_rows: Interval, value: Callable[[JudgedRows], float]) -> Interval:
        """`over_folds_and_rows` for a figure that is computed on the rows of each fold.

        Args:
            over_rows: The interval of the rows of the first repeat.
            value: Computes the figure on one fold's rows (at least one); NaN where it is undefined.
        """
        assert self.parts is not None
        values = np.array([value(part) if len(part.rows) else np.nan for part in self.parts])
        return over_folds_and_rows(values, over_rows, self.ratio, self.confidence)

    def intervals(self, trial: str, names: Sequence[str]) -> dict[str, Estimate]:
        return {name: self.interval(trial, METRICS[name]).estimate() for name in names}

    def gates(self, trial: str | None, gated: Sequence[Mapping[str, Any]]) -> list[GateResult]:
        """Evaluates a trial at the gates of a spec. Without a trial they are undecided: a blocking gate must not pass
        because there is no model."""
        return [self._gate(trial, gate) for gate in gated]

    def _gate(self, trial: str | None, gate: Mapping[str, Any]) -> GateResult:
        if gate.get("slice") or gate["metric"] in FAIRNESS:
            return gates.judge_gate(*at_gate(gate, self, trial))
        if gate["metric"] in FOOTPRINT:
            return gates.judge_gate(gate, *at_footprint_gate(gate, trial, self.measure, self.confidence))
        metric = METRICS[gate["metric"]]
        title = self.classes.titled(metric)
        if trial is None:
            return gates.judge_gate(gate, Interval(np.nan, None, None), title)
        return gates.judge_gate(gate, self.interval(trial, metric), title, self._basis(trial, metric))

    def differences(self, trial: str, others: Mapping[str, str], metric: Metric, resamples: int) -> dict[str, Interval]:
        """How much better `trial` is than each of `others` (name to trial) on the same rows; positive = better."""
        if self.folds is not None:
            held = self.folds
            return {name: held.difference(trial, other, metric, self.confidence) for name, other in others.items()}
        wanted = dict.fromkeys([trial, *others.values()])
        positive = self.classes.positive
        answers = {each: self.answers[each].read_by(metric) for each in wanted}
        statistics = {each: metric.resampled(self.target, answers[each], positive, self.prior) for each in wanted}
        drawn = resample(statistics, len(self.target), groups=self.groups, resamples=resamples)
        estimates = {each: metric.function(self.target, answers[each], positive, self.prior) for each in wanted}
        found = {
            name: difference_interval(
                metric, (estimates[trial], estimates[other]), (drawn[trial], drawn[other]), self.confidence
            )
            for name, other in others.items()
        }
        if metric.reads != "prediction" or not metric.smooth:
            return found
        try:
            factor = widening(self.target, self.groups, len(self.classes.names))
        except NoInterval as why:
            return {name: Interval(each.mean, None, None, str(why)) for name, each in found.items()}
        without = {each: left_out(statistics[each], len(self.target), self.groups) for each in wanted}
        return {
            name: widened(found[name], metric.sign * (without[trial] - without[other]), factor, self.confidence)
            for name, other in others.items()
        }

    def strength(self, trial: str) -> float:
        """The share of guessing's errors that a model removes. Guessing means always predicting the most common class,
        or the mean (with squared errors). NaN where guessing makes no error."""
        if not self.classes.names:
            return METRICS["r2"].function(self.target, self.answers[trial].prediction)
        share = self.majority_share() or 0.0
        right = METRICS["accuracy"].function(self.target, self.answers[trial].prediction, prior=self.prior)
        return 1 - (1 - right) / (1 - share) if share < 1 else np.nan

    def positive(self) -> PositiveClass | None:
        """The positive class as in verdict.json, with its number of rows."""
        name = self.classes.name
        if name is None:
            return None
        rows = int((self.target == self.classes.positive).sum())
        return PositiveClass(name=name, why=self.classes.why, rows=rows, of=len(self.target))

    def majority(self) -> str | None:
        """The class with the largest share (of `prior`, else of the rows); None without rows or classes."""
        if not self.classes.names or not len(self.target):
            return None
        return self.classes.names[int(np.argmax(self._counts()))]

    def majority_share(self) -> float | None:
        """The share of that class; None without rows or classes."""
        if not self.classes.names or not len(self.target):
            return None
        counts = self._counts()
        return float(max(counts) / sum(counts))

    def _counts(self) -> Sequence[float]:
        """The weight of each class: its number of rows, or its share in `prior`."""
        return np.bincount(self.target.astype(np.int64)).tolist() if self.prior is None else self.prior

    def _basis(self, trial: str, metric: Metric) -> str:
        """The rows that a metric of one class is computed from: `on 11 rows of fraud, 3 rows predicted so`."""
        if self.folds is not None:
            return "out of fold"
        positive = self.classes.positive
        if not metric.of_class or positive is None:
            return ""
        actual = int((self.target == positive).sum())
        predicted = int((self.answers[trial].decided.argmax(axis=1) == positive).sum())
        return f"on {wording.rows(actual)} of {self.classes.name}, {wording.rows(predicted)} predicted so"


def _joined(parts: Sequence[JudgedRows], name: str) -> np.ndarray:
    return np.concatenate([getattr(part, name) for part in parts])
