"""How much predictions differ between slices: demographic parity and equalised odds differences.

Over slices g, of two classes, with prediction P and target Y (Hardt, Price & Srebro 2016; Agarwal et al. 2018):

- demographic parity difference: max over pairs of |P(P = 1 | g) - P(P = 1 | g')|
- equalised odds difference: the same of P(P = 1 | Y = 1, g) or of P(P = 1 | Y = 0, g), whichever is larger

The largest of several differences is biased upward, and no bootstrap corrects that where they are close to each other.
So the bounds come from exact intervals of each rate (Clopper & Pearson 1934). The upper bound is the highest upper end
minus the lowest lower end. It is too low only if one of two ends is wrong: those of the slices that truly are the
furthest apart. Each gets half of the error probability. The lower bound is the highest lower end minus the lowest upper
end. It is too high if any end is wrong, so the error probability is divided over all slices, ends and rates
(Bonferroni).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.evaluation.intervals import Array, Interval, NoInterval, over_folds
from tasks.evaluation.shares import clopper_pearson_ends, effective_rows

PARITY, ODDS = "demographic_parity_difference", "equalised_odds_difference"
FAIRNESS = {PARITY: "Demographic parity difference", ODDS: "Equalised odds difference"}
"""Name in a spec to title in a report."""


@dataclass(frozen=True)
class Gap:
    """The largest difference between slices.

    Args:
        interval: The difference with its bounds, in [0, 1]; without bounds where there is nothing to compare.
        rate: Name of the rate with the largest difference; None where there is nothing to compare.
        highest, lowest: The slices with the highest and the lowest rate, by position.
    """

    interval: Interval
    rate: str | None = None
    highest: int | None = None
    lowest: int | None = None


@dataclass(frozen=True)
class _Rate:
    """A rate by slice, all `[slices]`: the share (NaN without rows), and its effective number of independent rows."""

    name: str
    share: Array
    worth: Array

    def ends(self, tail: float) -> tuple[Array, Array]:
        """The lower and upper ends `[slices]`; each is wrong in at most `tail` of cases."""
        hits = np.nan_to_num(self.share) * self.worth
        return clopper_pearson_ends(hits, self.worth, 1 - 2 * tail)


@dataclass(frozen=True)
class _FoldRate(_Rate):
    """A rate's mean over folds, by slice.

    Args:
        values: The rate in each fold `[folds, slices]`.
        ratio: See `over_folds`.
    """

    values: Array
    ratio: float

    def ends(self, tail: float) -> tuple[Array, Array]:
        low, high = super().ends(tail)
        found = [over_folds(own, self.ratio, 1 - 2 * tail).within(0.0, 1.0) for own in self.values.T]
        return (
            np.array([min(one, float(each.low or 0.0)) for one, each in zip(low, found, strict=True)]),
            np.array([max(one, float(each.high or 0.0)) for one, each in zip(high, found, strict=True)]),
        )


@dataclass(frozen=True)
class Predicted:
    """Rows and their predictions, all `[rows]`.

    Args:
        actual: Whether a row is of the positive class, bool.
        predicted: Whether a row is predicted to be of the positive class, bool.
        of_slice: The row's slice, by position. A position without rows is not counted as a slice.
        groups: The row's group, or None. With groups, the ends are computed for the effective number of independent
            rows.
    """

    actual: np.ndarray
    predicted: np.ndarray
    of_slice: np.ndarray
    groups: np.ndarray | None = None

    def counted(self, name: str) -> dict[str, np.ndarray]:
        """The rates that a difference compares: name to the rows that the rate is computed on, bool `[rows]`."""
        if name == ODDS:
            return {"true positive rate": self.actual, "false positive rate": ~self.actual}
        return {"selection rate": np.ones(len(self.actual), bool)}


def gap(
    name: str,
    actual: np.ndarray,
    predicted: np.ndarray,
    of_slice: np.ndarray,
    confidence: float,
    groups: np.ndarray | None = None,
) -> Gap:
    """A fairness difference with its bounds: each is wrong in at most (1 - confidence) / 2 of cases.

    Args:
        name: A key of `FAIRNESS`.
        actual, predicted, of_slice, groups: See `Predicted`.
        confidence: In (0, 1).
    """
    rows = Predicted(actual, predicted, of_slice, groups)
    slices = np.unique(rows.of_slice)
    return _between([_rate(rate, own, rows, slices) for rate, own in rows.counted(name).items()], slices, confidence)


def gap_over_folds(name: str, folds: Sequence[Predicted], first: Predicted, ratio: float, confidence: float) -> Gap:
    """Like `gap`, for a procedure that is evaluated out of fold: compares each slice's mean rates over folds.

    A rate's ends come from two intervals, the corrected resampled t interval and the exact interval over the rows: the
    wider end on each side (as in `over_folds_and_rows`).

    Args:
        folds: The rows of every fold of every repeat.
        first: The rows of all folds of the first repeat.
        ratio: See `over_folds`.
    """
    slices = np.unique(first.of_slice)
    rates = []
    for rate, own in first.counted(name).items():
        values = np.array([_rate(rate, each.counted(name)[rate], each, slices).share for each in folds])
        lacking = int((~np.isfinite(values)).any(axis=1).sum())
        if lacking:
            known = np.isfinite(values).any(axis=0)
            means = [float(np.nanmean(values[:, place])) for place in np.flatnonzero(known)]
            estimate = max(means) - min(means) if len(means) > 1 else np.nan
            reason = f"in {lacking} of {len(folds)} folds a slice has no rows that the {rate} could be measured on"
            return Gap(Interval(estimate, None, None, reason))
        rates.append(_FoldRate(rate, values.mean(axis=0), _rate(rate, own, first, slices).worth, values, ratio))
    return _between(rates, slices, confidence)


def _between(rates: Sequence[_Rate], slices: np.ndarray, confidence: float) -> Gap:
    if len(slices) < 2:
        return Gap(Interval(np.nan, None, None, "nothing to compare: all test rows are of one slice"))
    known = [rate for rate in rates if np.isfinite(rate.share).sum() > 1]
    if not known:
        return Gap(Interval(np.nan, None, None, "nothing to compare: no two slices have rows that count"))
    largest = max(known, key=lambda rate: np.nanmax(rate.share) - np.nanmin(rate.share))
    highest, lowest = int(np.nanargmax(largest.share)), int(np.nanargmin(largest.share))
    estimate = float(largest.share[highest] - largest.share[lowest])
    wrong = (1 - confidence) / 2
    upper = [rate.ends(wrong / 2) for rate in rates]
    lower = [rate.ends(wrong / (2 * len(slices) * len(rates))) for rate in rates]
    high = max(float(above.max() - below.min()) for below, above in upper)
    low = max(0.0, *(float(below.max() - above.min()) for below, above in lower))
    interval = Interval(estimate, min(low, estimate), max(high, estimate))
    return Gap(interval, largest.name, int(slices[highest]), int(slices[lowest]))


def difference(name: str, actual: np.ndarray, predicted: np.ndarray, of_slice: np.ndarray) -> float:
    """The difference alone, as `gap` estimates it; 0 where there is nothing to compare."""
    counted = [np.ones(len(actual), bool)] if name == PARITY else [actual, ~actual]
    slices = np.unique(of_slice)
    found = 0.0
    for rows in counted:
        own = [rows & (of_slice == each) for each in slices]
        shares = [float(predicted[each].mean()) for each in own if each.any()]
        found = max(found, max(shares, default=0.0) - min(shares, default=0.0))
    return found


def _rate(name: str, counted: np.ndarray, rows: Predicted, slices: np.ndarray) -> _Rate:
    share, worth = np.full(len(slices), np.nan), np.zeros(len(slices))
    for place, each in enumerate(slices):
        own = counted & (rows.of_slice == each)
        if own.any():
            share[place] = rows.predicted[own].mean()
            worth[place] = _worth(rows.predicted[own], None if rows.groups is None else np.asarray(rows.groups)[own])
    return _Rate(name, share, worth)


def _worth(hit: np.ndarray, groups: np.ndarray | None) -> float:
    """The effective number of independent rows; 0 where all are of one group, since then the rate may be anything."""
    try:
        return effective_rows(hit, groups)
    except NoInterval:
        return 0.0
