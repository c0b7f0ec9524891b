"""The part of verdict.json on slices: figures of each, fairness differences, and the cost of meeting a gate on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from tasks.records.documents import OMITTED
from tasks.records.estimate import Estimate


@dataclass(frozen=True, kw_only=True)
class JudgedSlice:
    """One slice. Each interval holds for itself, not for all slices together.

    Args:
        name: The name that readers see.
        values: The value of each column, as a gate writes it.
        rows: Number of rows of the judged part.
        few: Whether these are too few to tell anything.
        positives: Number of rows of the positive class. Only for two classes, like the rates.
        metric: The deciding metric.
        selection: Share of rows predicted positive.
        true_positive, false_positive: The same share, of the rows that are positive, and of those that are not.
        residual: For regression, the mean of predicted minus actual.
        cost: The cost of a case, where answers have a cost.
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
        lies: The two slices that it is between, and the rate that it is of.
    """

    metric: str
    title: str
    difference: Estimate
    lies: str


@dataclass(frozen=True, kw_only=True)
class WorstSlice:
    """The slice that the deciding metric is worst in.

    Args:
        metric: With an interval that is corrected for the number of slices.
        others: The metric on all other rows, with such an interval.
        slices: The number of slices that were looked at.
        worse: Whether its interval lies wholly on the worse side of that of the others.
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
    """The judged rows, divided by the values of some columns.

    Args:
        nothing: Why slices can't be compared; None where they can.
        differences: Fairness differences, for two classes.
        worst: None where fewer than two slices have enough rows.
    """

    columns: Sequence[str]
    slices: Sequence[JudgedSlice]
    nothing: Annotated[str | None, OMITTED] = None
    differences: Sequence[SliceDifference]
    worst: Annotated[WorstSlice | None, OMITTED] = None


@dataclass(frozen=True, kw_only=True)
class FairnessPrice:
    """The additional cost of a case if another threshold, one for all slices, meets a fairness gate.

    Args:
        metric, by, at_most: Those of the gate.
        threshold: The threshold of least cost on the validation part that meets the gate's limit, as estimated there;
            None: no threshold does.
        chosen_cost, least_cost: The cost of a case there, with that threshold and with the best of all thresholds.
        more: The additional cost of a case on the judged part, compared with the shipped model's threshold, paired by
            row.
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
