"""The alarm rule: decides when a window of new rows differs from the reference.

Rows that follow each other may be similar, so a window of n rows of a series tells less than n independent rows. The
rule therefore takes its thresholds from blocks of consecutive rows of the reference itself (the moving block bootstrap
of Künsch 1989, Ann. Statist. 17:1217). It joins such blocks into a window and a reference, measures the distance
between them, and repeats this many times. The threshold of a measure is a multiple of its own 95% quantile. The
multiple is one number for all measures: the largest of all their distances passes it at the stated rate (the
single-step maximum of Westfall & Young 1993). So the rate holds for the whole window, however many columns there are.

A value that never occurs in the reference has no such quantile. It raises an alarm when it occurs in so many rows that
this is unlikely in unchanged data (the rule of succession).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy import stats

Array = np.ndarray

Key = TypeVar("Key")

RATE = 0.01
"""Share of windows of unchanged data that raise an alarm, over all columns together."""
LONGEST = 20
"""A block has at most 1 / `LONGEST` of the reference's rows: with longer blocks there are too few for reliable
thresholds."""
_STARTS = 200
_DRAWS = 1000
_QUANTILE = 0.95


@dataclass(frozen=True)
class Distribution:
    """How often each value occurs.

    Args:
        reference, window: For each row, the position of its value among `cells`, int64 `[rows]`; -1: not counted.
        ordered: Whether the cells have an order. Then the distance is that of Kolmogorov and Smirnov, the largest
            difference of the two cumulative shares; else the total variation. Both lie in [0, 1].
    """

    reference: Array
    window: Array
    cells: int
    ordered: bool


@dataclass(frozen=True)
class Mean:
    """The mean of a number.

    Args:
        reference, window: The number of each row, float64 `[rows]`; NaN: not counted.
        one_sided: Whether only a larger mean counts.
        unit: A typical difference between two rows: 1 for an event that happens or not, else a standard deviation.
    """

    reference: Array
    window: Array
    one_sided: bool = False
    unit: float = 1.0


Measure = Distribution | Mean


@dataclass(frozen=True)
class Distance:
    """The distance of a window from the reference in one measure.

    Args:
        value: The distance, as the measure defines it; NaN where the window has no value to count.
        threshold: The least distance that raises an alarm.
        p: Share of windows of unchanged data in which some measure is as extreme as this one; None where the reference
            never shows any distance.
    """

    value: float
    threshold: float
    p: float | None

    @property
    def alarms(self) -> bool:
        return bool(self.value >= self.threshold)


def distances(groups: Sequence[Mapping[Key, Measure]], rate: float = RATE, seed: int = 0) -> dict[Key, Distance]:
    """The distance of every measure, with thresholds that hold for all of them together.

    Args:
        groups: Measures by name, each group of the same rows in order. Names differ between groups.
        rate: In (0, 1).
    """
    rng = np.random.default_rng(seed)
    values: dict[Key, float] = {}
    scales: dict[Key, float] = {}
    floors: dict[Key, float] = {}
    largest, count = np.zeros(_DRAWS), sum(map(len, groups))
    for group in groups:
        if not group:
            continue
        first = next(iter(group.values()))
        blocks = _Blocks.of(len(first.reference), len(first.window), rng)
        for name, measure in group.items():
            values[name], floors[name] = _distance(measure), _floor(measure, rate / count)
            drawn = blocks.drawn(measure)
            scales[name] = float(np.quantile(drawn, _QUANTILE)) * blocks.widening(rate)
            if scales[name] > 0:
                scales[name] = max(scales[name], floors[name])
                largest = np.maximum(largest, drawn * blocks.widening(rate) / scales[name])
    factor = max(float(np.quantile(largest, 1 - rate, method="higher")), 1.0)
    return {
        name: Distance(
            value,
            max(factor * scales[name], floors[name]),
            float((1 + (largest >= value / scales[name]).sum()) / (1 + _DRAWS)) if scales[name] else None,
        )
        for name, value in values.items()
    }


@dataclass(frozen=True)
class _Blocks:
    """Blocks of the reference, and how often each block is drawn.

    Args:
        rows: Positions, int64 `[blocks, length]`.
        windows, references: How often each block occurs in each draw `[draws, blocks]`.
        independent: About how many blocks do not overlap.
    """

    rows: Array
    windows: Array
    references: Array
    independent: int

    @classmethod
    def of(cls, reference: int, window: int, rng: np.random.Generator) -> _Blocks:
        pieces = max(-(-window * LONGEST // reference), 1)
        length = min(max(-(-window // pieces), 1), reference)
        starts = np.unique(np.linspace(0, reference, _STARTS, endpoint=False).astype(np.int64))
        rows = (starts[:, None] + np.arange(length)) % reference
        even = np.full(len(starts), 1 / len(starts))
        independent = max(reference // length, 1)
        windows = rng.multinomial(pieces, even, _DRAWS).astype(np.float64)
        references = rng.multinomial(independent, even, _DRAWS).astype(np.float64)
        return cls(rows, windows, references, independent)

    def widening(self, rate: float) -> float:
        """The ratio of the quantiles of Student's t and of the normal distribution, since few blocks tell little about
        what is usual."""
        freedom = max(self.independent - 1, 2)
        return float(stats.t.ppf(1 - rate / 2, freedom) / stats.norm.ppf(1 - rate / 2))

    def drawn(self, measure: Measure) -> Array:
        """Distances between windows and references that are joined from blocks `[draws]`."""
        if isinstance(measure, Distribution):
            codes = measure.reference[self.rows]
            cells = np.arange(len(codes))[:, None] * (measure.cells + 1) + codes + 1
            counts = np.bincount(cells.ravel(), minlength=len(codes) * (measure.cells + 1))
            table = counts.reshape(len(codes), -1)[:, 1:].astype(np.float64)
            return _apart(_shares(self.windows @ table), _shares(self.references @ table), ordered=measure.ordered)
        found = measure.reference[self.rows]
        known = np.isfinite(found)
        sums, counts = np.where(known, found, 0.0).sum(axis=1), known.sum(axis=1)
        means = [_ratio(drawn @ sums, drawn @ counts) for drawn in (self.windows, self.references)]
        return _further(means[0], means[1], one_sided=measure.one_sided)


def _distance(measure: Measure) -> float:
    if isinstance(measure, Distribution):
        shares = []
        for codes in (measure.reference, measure.window):
            present = codes[codes >= 0]
            if not len(present):
                return float("nan")
            shares.append(_shares(np.bincount(present, minlength=measure.cells)[None].astype(np.float64)))
        return float(_apart(shares[1], shares[0], ordered=measure.ordered)[0])
    means = [each[np.isfinite(each)] for each in (measure.window, measure.reference)]
    if not all(map(len, means)):
        return float("nan")
    return float(_further(means[0].mean(), means[1].mean(), one_sided=measure.one_sided))


def _floor(measure: Measure, rate: float) -> float:
    """The least distance for an alarm: the share of a window's rows with something new to the reference that is
    unlikely in unchanged data. If N rows did not show it, the next n rows show it k times with a probability of about
    (n / (N + n)) to the k."""
    counted = [each >= 0 if isinstance(measure, Distribution) else np.isfinite(each) for each in _both(measure)]
    known, new = (int(each.sum()) for each in counted)
    if not known or not new:
        return 1.0
    rows = max(int(np.ceil(np.log(rate) / np.log(new / (known + new)))), 1)
    share = min(rows / new, 1.0)
    return share if isinstance(measure, Distribution) else share * measure.unit


def _both(measure: Measure) -> tuple[Array, Array]:
    return measure.reference, measure.window


def _shares(counts: Array) -> Array:
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def _ratio(sums: Array, counts: Array) -> Array:
    return sums / np.maximum(counts, 1)


def _apart(one: Array, other: Array, *, ordered: bool) -> Array:
    if ordered:
        return np.abs(np.cumsum(one - other, axis=1)).max(axis=1)
    return np.abs(one - other).sum(axis=1) / 2


def _further(one: Array, other: Array, *, one_sided: bool) -> Array:
    return np.maximum(one - other, 0) if one_sided else np.abs(one - other)


def number_places(reference: Array, *others: Array) -> tuple[int, list[Array]]:
    """The cells at and between numbers of the reference (all its numbers, or 64 quantiles), and the position of each
    value.

    Args:
        reference, others: float64; NaN has the position -1.
    """
    known = reference[np.isfinite(reference)]
    edges = np.unique(known)
    if len(edges) > _EDGES:
        edges = np.unique(np.quantile(known, np.linspace(0, 1, _EDGES), method="nearest"))
    places = [
        np.where(np.isnan(each), -1, np.searchsorted(edges, each, "left") + np.searchsorted(edges, each, "right"))
        for each in (reference, *others)
    ]
    return 2 * len(edges) + 1, places


_EDGES = 64
