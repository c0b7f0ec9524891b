"""Random directions in the space of weights: for update rules that search instead of following gradients, and for noise
on gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tasks.training.packing import Packing
from tasks.training.stacked_layers import Tensor

SEARCH = 500
"""The random-number stream of random search. Dropout's streams are the layers' numbers, from 0 on."""


@dataclass(frozen=True)
class Directions:
    """Draws random directions.

    Args:
        packing: The packing of the stack's trainable weights.
        narrow: Where hidden layers are padded, the packing of each recipe's own weights; else empty.
        dtype: A TensorFlow dtype.
    """

    packing: Packing
    narrow: Sequence[Packing]
    dtype: Any

    def drawn(
        self, start: int, stop: int, seeds: Tensor, number: Tensor, replicas: int, stream: int = SEARCH
    ) -> list[Tensor]:
        """Draws a normal direction in each block for the recipes `start:stop`: one for each replica, shared by its
        recipes (`R` is 1). Where hidden layers are padded, it draws one for each network's own weights, with zeros
        elsewhere.

        Args:
            seeds: One for each replica, int32 `[S]`.
            number: The step's number.
            stream: The random-number stream: another stream gives other numbers.
        """
        import tensorflow as tf

        if not self.narrow:
            return self._of(self.packing, seeds, number, replicas, stream)
        packings = self.narrow[start:stop]
        drawn: list[tuple[Packing, list[Tensor]]] = []
        for packing in packings:
            if all(packing != other for other, _ in drawn):
                weights = packing.unpack(self._of(packing, seeds, number, replicas, stream))
                drawn.append((packing, [self._padded(each, place) for place, each in enumerate(weights)]))
        of_each = [next(padded for other, padded in drawn if other == packing) for packing in packings]
        axes = self.packing.axes
        return self.packing.pack([tf.concat(each, axis) for *each, axis in zip(*of_each, axes, strict=True)])

    def _of(self, packing: Packing, seeds: Tensor, number: Tensor, replicas: int, stream: int) -> list[Tensor]:
        import tensorflow as tf

        directions = []
        for place, block in enumerate(packing.blocks):
            axis, shapes = packing.axis(block), [packing.shapes[each] for each in block]
            shape = shapes[0] if axis == 2 else (sum(map(math.prod, shapes)),)
            keys = [tf.stack([seeds[s] * 1000 + stream + place, number]) for s in range(replicas)]
            drawn = [tf.random.stateless_normal(shape, key, dtype=self.dtype, alg="philox") for key in keys]
            directions.append(tf.expand_dims(tf.stack(drawn), axis))
        return directions

    def _padded(self, weight: Tensor, place: int) -> Tensor:
        """A trainable weight `[S, 1, ...]` of a narrower network, with zeros up to the shape it has in this one."""
        import tensorflow as tf

        wide = list(self.packing.shapes[place])
        wide.insert(self.packing.axes[place] - 1, 1)
        missing = [most - size for most, size in zip(wide, weight.shape[1:], strict=True)]
        return tf.pad(weight, [[0, 0], *([0, each] for each in missing)])
