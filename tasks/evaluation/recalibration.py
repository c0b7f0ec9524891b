"""Fits the calibrator of a model's probabilities on the validation rows.

The weights were not trained on these rows, so the model's confidence there is as on new rows. But a calibrator fits its
own rows too well. So each validation row is calibrated by one that was fitted without it (cross-fitting), and metrics,
thresholds and searches on these rows are as on new rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tasks.calibrator import Calibrator

Fit = Callable[[np.ndarray, np.ndarray], Calibrator]
"""Maps probabilities `[rows, classes]` and class indices `[rows]` to a fitted calibrator."""
FOLDS = 5
"""Number of folds of the validation rows; each fold is calibrated by the others."""
_COLDEST, _HOTTEST = 0.01, 100.0


def temperature(probability: np.ndarray, target: np.ndarray) -> Calibrator:
    """Temperature scaling (Guo et al. 2017): the temperature of least log loss, between 0.01 and 100."""
    from scipy.optimize import minimize_scalar

    logits = np.log(np.maximum(probability.astype(np.float64), np.finfo(np.float64).tiny))
    own = logits[np.arange(len(target)), target]

    def loss(log_temperature: float) -> float:
        scale = np.exp(-log_temperature)
        scaled = scale * logits
        top = scaled.max(axis=1)
        return float(np.mean(np.log(np.exp(scaled - top[:, None]).sum(axis=1)) + top - scale * own))

    found = minimize_scalar(loss, bounds=(np.log(_COLDEST), np.log(_HOTTEST)), method="bounded")
    return Calibrator(temperature=float(np.exp(found.x)))


def isotonic(probability: np.ndarray, target: np.ndarray) -> Calibrator:
    """Isotonic regression (Zadrozny & Elkan 2002) of each class against the others.

    The centres of its steps are joined by lines (Oron & Flournoy 2017, centred isotonic regression), so that rows with
    different scores keep different probabilities. And n rows without a case of a class do not prove that it never
    happens: answers lie between 1 / (n + 2) and its complement (Laplace's rule of succession).
    """
    return Calibrator(knots=[_joined(column, target == k) for k, column in enumerate(probability.T)])


def _joined(probability: np.ndarray, hit: np.ndarray) -> tuple[list[float], list[float]]:
    from sklearn.isotonic import isotonic_regression

    given, of_row = np.unique(probability.astype(np.float64), return_inverse=True)
    count = np.bincount(of_row).astype(np.float64)
    share = np.bincount(of_row, hit) / count
    level = isotonic_regression(share, sample_weight=count)
    step = np.concatenate([[0], np.cumsum(np.diff(level) > 0)])
    weight = np.bincount(step, count)
    centre, happened = (np.bincount(step, count * each) / weight for each in (given, share))
    least = 1 / (len(probability) + 2)
    return centre.tolist(), np.clip(happened, least, 1 - least).tolist()


CALIBRATIONS: Mapping[str, Fit] = {"temperature": temperature, "isotonic": isotonic}


def fitted(method: str, probability: np.ndarray, target: np.ndarray) -> tuple[Calibrator, np.ndarray]:
    """Fits a model's calibrator, and returns it with the validation rows' probabilities, each calibrated by a fit to
    the other folds.

    Args:
        method: A name in `CALIBRATIONS`.
        probability: Probabilities of the validation rows `[rows, classes]`.
        target: Their class indices `[rows]`.
    """
    fit = CALIBRATIONS[method]
    whole = fit(probability, target)
    fold = np.random.default_rng(0).permutation(len(target)) % FOLDS
    calibrated = whole(probability)
    for number in range(FOLDS):
        own = fold == number
        if own.any() and not own.all():
            calibrated[own] = fit(probability[~own], target[~own])(probability[own])
    return whole, calibrated
