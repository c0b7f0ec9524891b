"""Calibration: whether events happen as often as the network's probabilities say."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from tasks.evaluation.clusters import design_effect, fewest, quantile
from tasks.evaluation.intervals import Array, NoInterval
from tasks.evaluation.shares import share_interval

BINS = 10
DRAWS = 500

FEWEST = 30
"""Fewest rows (or groups) for an interval of the calibration error."""

UNSEEN = 4
"""Rows added to each bin: about the squared normal quantile at 95%, as in the interval of Agresti & Coull (1998)."""


@dataclass(frozen=True)
class Bin:
    """Rows whose probability lies in one tenth of 0 to 1.

    Args:
        predicted: Mean probability of these rows.
        observed: Share of these rows where the event happened.
        low, high: Exact interval of `observed`; None where the rows are all of one group, or are weighted.
        rows: Number of rows in the bin.
    """

    predicted: float
    observed: float
    low: float | None
    high: float | None
    rows: int


def reliability(
    probability: Array,
    hit: np.ndarray,
    confidence: float,
    groups: np.ndarray | None = None,
    weight: Array | None = None,
) -> list[Bin]:
    """The bins that hold rows, in order.

    Args:
        probability: In [0, 1] `[rows]`.
        hit: Whether the event happened `[rows]`, bool.
        confidence: Confidence level of the intervals, in (0, 1); it holds for each alone, not for all together.
        groups: The group of each row `[rows]`, or None.
        weight: Weight of each row `[rows]`; with weights there are no intervals. None: 1 each.
    """
    places = _places(probability)
    bins = []
    for place in np.unique(places):
        inside = places == place
        ends: tuple[float | None, float | None] = None, None
        with suppress(NoInterval):  # rows of one group only: a point without a bar
            if weight is None:
                ends = share_interval(hit[inside], confidence, None if groups is None else groups[inside])
        counted = None if weight is None else weight[inside]
        predicted, observed = (float(np.average(each[inside], weights=counted)) for each in (probability, hit))
        bins.append(Bin(predicted, observed, ends[0], ends[1], int(inside.sum())))
    return bins


def calibration_error(probability: Array, hit: np.ndarray, weight: Array | None = None) -> float:
    """The expected calibration error over ten bins of equal width (Naeini et al. 2015; Guo et al. 2017, eq. 3): the
    mean distance between observed shares and predicted probabilities, in [0, 1]. Few rows raise it: see
    `error_by_chance`."""
    return float(np.abs(np.average(gaps(probability, hit), axis=0, weights=weight)).sum())


def asked(target: np.ndarray, prediction: Array) -> tuple[Array, np.ndarray]:
    """The probability that calibration is measured on, and whether its event happened, both `[rows]`. With two classes
    it is the probability of the last class, with more that of the predicted class."""
    if prediction.shape[1] == 2:
        return prediction[:, 1], target == 1
    return prediction.max(axis=1), prediction.argmax(axis=1) == target


def gaps(probability: Array, hit: np.ndarray) -> Array:
    """Outcome minus predicted probability of each row, in the column of its bin `[rows, BINS]`. The calibration error
    is the sum of the absolute means of the columns."""
    found = np.zeros((len(probability), BINS))
    found[np.arange(len(probability)), _places(probability)] = hit - probability
    return found


def calibration_interval(
    target: np.ndarray, prediction: Array, confidence: float, groups: np.ndarray | None
) -> tuple[float, float]:
    """The interval of the expected calibration error over the ten bins.

    The estimate is not a mean, and few rows raise it. But its error is at most the sum of the errors of the bins' mean
    gaps (the triangle inequality), and these are about normal. So the interval covers wherever the truth is, and is
    wider than needed. A bin that holds rows counts as if it held `UNSEEN` more that were all wrong: they stand for rare
    misses that the sample does not show.

    Raises:
        NoInterval: there are too few rows or groups.
    """
    count = fewest(np.ones(len(target), bool), groups)
    if count < FEWEST:
        raise NoInterval(f"there are {count} test {'rows' if groups is None else 'groups'}, and {FEWEST} are needed")
    probability, hit = asked(target, prediction)
    held = gaps(probability, hit)[:, np.unique(_places(probability))]
    error = np.sqrt((held**2).sum(axis=0) + UNSEEN) / len(target)
    if groups is None:
        drawn = np.abs(np.random.default_rng(0).normal(size=(20 * DRAWS, len(error)))) @ error
        reach = float(np.quantile(drawn, (1 + confidence) / 2))
    else:
        effect = [design_effect(column - column.mean(), groups) for column in held.T]
        # Groups may move several bins together, so the errors of the bins are summed.
        reach = quantile(confidence, len(target), groups) * float(error @ np.sqrt(effect))
    estimate = float(np.abs(held.mean(axis=0)).sum())
    return max(estimate - reach, 0.0), min(estimate + reach, 1.0)


def error_by_chance(probability: Array, confidence: float, seed: int = 0) -> float:
    """The value that `calibration_error` stays below, at this confidence, where the probabilities are right. Simulated
    by drawing outcomes from the probabilities (Bröcker & Smith 2007, Wea. Forecasting 22:651). Assumes independent
    rows."""
    rng, places = np.random.default_rng(seed), _places(probability)
    drawn = np.concatenate(
        [_errors(places, probability, rng.random((1, len(probability))) < probability) for _ in range(DRAWS)]
    )
    return float(np.quantile(drawn, confidence))


def _places(probability: Array) -> np.ndarray:
    return np.minimum((probability * BINS).astype(int), BINS - 1)


def _errors(places: np.ndarray, probability: Array, hits: np.ndarray) -> Array:
    """The calibration error of each of `hits` `[draws, rows]`."""
    gaps = hits - probability
    return np.array([np.abs(np.bincount(places, gap, BINS)).sum() / len(probability) for gap in gaps])
