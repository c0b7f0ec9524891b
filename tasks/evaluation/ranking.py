"""ROC and precision-recall curves of ranked rows, with a band.

A curve's point over a place of the horizontal axis belongs to one threshold, fixed though unknown. There the rate that
the axis shows, and the rate that is asked for, are shares of different rows, each with an exact interval (`shares`).
The band holds every value for which some threshold explains both: the squares of both distances, in standard errors of
a normal variable with as much in its tails, add up to no more than that of the confidence. That is the profile of a
likelihood over the threshold, which empirical likelihood has for ROC curves (Claeskens et al. 2003, Can. J. Stat.
31:173), with exact tails in place of its ratio, so that few rows make it wider, not wrong. Precision is the other rate
turned by Bayes' rule, and the class's share of the rows enters as a third distance.

The band is pointwise: it holds at any one place chosen beforehand. That it holds along the whole curve at once is not
claimed. `tests.bench.curves` simulates how often it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tasks.evaluation.intervals import Array, NoInterval
from tasks.evaluation.shares import clopper_pearson, clopper_pearson_ends, effective_rows

POINTS = 101
"""Even steps of the horizontal axis, from 0 to 1, at which a curve is given at the least."""

CORNERS = 60
"""Of a curve's own corners as many are added at most."""

THRESHOLDS, GROUPED_THRESHOLDS = 200, 60
"""At most as many are looked at; fewer in groups, since each takes a variance between groups."""

ARCS = 8
"""A quarter circle of distances is covered by as many rectangles."""


@dataclass(frozen=True)
class Ranked:
    """A curve, and its band at the same places.

    Args:
        x: Ascending from 0 to 1 `[points]`: the false positive rate, or recall.
        y: Of the test rows `[points]`: the true positive rate, or precision.
        low, high: The band `[points]`.
        threshold: From which score on rows are predicted positive there `[points]`; infinite where none is.
        area: Under the curve of the test rows.
    """

    x: Array
    y: Array
    low: Array
    high: Array
    threshold: Array
    area: float


def roc(positive: np.ndarray, score: Array, confidence: float, groups: np.ndarray | None = None) -> Ranked:
    """True positive rate by false positive rate. Between two corners of the test rows' curve it is a straight line.

    Args:
        positive: Rows of the class `[rows]`, bool; both kinds are there.
        score: Higher means rather positive `[rows]`.
        confidence: Of the band, in (0, 1).
        groups: The group of each row `[rows]`, or None.
    """
    hits, predicted, thresholds = _counts(positive, score)
    rate, found = (predicted - hits) / (~positive).sum(), hits / positive.sum()
    at = _places(rate)
    # Where the curve rises straight up, its upper end is meant.
    last = np.searchsorted(rate, at, "right") - 1
    following = np.minimum(last + 1, len(rate) - 1)
    gap = rate[following] - rate[last]
    part = np.divide(at - rate[last], gap, out=np.zeros_like(at), where=gap > 0)
    y = found[last] + part * (found[following] - found[last])
    area = float(np.diff(rate) @ (found[1:] + found[:-1]) / 2)

    looked_at = _looked_at(len(hits), groups)
    z = _normal(confidence)
    slices = _Slices(at, score, thresholds[looked_at], ~positive, positive, groups, len(looked_at) < len(hits))
    ends = [slices.between(slices.places(z * across), z * up) for across, up in _arcs(ARCS)]
    low, high = np.min([low for low, _ in ends], axis=0), np.max([high for _, high in ends], axis=0)
    return Ranked(at, y, np.minimum(low, y), np.maximum(high, y), thresholds[last], area)


def precision_recall(positive: np.ndarray, score: Array, confidence: float, groups: np.ndarray | None = None) -> Ranked:
    """Precision by recall: that of the highest threshold which finds as many. The area under these steps is the average
    precision. Arguments as for `roc`."""
    hits, predicted, thresholds = _counts(positive, score)
    recall = hits / positive.sum()
    at = _places(recall)
    first = np.maximum(np.searchsorted(recall, at - 1e-12, "left"), 1)
    y = hits[first] / predicted[first]
    area = float(np.diff(recall) @ (hits[1:] / predicted[1:]))

    looked_at = _looked_at(len(hits), groups)
    z = _normal(confidence)
    slices = _Slices(at, score, thresholds[looked_at], positive, ~positive, groups, len(looked_at) < len(hits))
    worth = _worth(positive, groups)
    lows, highs = [], []
    for across, up in _arcs(ARCS):
        places = slices.places(z * across)
        for rate, share in _arcs(ARCS // 2):
            least, most = slices.between(places, z * up * rate)
            rare, common = clopper_pearson(positive.mean() * worth, worth, _level(z * up * share))
            lows.append(_precision(at, most, rare))
            highs.append(_precision(at, least, common))
    low, high = np.min(lows, axis=0), np.max(highs, axis=0)
    return Ranked(at, y, np.minimum(low, y), np.maximum(high, y), thresholds[first], area)


def _precision(recall: Array, false_positive_rate: Array, share: float) -> Array:
    """Bayes' rule; where nothing is predicted it may be anything, so the limit that false positives leave."""
    right, wrong = share * recall, (1 - share) * false_positive_rate
    return np.divide(right, right + wrong, out=np.where(false_positive_rate > 0, 0.0, 1.0), where=right > 0)


def mean_of(curves: Sequence[Ranked]) -> Ranked:
    """The macro average, at the even steps: every class counts alike. The ends of its band are the means of the
    classes' ends, as if these moved together."""
    at = np.linspace(0, 1, POINTS)
    inside = [np.searchsorted(curve.x, at - 1e-12) for curve in curves]
    y, low, high = (
        np.mean([getattr(curve, name)[places] for curve, places in zip(curves, inside, strict=True)], axis=0)
        for name in ("y", "low", "high")
    )
    area = float(np.mean([curve.area for curve in curves]))
    return Ranked(at, y, low, high, np.full(POINTS, np.nan), area)


def _counts(positive: np.ndarray, score: Array) -> tuple[Array, Array, Array]:
    """By threshold, from none predicted to all: hits, predicted rows, the threshold; each `[thresholds]`."""
    order = np.argsort(-score, kind="stable")
    ranked, hit = score[order], positive[order]
    ends = np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True])
    hits = np.r_[0, np.cumsum(hit)[ends]].astype(np.float64)
    return hits, np.r_[0, ends + 1].astype(np.float64), np.r_[np.inf, ranked[ends]]


