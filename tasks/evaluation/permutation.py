"""Permutation importance: how much worse a model gets when the values of an input are shuffled among the rows.

Breiman 2001 (Machine Learning 45:5), section 10; for any model and metric Fisher, Rudin and Dominici 2019 (JMLR
20:177). The model is not trained again, so an input that it does not use has a drop of exactly 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from tasks.evaluation.intervals import Array, Interval, resample

if TYPE_CHECKING:
    from tasks.evaluation.metrics import Metric
    from tasks.evaluation.priors import Prior

REPEATS = 5
RESAMPLES = 200


def drop(
    metric: Metric,
    target: np.ndarray,
    answers: Array,
    shuffled: Sequence[Array],
    confidence: float,
    *,
    groups: np.ndarray | None = None,
    positive: int | None = None,
    prior: Prior | None = None,
) -> Interval:
    """How much worse the metric gets, in its own unit; positive where it gets worse.

    The interval is normal. Its variance is the sum of two: that of the drop over bootstrap resamples of the rows, where
    original and shuffled inputs use the same rows, and that of the mean over the shuffles.

    Args:
        target: Class indices, or values `[rows]`.
        answers: The part of the model's answers that the metric reads `[rows, ...]`.
        shuffled: The same for each shuffle of the input.
        confidence: Confidence level of the interval, in (0, 1).
        groups: The group of each row `[rows]`, or None.
        positive: Position of the positive class, or None.
        prior: Share that each class is weighted to; None: classes keep their shares of the rows.
    """
    kept = metric.function(target, answers, positive, prior)
    drops = metric.sign * (kept - np.array([metric.function(target, each, positive, prior) for each in shuffled]))
    mean = float(drops.mean())
    statistics = {
        place: metric.resampled(target, each, positive, prior) for place, each in enumerate([answers, *shuffled])
    }
    drawn = resample(statistics, len(target), groups=groups, resamples=RESAMPLES)
    over_rows = metric.sign * (drawn[0] - np.mean([drawn[1 + place] for place in range(len(shuffled))], axis=0))
    # Equal answers may differ by rounding error: set those differences to 0.
    over_rows = np.where(np.abs(over_rows) <= 1e-12 * np.abs(drawn[0]), 0.0, over_rows)
    over_rows = over_rows[np.isfinite(over_rows)]
    if not np.isfinite(mean) or len(over_rows) < RESAMPLES / 2:
        return Interval(mean, None, None)
    variance = float(over_rows.var(ddof=1)) + float(drops.var(ddof=1)) / len(drops)
    half = float(ndtri((1 + confidence) / 2) * np.sqrt(variance))
    return Interval(mean, mean - half, mean + half)
