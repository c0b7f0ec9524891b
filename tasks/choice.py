"""From probabilities to a class, alike in evaluation and in a shipped model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def corrected(probability: np.ndarray, factors: Sequence[float]) -> np.ndarray:
    """Probabilities at other class shares than those of the training rows, as floats like the given ones: each class's
    is taken times its real share over its share in training, and they are made to add up to 1 again (Elkan 2001,
    theorem 2; Saerens et al. 2002, eq. 2.4).

    Args:
        probability: `[rows, classes]`.
        factors: Real share over share in training, of each class.
    """
    found = probability * np.asarray(factors, probability.dtype)
    return found / found.sum(axis=1, keepdims=True)


def choose(
    probability: np.ndarray,
    *,
    positive: int | None = None,
    threshold: float | None = None,
    costs: Sequence[Sequence[float]] | None = None,
) -> np.ndarray:
    """Class indices, int64 `[rows]`.

    Args:
        probability: `[rows, classes]`.
        positive: Position of the class of interest of two.
        threshold: From which probability on it is chosen; None: see `costs`.
        costs: `[actual][predicted]`: the class of least expected cost is chosen (Elkan 2001, eq. 1); None: the
            likeliest one.
    """
    if threshold is not None and positive is not None:
        return np.where(probability[:, positive] >= threshold, positive, 1 - positive)
    if costs is not None:
        return (probability @ np.array(costs, np.float64)).argmin(axis=1)
    return probability.argmax(axis=1)
