"""Nested training sets of several sizes, for learning curves: each contains the smaller ones."""

from __future__ import annotations

import numpy as np


def nested_order(rows: int, labels: np.ndarray | None = None) -> np.ndarray:
    """An order of the training part, the same in every run, in which the first n rows are a fair sample for every n.

    Args:
        rows: How many rows the training part has.
        labels: Class indices `[rows]`: the first rows then hold each class in about its share of all rows; None: the
            order is purely random.

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
