"""Divides the test rows by one column, by two, or by a number's quantiles, and evaluates the shipped model in each
slice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.evaluation import wording
from tasks.evaluation.fairness import FAIRNESS, Gap, Predicted, gap, gap_over_folds
from tasks.evaluation.intervals import Interval, NoInterval
from tasks.evaluation.metrics import COST, METRICS, Metric
from tasks.evaluation.residuals import mean_interval
from tasks.evaluation.rounding import interval
from tasks.evaluation.shares import share_interval
from tasks.evaluation.wording import inside, listing
from tasks.records.estimate import Estimate
from tasks.records.slices import JudgedSlice, JudgedSlicing, SliceDifference, WorstSlice
from tasks.records.verdict import of_gate

if TYPE_CHECKING:
    from tasks.evaluation.judged_rows import JudgedRows

FEWEST_ROWS = 30
"""Fewest rows of a slice to draw conclusions from: with fewer, an exact 95% interval of a share may be 37 points
wide."""


@dataclass(frozen=True)
class Slice:
    """Rows with equal values in a slicing's columns.

    Args:
        values: Value of each column, as written in a gate; for quantiles the position, from 1.
        name: Name for a reader.
    """

    values: tuple[str, ...]
    name: str


@dataclass(frozen=True)
class Slicing:
    """A division of all rows of a data set into slices.

    Args:
        columns: Columns that divide the rows.
        slices: The slices, in order.
        of_row: Position in `slices` of each row of the data set `[rows]`.
    """

    columns: tuple[str, ...]
    slices: Sequence[Slice]
    of_row: np.ndarray

    @property
    def name(self) -> str:
        return " and ".join(self.columns)

    def at(self, wanted: Mapping[str, str]) -> int | None:
        """The position of the slice with these values (column to value); None where there is none."""
        if set(wanted) != set(self.columns):
            return None
        values = tuple(wanted[column] for column in self.columns)
        return next((place for place, each in enumerate(self.slices) if each.values == values), None)

    def named(self, place: int) -> dict[str, str]:
        """A slice as column to value, for a reader: quantiles with their ends."""
        found = self.slices[place]
        names = (found.name,) if len(self.columns) == 1 else found.values
        return dict(zip(self.columns, names, strict=True))


def chosen(slicings: Sequence[Slicing], columns: str | Sequence[str] | None) -> Slicing:
    """The slicing by these columns, in any order; None: the only one."""
    if columns is None:
        return slicings[0]
    wanted = {columns} if isinstance(columns, str) else set(columns)
    return next(each for each in slicings if set(each.columns) == wanted)


def judge_slicing(slicing: Slicing, test: JudgedRows, trial: str, metric: Metric, costs: bool) -> JudgedSlicing:
    """Evaluates a model in each slice.

    Args:
        test: The test rows with the model's answers.
        trial: The model's trial.
        metric: The deciding metric.
        costs: Whether answers have a cost.
    """
    of_row = slicing.of_row[test.rows]
    parts = {place: test.where(of_row == place, trial) for place in np.unique(of_row).tolist()}
    found = [_judged(each, parts.get(place), trial, metric, costs) for place, each in enumerate(slicing.slices)]
    compares = len(parts) > 1
    differences = [_difference(name, slicing, test, trial) for name in FAIRNESS] if _two(test) and compares else []
    return JudgedSlicing(
        columns=list(slicing.columns),
        slices=found,
        nothing=None if compares else _nothing(slicing, parts),
        differences=differences,
        worst=_worst(slicing, parts, test, trial, metric),
    )


def _two(test: JudgedRows) -> bool:
    return len(test.classes.names) == 2 and test.classes.positive is not None


def _nothing(slicing: Slicing, parts: Iterable[int]) -> str:
    names = [slicing.slices[place].name for place in parts]
    return f"Nothing to compare: {slicing.name} is {listing(names)} in every test row."


def _judged(each: Slice, rows: JudgedRows | None, trial: str, metric: Metric, costs: bool) -> JudgedSlice:
    empty = Estimate(None)
    if rows is None:
        return JudgedSlice(name=each.name, values=list(each.values), rows=0, few=True, metric=empty)
    judged = JudgedSlice(
        name=each.name,
        values=list(each.values),
        rows=len(rows.target),
        few=len(rows.target) < FEWEST_ROWS,
        metric=rows.interval(trial, metric).estimate(),
        cost=rows.interval(trial, METRICS[COST]).estimate() if costs else None,
    )
    if not rows.classes.names:
        return replace(judged, residual=_residual(rows, trial))
    return replace(judged, **_rates(rows, trial)) if _two(rows) else judged


def _residual(rows: JudgedRows, trial: str) -> Estimate:
    off = rows.answers[trial].prediction - rows.target
    ends = mean_interval(off, rows.confidence, rows.groups)
    found = Interval(float(off.mean()), ends["low"], ends["high"])
    if rows.parts is not None:
        found = rows.over_parts(found, lambda part: float((part.answers[trial].prediction - part.target).mean()))
    return found.estimate()


Counted = Callable[[np.ndarray], np.ndarray]
"""Maps which rows are positive to the rows that a rate is computed on, bool `[rows]`."""


def _rates(rows: JudgedRows, trial: str) -> dict[str, Any]:
    return {
        "positives": int((rows.target == rows.classes.positive).sum()),
        "selection": _share(rows, trial, np.ones_like),
        "true_positive": _share(rows, trial, np.copy),
        "false_positive": _share(rows, trial, np.logical_not),
    }


def _actual_and_predicted(rows: JudgedRows, trial: str) -> tuple[np.ndarray, np.ndarray]:
    positive = rows.classes.positive
    return rows.target == positive, rows.answers[trial].decided.argmax(axis=1) == positive


def _share(rows: JudgedRows, trial: str, counted: Counted) -> Estimate:
    actual, predicted = _actual_and_predicted(rows, trial)
    own = counted(actual)
    if not own.any():
        return Estimate(None)
    hit, groups = predicted[own], None if rows.groups is None else rows.groups[own]
    try:
        found = Interval(float(hit.mean()), *share_interval(hit, rows.confidence, groups))
    except NoInterval:
        found = Interval(float(hit.mean()), None, None)
    if rows.parts is not None:
        found = rows.over_parts(found, lambda part: _hits(part, trial, counted)).within(0.0, 1.0)
    return found.estimate()


def _hits(rows: JudgedRows, trial: str, counted: Counted) -> float:
    """The share of predicted positives among the counted rows; NaN where there are none."""
    actual, predicted = _actual_and_predicted(rows, trial)
    own = counted(actual)
    return float(predicted[own].mean()) if own.any() else np.nan


def _gap(name: str, slicing: Slicing, test: JudgedRows, trial: str) -> Gap:
    rows = test if test.folds is None else test.where(np.ones(len(test.rows), bool), trial)
    pooled = _predicted(rows, slicing, trial)
    if rows.parts is None:
        return gap(name, pooled.actual, pooled.predicted, pooled.of_slice, test.confidence, pooled.groups)
    parts = [_predicted(part, slicing, trial) for part in rows.parts if len(part.rows)]
    if len(parts) < len(rows.parts):
        lacking = len(rows.parts) - len(parts)
        return Gap(Interval(np.nan, None, None, f"no model ended well in {lacking} of {len(rows.parts)} folds"))
    return gap_over_folds(name, parts, pooled, rows.ratio, test.confidence)


def _predicted(rows: JudgedRows, slicing: Slicing, trial: str) -> Predicted:
    actual, predicted = _actual_and_predicted(rows, trial)
    return Predicted(actual, predicted, slicing.of_row[rows.rows], rows.groups)


def _difference(name: str, slicing: Slicing, test: JudgedRows, trial: str) -> SliceDifference:
    found = _gap(name, slicing, test, trial)
    return SliceDifference(
        metric=name, title=FAIRNESS[name], difference=found.interval.estimate(), lies=_lies(found, slicing)
    )


def _lies(found: Gap, slicing: Slicing) -> str:
    """Where a difference lies: `between M and F in the true positive rate`."""
    if found.highest is None or found.lowest is None:
        return ""
    names = slicing.slices[found.highest].name, slicing.slices[found.lowest].name
    return f"between {names[0]} and {names[1]} in the {found.rate}"


def _worst(
    slicing: Slicing, parts: Mapping[int, JudgedRows], test: JudgedRows, trial: str, metric: Metric
) -> WorstSlice | None:
    """The slice in which the metric is worst, compared with all other rows. The intervals are corrected for looking at
    all slices (Bonferroni). None where fewer than two slices have enough rows and a value."""
    told = {place: rows for place, rows in parts.items() if len(rows.target) >= FEWEST_ROWS}
    means = {place: rows.interval(trial, metric).mean for place, rows in told.items()}
    means = {place: mean for place, mean in means.items() if np.isfinite(mean)}
    if len(means) < 2:
        return None
    worst = min(means, key=lambda place: metric.sign * means[place])
    confidence = 1 - (1 - test.confidence) / len(means)
    rest = test.where(slicing.of_row[test.rows] != worst, trial)
    corrected, others = (replace(rows, confidence=confidence).interval(trial, metric) for rows in (told[worst], rest))
    name, below = slicing.slices[worst].name, _beyond(corrected, others, metric.sign)
    title = inside(test.classes.titled(metric))
    reading = f"{interval(corrected.estimate())}, against {interval(others.estimate())} of other rows"
    answer = "it is worse there" if below else "whether it is really worse there can't be told"
    return WorstSlice(
        name=name,
        metric=corrected.estimate(),
        others=others.estimate(),
        slices=len(means),
        worse=below,
        sentence=f"Of the {len(means)} slices with {FEWEST_ROWS} rows or more, {title} is worst for {name}: {reading}: "
        f"{answer}. Both intervals are corrected for looking at all of them (Bonferroni).",
    )


def _beyond(worst: Interval, others: Interval, sign: int) -> bool:
    """Whether one interval lies wholly on the worse side of the other."""
    if worst.low is None or worst.high is None or others.low is None or others.high is None:
        return False
    return worst.high < others.low if sign > 0 else worst.low > others.high


def at_gate(
    gate: Mapping[str, Any], test: JudgedRows, trial: str | None
) -> tuple[Mapping[str, Any], Interval, str, str]:
    """A model's figure at a gate on a slice or on a fairness difference: the arguments of `gates.judge_gate`.

    Args:
        gate: The gate as in the spec, with `slice`, or with a metric of `FAIRNESS`.
        trial: The model's trial; None: there is no model.

    Returns:
        The gate (`by` with all its columns, `slice` in words for a reader), the metric's interval, its title, and the
        slices that differ or the rows that it was measured on, in words.
    """
    if gate["metric"] in FAIRNESS:
        slicing = chosen(test.slicings, gate.get("by"))
        gate = {**gate, "by": list(slicing.columns)}
        title = FAIRNESS[gate["metric"]] + of_gate(gate["by"], None)
        if trial is None:
            return gate, Interval(np.nan, None, None), title, ""
        found = _gap(gate["metric"], slicing, test, trial)
        return gate, found.interval, title, _lies(found, slicing)
    metric = METRICS[gate["metric"]]
    slicing = chosen(test.slicings, list(gate["slice"]))
    place = slicing.at(gate["slice"])
    assert place is not None  # checked in `datasets.slices`
    gate = {**gate, "slice": slicing.named(place)}
    title = test.classes.titled(metric) + of_gate(None, gate["slice"])
    if trial is None:
        return gate, Interval(np.nan, None, None), title, ""
    rows = slicing.of_row[test.rows] == place
    if not rows.any():
        return gate, Interval(np.nan, None, None, "no test row is of this slice"), title, ""
    basis = f"{'' if test.folds is None else 'out of fold, '}on {wording.rows(int(rows.sum()))}"
    return gate, test.where(rows, trial).interval(trial, metric), title, basis
