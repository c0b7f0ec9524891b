"""Makes matrices orthogonal, for an optimizer whose step of a hidden layer's kernel is not elementwise.

All trials' matrices of a kernel go through the Newton-Schulz iteration at once, as a batch. Where hidden layers are
padded, the zeros around a narrower trial's matrix stay zeros, and the scale follows from the matrix's own size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.training.packing import Packing
from tasks.training.stacked_layers import StackedLayer, Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic iteration of Jordan et al. (2024, "Muon"), which is steep at 0 and ends near 1."""

ITERATIONS = 5

RMS = 0.2
"""Root mean square of a hidden kernel's step, over the learning rate. It is about AdamW's (Liu et al. 2025, "Muon is
Scalable for LLM Training", equation 4), so that both can have one learning rate."""


def hidden_kernels(layers: Sequence[StackedLayer]) -> list[int]:
    """Positions of the Dense layers' kernels among the trainable weights (in the order of the layers), without that of
    the output layer."""
    places, place = [], 0
    for one in layers:
        if type(one.layer).__name__ == "Dense":
            places.append(place)
        place += len(one.trainable)
    return places[:-1]


@dataclass(frozen=True)
class Matrices:
    """The hidden kernels of a stack.

    Args:
        packing: The packing of the stack's trainable weights.
        places: Positions of the hidden kernels among these weights.
    """

    packing: Packing
    places: Sequence[int]

    def masks(self) -> list[np.ndarray]:
        """For each block a mask of the hidden kernels: bool, to broadcast against the block."""
        masks = []
        for block in self.packing.blocks:
            if len(block) == 1:
                masks.append(np.array(block[0] in self.places))
            else:
                sizes = [int(np.prod(self.packing.shapes[place])) for place in block]
                masks.append(np.repeat([place in self.places for place in block], sizes)[None, None])
        return masks

    def orthogonalised(self, blocks: Sequence[Tensor], sides: Tensor) -> list[Tensor]:
        """Makes the hidden kernels in some recipes' blocks orthogonal, and scales them to the size of AdamW's steps.
        All other numbers are zeros.

        Args:
            sides: The longer side of each recipe's own matrices, `[R, hidden kernels]`.
        """
        import tensorflow as tf

        weights = self.packing.unpack(blocks)
        made = [tf.zeros_like(weight) for weight in weights]
        for number, place in enumerate(self.places):
            weight, axis = weights[place], self.packing.axes[place]
            matrix = tf.transpose(weight, [0, 2, 1, 3]) if axis == 2 else weight
            scale = RMS * tf.sqrt(sides[:, number])[None, :, None, None]
            matrix = orthogonalised(matrix) * scale
            made[place] = tf.transpose(matrix, [0, 2, 1, 3]) if axis == 2 else matrix
        return self.packing.pack(made)


def orthogonalised(matrices: Tensor) -> Tensor:
    """About `U V^T` of each matrix `U S V^T`, `[..., m, n]`, with singular values between 0.7 and 1.2 (Jordan et al.
    2024). The order of operations is Keras's."""
    import tensorflow as tf

    a, b, c = COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = tf.linalg.matrix_transpose(matrices) if tall else matrices
    squares = tf.reduce_sum(tf.square(x), [-2, -1], keepdims=True)
    x = x / (tf.sqrt(squares + 1e-30) + 1e-7)  # the root has a derivative where all gradients are 0
    for _ in range(ITERATIONS):
        square = tf.matmul(x, x, transpose_b=True)
        x = a * x + tf.matmul(b * square + c * tf.matmul(square, square), x)
    return tf.linalg.matrix_transpose(x) if tall else x
