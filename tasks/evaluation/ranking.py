"""ROC and precision-recall curves of ranked rows, with a band.

Each position on the horizontal axis belongs to one threshold, which is fixed but unknown. At this threshold the rate on
the horizontal axis and the rate on the vertical one are shares of different rows, each with an exact interval
(`shares`). The band holds every vertical value for which some threshold is compatible with both rates. To compare, each
tail probability is turned into the number of standard errors of a normal variable; the squares of both numbers must add
up to at most the square of the quantile of the confidence. This profiles a likelihood over the threshold, as empirical
likelihood does for ROC curves (Claeskens et al. 2003, Can. J. Stat. 31:173), but with exact tails in place of the
likelihood ratio: few rows make the band wider, not wrong. For precision, Bayes' rule converts the other rate, and the
class's share of the rows enters as a third distance.

The band is pointwise: it holds at any one position chosen beforehand, not along the whole curve at once.
`tests.bench.curves` simulates its coverage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tasks.evaluation.intervals import Array, NoInterval
from tasks.evaluation.shares import clopper_pearson, clopper_pearson_ends, effective_rows

POINTS = 101
"""Number of evenly spaced positions on the horizontal axis, from 0 to 1, at which every curve is given."""

CORNERS = 60
"""Most corners of the curve itself that are added to these positions."""

THRESHOLDS, GROUPED_THRESHOLDS = 200, 60
"""Most thresholds that are examined; fewer with groups, since each needs a variance between groups."""

ARCS = 8
"""Number of rectangles that cover a quarter circle of distances."""


@dataclass(frozen=True)
class Ranked:
    """A curve, and its band at the same positions.

    Args:
        x: Ascending from 0 to 1 `[points]`: the false positive rate, or recall.
        y: The value on the test rows `[points]`: the true positive rate, or precision.
        low, high: The band `[points]`.
        threshold: The score from which rows are predicted positive there `[points]`; infinite where none is.
        area: Area under the curve of the test rows.
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
        positive: Whether a row is of the class `[rows]`, bool; at least one row is, and one is not.
        score: `[rows]`; higher means more likely positive.
        confidence: Confidence level of the band, in (0, 1).
        groups: The group of each row `[rows]`, or None.
    """
    hits, predicted, thresholds = _counts(positive, score)
    rate, found = (predicted - hits) / (~positive).sum(), hits / positive.sum()
    at = _places(rate)
    # Where the curve is vertical, take its upper end.
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
    """Precision by recall: at each recall, the precision of the highest threshold that reaches it. The area under these
    steps is the average precision. Arguments as for `roc`."""
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
    """Precision by Bayes' rule. Without hits it is 0 if there are false positives; else it is undefined, and its limit
    1 is used."""
    right, wrong = share * recall, (1 - share) * false_positive_rate
    return np.divide(right, right + wrong, out=np.where(false_positive_rate > 0, 0.0, 1.0), where=right > 0)


def mean_of(curves: Sequence[Ranked]) -> Ranked:
    """The macro average of the classes' curves, at the evenly spaced positions. The ends of its band are the means of
    the classes' ends, as if these moved together."""
    at = np.linspace(0, 1, POINTS)
    inside = [np.searchsorted(curve.x, at - 1e-12) for curve in curves]
    y, low, high = (
        np.mean([getattr(curve, name)[places] for curve, places in zip(curves, inside, strict=True)], axis=0)
        for name in ("y", "low", "high")
    )
    area = float(np.mean([curve.area for curve in curves]))
    return Ranked(at, y, low, high, np.full(POINTS, np.nan), area)


def _counts(positive: np.ndarray, score: Array) -> tuple[Array, Array, Array]:
    """Hits, predicted rows and threshold, each `[thresholds]`, from no row predicted positive to all rows."""
    order = np.argsort(-score, kind="stable")
    ranked, hit = score[order], positive[order]
    ends = np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True])
    hits = np.r_[0, np.cumsum(hit)[ends]].astype(np.float64)
    return hits, np.r_[0, ends + 1].astype(np.float64), np.r_[np.inf, ranked[ends]]


