"""Remedies for classes of unequal size: weights for the loss, or rows drawn more than once."""

from __future__ import annotations

import numpy as np


def class_weights(target: np.ndarray, classes: int) -> np.ndarray:
    """Weights that make every class count alike: rows / (classes * rows of the class), as scikit-learn's `balanced`.

    Args:
        target: Class indices of the training part `[rows]`.
        classes: How many there are.

    Returns:
        float64 `[classes]`, whose mean over the rows is 1; 0 for a class without rows.
    """
    counts = np.bincount(target, minlength=classes)
    present = counts > 0
    return np.where(present, len(target) / (present.sum() * np.maximum(counts, 1)), 0.0)


def resampled_rows(target: np.ndarray) -> int:
    """How many positions `resample` gives, whatever the seed."""
    counts = np.bincount(target)
    return int(counts.max(initial=0) * (counts > 0).sum())


def resample(target: np.ndarray, seed: int) -> np.ndarray:
    """Row positions in which every class that occurs has as many rows as the largest.

    Each row occurs at least once. A smaller class is repeated as a whole as often as it fits, and a sample without
    replacement fills the rest. So two rows of a class differ by at most one in how often they occur.

    Args:
        target: Class indices of the training part `[rows]`.
        seed: The seed of the sample.

    Returns:
        int64, sorted: positions in `target`.
    """
    generator = np.random.default_rng([0x1BA1A, seed])
    counts = np.bincount(target)
    most = counts.max(initial=0)
    chosen = [np.zeros(0, np.int64)]
    for each in np.flatnonzero(counts):
        rows = np.flatnonzero(target == each)
        chosen += [rows] * (most // len(rows))
        chosen.append(generator.choice(rows, most % len(rows), replace=False))
    return np.sort(np.concatenate(chosen))
