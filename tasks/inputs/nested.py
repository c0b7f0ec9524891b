"""Training sets of several sizes, each within the next: what a learning curve is drawn over."""

from __future__ import annotations

import numpy as np


def nested_order(rows: int, labels: np.ndarray | None = None) -> np.ndarray:
    """An order of the training part of which any number of first rows is a fair sample, the same in every run.

    Args:
        rows: Of the training part.
        labels: Class indices `[rows]`: the first rows then hold each class in about its share of all; None: drawn at
            random alone.

    Returns:
        int64 `[rows]`: positions in the training part.
    """
    drawn = np.random.default_rng([0x5E75]).permutation(rows)
    if labels is None:
        return drawn
    place = np.empty(rows)
    for label in np.unique(labels):
        own = drawn[labels[drawn] == label]
        place[own] = (np.arange(len(own)) + 0.5) / len(own)
    return drawn[np.argsort(place[drawn], kind="stable")]