def _places(corners: Array) -> Array:
    """The positions at which a curve with these corners is given: even steps, and some of the corners, most of them at
    the start."""
    distinct = np.unique(corners)
    if len(distinct) > CORNERS:
        distinct = distinct[np.unique(np.geomspace(1, len(distinct), CORNERS).astype(int) - 1)]
    steps = np.linspace(0, 1, POINTS)
    # A corner very near a step would be an extra point that nobody can see.
    nearest = np.abs(distinct[:, None] - steps).min(axis=1)
    return np.sort(np.r_[steps, distinct[nearest > 1e-4]])


def _looked_at(thresholds: int, groups: np.ndarray | None) -> np.ndarray:
    """Positions of the thresholds to examine; the first and the last are among them."""
    most = THRESHOLDS if groups is None else GROUPED_THRESHOLDS
    return np.unique(np.linspace(0, thresholds - 1, min(thresholds, most)).round().astype(int))


def _arcs(count: int) -> list[tuple[float, float]]:
    """Distances in two directions, as shares of the radius: sides of rectangles that together cover a quarter
    circle."""
    corners = np.linspace(0, np.pi / 2, count + 1)
    return list(zip(np.cos(corners[:-1]).tolist(), np.sin(corners[1:]).tolist(), strict=True))


def _normal(confidence: float) -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + confidence) / 2))


def _level(z: float) -> float:
    """The confidence level of an interval of `z` standard errors to either side."""
    from scipy.special import ndtr

    return float(2 * ndtr(z) - 1)


@dataclass(frozen=True)
class _Slices:
    """The possible rates of one kind of rows where the rate of another kind is known.

    Args:
        at: The known rate `[points]`, ascending.
        score: Score of each row `[rows]`.
        thresholds: From the one that predicts no row positive to the one that predicts all.
        across, up: Rows of the kind whose rate is known (horizontal axis), and of the other kind (vertical), `[rows]`,
            bool.
        groups: The group of each row `[rows]`, or None.
        skipped: Whether `thresholds` leaves some out. Then the next one on both sides is included, too: rates rise from
            one to the next, so the rates of the skipped ones lie between theirs.
    """

    at: Array
    score: Array
    thresholds: Array
    across: np.ndarray
    up: np.ndarray
    groups: np.ndarray | None
    skipped: bool

    def places(self, z: float) -> tuple[np.ndarray, np.ndarray]:
        """For each point, the first and the last threshold whose interval of the known rate, `z` standard errors to
        either side, holds the point."""
        left, right = _rising(*self._across, z)
        first = np.searchsorted(right, self.at, "left") - self.skipped
        last = np.searchsorted(left, self.at, "right") - 1 + self.skipped
        return np.clip(first, 0, len(left) - 1), np.clip(last, 0, len(left) - 1)

    def between(self, places: tuple[np.ndarray, np.ndarray], z: float) -> tuple[Array, Array]:
        """The least and the greatest possible value of the other rate between these thresholds, each `[points]`."""
        low, high = _rising(*self._up, z)
        return low[places[0]], high[places[1]]

    @cached_property
    def _across(self) -> tuple[Array, Array]:
        return self._counts(self.across)

    @cached_property
    def _up(self) -> tuple[Array, Array]:
        return self._counts(self.up)

    def _counts(self, kind: np.ndarray) -> tuple[Array, Array]:
        """For this kind of rows and each threshold: the number of rows predicted positive, and of all rows. With groups
        these are effective numbers of independent rows, 0 where all rows are of one group."""
        ordered = np.sort(self.score[kind])
        if self.groups is None:
            predicted = len(ordered) - np.searchsorted(ordered, self.thresholds, "left")
            return predicted.astype(np.float64), np.full(len(predicted), float(len(ordered)))
        of_kind = np.unique(self.groups, return_inverse=True)[1][kind]
        worth = np.array([_worth(self.score[kind] >= each, of_kind) for each in self.thresholds])
        share = [float((ordered >= each).mean()) for each in self.thresholds]
        return worth * share, worth


def _rising(hits: Array, rows: Array, z: float) -> tuple[Array, Array]:
    """The exact intervals of shares that rise. Effective numbers of rows differ, so ends may fall a little: those are
    moved outwards until they rise."""
    low, high = clopper_pearson_ends(hits, rows, _level(z))
    return np.minimum.accumulate(low[::-1])[::-1], np.maximum.accumulate(high)


def _worth(hit: np.ndarray, groups: np.ndarray | None) -> float:
    try:
        return effective_rows(hit, groups)
    except NoInterval:  # one group: the spread between groups is unknown
        return 0.0
