"""What verdict.json holds of slices: figures of each, fairness differences, and what meeting a gate on them costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from tasks.records.documents import OMITTED
from tasks.records.estimate import Estimate


@dataclass(frozen=True, kw_only=True)
class JudgedSlice:
    """One slice. Intervals hold one by one, not for all slices together.

    Args:
        name: For a reader.
        values: Of each column, as a gate says them.
        rows: Of the judged part.
        few: Whether they are too few to tell.
        positives: Rows of the positive class; of two classes, as are the rates.
        metric: The deciding one.
        selection: Share of rows predicted positive.
        true_positive, false_positive: The same of the rows that are positive, and that are not.
        residual: Of a value the mean of predicted minus actual.
        cost: Of a case, where answers have one.
    """

    name: str
    values: Sequence[str]
    rows: int
    few: bool
    positives: Annotated[int | None, OMITTED] = None
    metric: Estimate
    selection: Annotated[Estimate | None, OMITTED] = None
    true_positive: Annotated[Estimate | None, OMITTED] = None
    false_positive: Annotated[Estimate | None, OMITTED] = None
    residual: Annotated[Estimate | None, OMITTED] = None
    cost: Annotated[Estimate | None, OMITTED] = None


@dataclass(frozen=True, kw_only=True)
class SliceDifference:
    """A fairness difference: the largest between two slices, with bounds that hold for all slices together.

    Args:
        metric: Its name in a gate.
        lies: Between which slices, in which rate.
    """

    metric: str
    title: str
    difference: Estimate
    lies: str


@dataclass(frozen=True, kw_only=True)
class WorstSlice:
    """The slice that the deciding metric is worst in.

    Args:
        metric: With an interval that is corrected for looking at all slices.
        others: Of all other rows, likewise.
        slices: So many were looked at.
        worse: Whether it is told from the others.
        sentence: The same in words.
    """

    name: str
    metric: Estimate
    others: Estimate
    slices: int
    worse: bool
    sentence: str


@dataclass(frozen=True, kw_only=True)
class JudgedSlicing:
    """The judged rows divided by some columns.

    Args:
        nothing: Why there is nothing to compare; None: there is.
        differences: Of two classes.
        worst: None where fewer than two slices can be told of.
    """

    columns: Sequence[str]
    slices: Sequence[JudgedSlice]
    nothing: Annotated[str | None, OMITTED] = None
    differences: Sequence[SliceDifference]
    worst: Annotated[WorstSlice | None, OMITTED] = None


@dataclass(frozen=True, kw_only=True)
class FairnessPrice:
    """What a case costs more where a fairness gate is met by another threshold, one for all slices.

    Args:
        metric, by, at_most: Of the gate.
        threshold: The one of least cost on the validation part that meets the gate's difference as estimated there;
            None: none does.
        chosen_cost, least_cost: Of a case there: with that threshold, and with the best of all.
        more: On the judged part, what a case costs more than with the shipped model's threshold, paired by row.
        difference: The fairness difference on the judged part with that threshold, as estimated.
    """

    metric: str
    by: Sequence[str]
    at_most: float
    threshold: float | None = None
    chosen_cost: float | None = None
    least_cost: float | None = None
    more: Estimate | None = None
    difference: float | None = None
