"""Calibration: whether what a network gives as a probability happens as often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.evaluation.intervals import Array, NoInterval
from tasks.evaluation.shares import share_interval

BINS = 10
DRAWS = 500


@dataclass(frozen=True)
class Bin:
    """Rows whose probability lies in one tenth of 0 to 1.

    Args:
        predicted: Their mean probability.
        observed: The share of them where it happened.
        low, high: Its exact interval; None where the rows are all of one group.
        rows: How many.
    """

    predicted: float
    observed: float
    low: float | None
    high: float | None
    rows: int


def reliability(probability: Array, hit: np.ndarray, confidence: float, groups: np.ndarray | None = None) -> list[Bin]:
    """The bins that hold rows, in order.

    Args:
        probability: In [0, 1] `[rows]`.
        hit: Whether it happened `[rows]`, bool.
        confidence: Of the intervals, in (0, 1); each holds on its own.
        groups: The group of each row `[rows]`, or None.
    """
    places = _places(probability)
    bins = []
    for place in np.unique(places):
        inside = places == place
        ends: tuple[float | None, float | None]
        try:
            ends = share_interval(hit[inside], confidence, None if groups is None else groups[inside])
        except NoInterval:  # rows of one group only: a point without a bar
            ends = None, None
        predicted, observed = float(probability[inside].mean()), float(hit[inside].mean())
        bins.append(Bin(predicted, observed, ends[0], ends[1], int(inside.sum())))
    return bins


def calibration_error(probability: Array, hit: np.ndarray) -> float:
    """The expected calibration error over ten bins of equal width (Naeini et al. 2015; Guo et al. 2017, eq. 3): the
    mean distance of what happened from what was predicted, in [0, 1]. Few rows raise it: see `error_by_chance`."""
    return float(_errors(_places(probability), probability, hit[None, :])[0])


def error_by_chance(probability: Array, confidence: float, seed: int = 0) -> float:
    """What `calibration_error` stays below, at this confidence, where the probabilities are right: simulated by drawing
    what happens from them (Bröcker & Smith 2007, Wea. Forecasting 22:651). The rows are taken to be independent."""
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
