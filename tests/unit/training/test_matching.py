"""Units of a network that is another with its units shuffled."""

from __future__ import annotations

import numpy as np

from tasks.training.matching import has_one_hidden_layer, matched


def test_shuffled_units_find_their_order_again() -> None:
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal(shape) for shape in ([5, 9], [9], [9, 3], [3])]
    order = rng.permutation(9)
    shuffled = [weights[0][:, order], weights[1][order], weights[2][order], weights[3]]
    for own, found in zip(weights, matched(shuffled, weights), strict=True):
        np.testing.assert_array_equal(own, found)


def test_only_two_dense_layers_have_one_hidden_layer() -> None:
    shapes = [[5, 9], [9], [9, 3], [3]]
    assert has_one_hidden_layer([np.zeros(shape) for shape in shapes])
    assert not has_one_hidden_layer([np.zeros(shape) for shape in shapes[2:]])
    assert not has_one_hidden_layer([np.zeros(shape) for shape in ([5, 9], [9], [8, 3], [3])])