def _places(corners: Array) -> Array:
    """Where a curve with these corners is given: even steps, and some of the corners, of which the first most."""
    distinct = np.unique(corners)
    if len(distinct) > CORNERS:
        distinct = distinct[np.unique(np.geomspace(1, len(distinct), CORNERS).astype(int) - 1)]
    steps = np.linspace(0, 1, POINTS)
    # A corner beside a step would be a point more that nobody sees.
    nearest = np.abs(distinct[:, None] - steps).min(axis=1)
    return np.sort(np.r_[steps, distinct[nearest > 1e-4]])


def _looked_at(thresholds: int, groups: np.ndarray | None) -> np.ndarray:
    """Positions of the thresholds that are looked at, the first and the last among them."""
    most = THRESHOLDS if groups is None else GROUPED_THRESHOLDS
    return np.unique(np.linspace(0, thresholds - 1, min(thresholds, most)).round().astype(int))


def _arcs(count: int) -> list[tuple[float, float]]:
    """Distances in two directions, as shares of the whole: rectangles that cover a quarter circle from outside."""
    corners = np.linspace(0, np.pi / 2, count + 1)
    return list(zip(np.cos(corners[:-1]).tolist(), np.sin(corners[1:]).tolist(), strict=True))


def _normal(confidence: float) -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + confidence) / 2))


def _level(z: float) -> float:
    """The confidence of an interval of so many standard errors to either side."""
    from scipy.special import ndtr

    return float(2 * ndtr(z) - 1)


@dataclass(frozen=True)
class _Slices:
    """What the rate of one kind of rows can be where that of another kind is known.

    Args:
        at: The known rate `[points]`, ascending.
        score: `[rows]`.
        thresholds: From none predicted to all.
        across, up: Rows of the kind whose rate is known, and of the other, `[rows]`, bool.
        groups: `[rows]` or None.
        skipped: Whether there are thresholds between these. Then the next ones on both sides count too: rates rise from
            one to the other, so that what is between lies between theirs.
    """

    at: Array
    score: Array
    thresholds: Array
    across: np.ndarray
    up: np.ndarray
    groups: np.ndarray | None
    skipped: bool

    def places(self, z: float) -> tuple[np.ndarray, np.ndarray]:
        """Of each point, the first and the last threshold whose interval of the known rate, so many standard errors to
        either side, holds it."""
        left, right = _rising(*self._across, z)
        first = np.searchsorted(right, self.at, "left") - self.skipped
        last = np.searchsorted(left, self.at, "right") - 1 + self.skipped
        return np.clip(first, 0, len(left) - 1), np.clip(last, 0, len(left) - 1)

    def between(self, places: tuple[np.ndarray, np.ndarray], z: float) -> tuple[Array, Array]:
        """The least and the greatest that the other rate can be between these thresholds, `[points]`."""
        low, high = _rising(*self._up, z)
        return low[places[0]], high[places[1]]

    @cached_property
    def _across(self) -> tuple[Array, Array]:
        return self._counts(self.across)

    @cached_property
    def _up(self) -> tuple[Array, Array]:
        return self._counts(self.up)

    def _counts(self, kind: np.ndarray) -> tuple[Array, Array]:
        """Of this kind of rows, how many are predicted by threshold, and how many there are: independent rows, as many
        as they are worth in groups; none where they are all of one group."""
        ordered = np.sort(self.score[kind])
        if self.groups is None:
            predicted = len(ordered) - np.searchsorted(ordered, self.thresholds, "left")
            return predicted.astype(np.float64), np.full(len(predicted), float(len(ordered)))
        of_kind = np.unique(self.groups, return_inverse=True)[1][kind]
        worth = np.array([_worth(self.score[kind] >= each, of_kind) for each in self.thresholds])
        share = [float((ordered >= each).mean()) for each in self.thresholds]
        return worth * share, worth


def _rising(hits: Array, rows: Array, z: float) -> tuple[Array, Array]:
    """The exact intervals of shares that rise. Effective sizes differ, so ends may fall a little: these move out."""
    low, high = clopper_pearson_ends(hits, rows, _level(z))
    return np.minimum.accumulate(low[::-1])[::-1], np.maximum.accumulate(high)


def _worth(hit: np.ndarray, groups: np.ndarray | None) -> float:
    try:
        return effective_rows(hit, groups)
    except NoInterval:  # one group: nothing is known of how groups differ
        return 0.0
