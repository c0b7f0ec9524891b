"""Which inputs the shipped model relies on: what shuffling each input costs, and how the answers depend on the top
ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.evaluation.association import alike
from tasks.evaluation.intervals import Array
from tasks.evaluation.metrics import METRICS
from tasks.evaluation.permutation import REPEATS, drop
from tasks.evaluation.predicted import Predicted
from tasks.evaluation.residuals import FEWEST, by_input
from tasks.inputs.prepared import Prepared
from tasks.records.inspection import Dependence, DependencePoint, ImportantInput, Influence
from tasks.records.verdict import Verdict

ROWS = 1000
INPUTS = 30
SHOWN = 3
CURVES = 300
"""Rows whose answers a partial dependence averages."""

POINTS = 20
_TAIL = 0.025  # share of rows at each end of a number's range that is not drawn

Answer = Callable[[pd.DataFrame | np.ndarray], Array]
"""From raw rows to probabilities `[rows, classes]`, or values `[rows]`."""


def influence(prepared: Prepared, verdict: Verdict, predicted: Predicted, answer: Answer) -> Influence | None:
    """Measures the influence of inputs on the shipped model, on at most `ROWS` of the judged rows. None where the
    inputs are not columns, or there are too few rows.

    Args:
        predicted: The model's answers for the judged rows.
        answer: The model.
    """
    dataset = prepared.dataset
    names = dataset.numbers + dataset.categories + dataset.texts
    if not names:
        return None
    table, predicted = rows_of(prepared, predicted)
    if len(table) < 2 * FEWEST:
        return None
    chosen = np.sort(np.random.default_rng(0).permutation(len(table))[:ROWS])
    table, predicted = table.iloc[chosen].reset_index(drop=True), predicted.at(chosen)
    column, of = _spoken_of(prepared, predicted)
    answers = answer(table)
    looked_at = _first(names, table, _column(answers, column))
    groups = alike(table[looked_at])
    confidence = 1 - (1 - verdict.confidence) / len(groups)
    shuffles = _Shuffles(prepared, verdict, predicted, table, answer, answers, confidence)
    found = [shuffles.importance(group) for group in groups]
    found.sort(key=lambda each: -(each.drop.mean or 0.0))
    leading = [name for each in found if (each.drop.mean or 0.0) > 0 for name in each.names]
    drawn = [name for name in leading if name not in dataset.texts][:SHOWN]
    few = table.iloc[:CURVES]
    return Influence(
        metric=verdict.metric,
        rows=len(table),
        inputs=found,
        left_out=len(names) - len(looked_at),
        dependence=[each for name in drawn if (each := _dependence(name, few, answer, column)) is not None],
        of=of,
    )


def rows_of(prepared: Prepared, predicted: Predicted) -> tuple[pd.DataFrame, Predicted]:
    """The inputs of the predicted rows, and their predictions; of streamed data, only those rows that are in memory."""
    dataset = prepared.dataset
    if dataset.streamed is None:
        return dataset.table.iloc[predicted.rows], predicted
    sample = dataset.streamed.sample
    predicted = predicted.at(np.flatnonzero(np.isin(predicted.rows, sample)))
    return dataset.table.iloc[np.searchsorted(sample, predicted.rows)], predicted


def _first(names: Sequence[str], table: pd.DataFrame, answers: Array) -> list[str]:
    """The inputs to look at: all, or where there are too many, those most associated with the answers, each alone."""
    if len(names) <= INPUTS:
        return list(names)
    found = {name: by_input(name, table[name], answers, 0.95) for name in names}
    strength = {name: each.association if each else 0.0 for name, each in found.items()}
    return sorted(sorted(names, key=lambda name: -strength[name])[:INPUTS], key=list(names).index)


@dataclass(frozen=True)
class _Shuffles:
    """Measures what it costs the model when inputs are shuffled.

    Args:
        predicted: The judged rows.
        table: Their inputs.
        answers: The model's answers for the inputs as they are.
        confidence: The confidence of each interval.
    """

    prepared: Prepared
    verdict: Verdict
    predicted: Predicted
    table: pd.DataFrame
    answer: Answer
    answers: Array
    confidence: float

    def importance(self, group: list[str]) -> ImportantInput:
        """The importance of inputs that are shuffled together."""
        rng, shuffles = np.random.default_rng(0), []
        for _ in range(REPEATS):
            order = rng.permutation(len(self.table))
            shuffles.append(self.table.assign(**{name: self.table[name].to_numpy()[order] for name in group}))
        shuffled = np.split(self.answer(pd.concat(shuffles, ignore_index=True)), REPEATS)
        deciding = self.prepared.deciding
        found = drop(
            METRICS[self.verdict.metric],
            self.predicted.target,
            self._read(self.answers),
            [self._read(each) for each in shuffled],
            self.confidence,
            groups=self.predicted.groups,
            positive=deciding.positive,
            prior=deciding.prior,
        )
        return ImportantInput(names=group, drop=found.estimate(), matters=found.low is not None and found.low > 0)

    def _read(self, answers: Array) -> Array:
        """The answers in the form that the metric reads."""
        threshold = self.verdict.operating_point.threshold if self.verdict.operating_point else None
        rows = self.predicted
        decided = self.prepared.deciding.answers(rows.target, answers, rows.rows, threshold)
        return decided.read_by(METRICS[self.verdict.metric])


def _spoken_of(prepared: Prepared, predicted: Predicted) -> tuple[int | None, str | None]:
    """Position and name of the class whose probability is drawn: the positive class, else the most common one; None and
    None for regression."""
    classes = prepared.dataset.classes
    if classes is None:
        return None, None
    positive = prepared.deciding.positive
    column = int(np.bincount(predicted.target).argmax()) if positive is None else positive
    return column, classes[column]


def _column(answers: Array, column: int | None) -> Array:
    return answers if column is None else answers[:, column]


def _dependence(name: str, table: pd.DataFrame, answer: Answer, column: int | None) -> Dependence | None:
    """Partial dependence (Friedman 2001, Ann. Stat. 29:1189), with the spread of centred individual curves (Goldstein
    et al. 2015, JCGS 24:44). None where the input has fewer than two values to draw."""
    values = _grid(table[name])
    if len(values) < 2:
        return None
    number = pd.api.types.is_numeric_dtype(table[name])
    dtype = np.float64 if number else table[name].dtype
    same = [pd.Series([value] * len(table), index=table.index, dtype=dtype) for value in values]
    copies = [table.assign(**{name: each}) for each in same]
    answers = _column(answer(pd.concat(copies, ignore_index=True)), column).reshape(len(values), len(table))
    means = answers.mean(axis=1)
    around = answers - answers.mean(axis=0) + answers.mean()
    low, high = np.quantile(around, [0.25, 0.75], axis=1)
    return Dependence(
        name=name,
        points=[
            DependencePoint(
                at=value if isinstance(value, float) else None,
                name=value if isinstance(value, str) else None,
                mean=float(means[at]),
                low=float(low[at]),
                high=float(high[at]),
            )
            for at, value in enumerate(values)
        ],
    )


def _grid(values: pd.Series) -> list[float] | list[str]:
    """The values to draw: of a number, evenly spaced quantiles without the tails; of a category, values that many rows
    share."""
    known = values.dropna()
    if known.empty:
        return []
    if pd.api.types.is_numeric_dtype(values):
        steps = np.quantile(known.to_numpy(np.float64), np.linspace(_TAIL, 1 - _TAIL, POINTS))
        return [float(value) for value in np.unique(steps)]
    counts = known.value_counts()
    return [str(value) for value in counts[counts >= min(FEWEST, len(known) // 4)].index[:POINTS]]
