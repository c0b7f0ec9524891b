"""The expected best score after n settings: how good a smaller search would have been."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import gammaln

from tasks.records.search_verdict import BestByBudget

_POINTS = 60  # of a curve, at most
_CONFIDENCE = 0.95
_RESAMPLES = 1000


def expected_best(scores: np.ndarray, sign: int) -> BestByBudget:
    """The mean best score of n settings drawn without replacement from those tried, with a 95% bootstrap band.

    With the scores sorted from worst to best, the k-th of N is the best of n in C(k - 1, n - 1) of C(N, n) draws. That
    is the unbiased estimate of the expected best of n fresh settings (Tang et al. 2020, "Showing Your Work Doesn't
    Always Work", ACL). Dodge et al. (2019, "Show Your Work", EMNLP) draw with replacement instead: that is too low for
    n near N, but has the smaller variance (Dodge et al. 2021, "Expected Validation Performance and Estimation of a
    Random Variable's Maximum"). The unbiased estimate is used, since the curve answers whether fewer settings would
    have been enough. The band comes from resampled settings. Near n = N it is too narrow, as no resample holds a score
    better than the best one seen.

    It assumes that the settings could have come in any order: true for random, quasi-random and grid search, not for
    adaptive methods.

    Args:
        scores: `[N]`, N >= 1, in the metric's own unit.
        sign: 1 where greater is better, else -1.
    """
    settings = _thinned(len(scores))
    weights = _weights(len(scores), settings)
    best = weights @ np.sort(sign * scores)
    rng = np.random.default_rng(0)
    resampled = np.sort(rng.choice(sign * scores, size=(_RESAMPLES, len(scores))), axis=1) @ weights.T
    tail = (1 - _CONFIDENCE) / 2
    bounds = np.sort(sign * np.quantile(resampled, [tail, 1 - tail], axis=0), axis=0)
    return BestByBudget("expected", settings, (sign * best).tolist(), bounds[0].tolist(), bounds[1].tolist())


def running_best(scores: Sequence[float | None], sign: int) -> BestByBudget:
    """The best score so far, in the order of the search: for adaptive methods, whose settings can't be reordered.

    Args:
        scores: `[N]`, in the metric's own unit; None for a setting without one.
        sign: 1 where greater is better, else -1.
    """
    up = np.array([-np.inf if score is None else sign * score for score in scores])
    best = np.maximum.accumulate(up)
    settings = _thinned(len(scores))
    return BestByBudget(
        "running",
        settings,
        [float(sign * best[n - 1]) if np.isfinite(best[n - 1]) else None for n in settings],
        None,
        None,
    )


def _weights(count: int, settings: Sequence[int]) -> np.ndarray:
    """`[points, N]`: probability that the k-th worst of N is the best of n drawn without replacement."""
    n = np.asarray(settings, dtype=np.float64)[:, None]
    k = np.arange(1, count + 1, dtype=np.float64)[None, :]
    possible = k >= n
    chosen = _log_binomial(np.where(possible, k, n) - 1, n - 1) - _log_binomial(np.full_like(n, count), n)
    weights = np.where(possible, np.exp(chosen), 0.0)
    return weights / weights.sum(axis=1, keepdims=True)  # removes the rounding error of the logarithms


def _log_binomial(n: np.ndarray, k: np.ndarray) -> np.ndarray:
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)


def _thinned(count: int) -> list[int]:
    """The numbers 1 to `count`, or at most `_POINTS` of them, closer together at the start, where curves bend."""
    if count <= _POINTS:
        return list(range(1, count + 1))
    return sorted({round(n) for n in np.geomspace(1, count, _POINTS)})
