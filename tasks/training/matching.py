"""Matches the hidden units of two networks: the same function may have its units in any order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def has_one_hidden_layer(weights: Sequence[np.ndarray]) -> bool:
    """Whether these are two kernels and two biases of Dense layers, `[inputs, units]`, `[units]`, `[units, outputs]`,
    `[outputs]`."""
    if [each.ndim for each in weights] != [2, 1, 2, 1]:
        return False
    return bool(weights[0].shape[1] == len(weights[1]) == len(weights[2]))


def matched(weights: Sequence[np.ndarray], to: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Reorders the units of a network with one hidden layer, so that its weights come nearest to those of another:
    weight matching of Ainsworth et al. (2022, arXiv 2209.04836, section 3.2), which is exact for one layer. The network
    still computes the same function."""
    from scipy.optimize import linear_sum_assignment

    products = to[0].T @ weights[0] + np.outer(to[1], weights[1]) + to[2] @ weights[2].T
    _, order = linear_sum_assignment(products, maximize=True)
    return [weights[0][:, order], weights[1][order], weights[2][order], weights[3]]
