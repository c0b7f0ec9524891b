"""Chooses a class from probabilities, in the same way in evaluation and in a shipped model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def corrected(probability: np.ndarray, factors: Sequence[float]) -> np.ndarray:
    """Converts probabilities to other class shares than those of the training rows; same float type as given. Each
    class's probability is multiplied by its real share over its share in training, and then all are divided by their
    sum (Elkan 2001, theorem 2; Saerens et al. 2002, eq. 2.4).

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
    """The chosen class indices, int64 `[rows]`.

    Args:
        probability: `[rows, classes]`.
        positive: Position of the class of interest, of two classes.
        threshold: The least probability at which the class of interest is chosen; None: see `costs`.
        costs: `[actual][predicted]`: the class of least expected cost is chosen (Elkan 2001, eq. 1); None: the
            likeliest class.
    """
    if threshold is not None and positive is not None:
        return np.where(probability[:, positive] >= threshold, positive, 1 - positive)
    if costs is not None:
        return (probability @ np.array(costs, np.float64)).argmin(axis=1)
    return probability.argmax(axis=1)
