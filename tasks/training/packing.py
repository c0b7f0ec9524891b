"""How the trainable weights of a rule's recipes are packed into blocks for an update.

An update rule is elementwise, so it may run over any arrangement of numbers. Each block costs a few kernels to compile
and to launch, whatever its size, so small weights share a block. A block whose recipes come first is flat,
`[S, recipes, numbers]`, so that an update is one loop along memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.training.stacked_layers import Tensor

SMALL = 4096
"""A trial's weight of at most so many numbers shares a block: copying it costs less than another kernel."""


@dataclass(frozen=True)
class Packing:
    """The blocks of a network's trainable weights.

    Args:
        shapes: The shape of each trainable weight as one trial has it in the stack (`Form.stored`).
        axes: Where `R` is in each stacked weight, 1 or 2; `S` is first.
    """

    shapes: Sequence[tuple[int, ...]]
    axes: Sequence[int]

    @property
    def blocks(self) -> list[list[int]]:
        """Places of the weights in each block."""
        small = [place for place, shape in enumerate(self.shapes) if math.prod(shape) <= SMALL]
        large = [[place] for place in range(len(self.shapes)) if place not in small]
        return [*large, small] if small else large

    def axis(self, block: Sequence[int]) -> int:
        """The axis of the recipes in a block."""
        return self.axes[block[0]] if len(block) == 1 else 1

    def pack(self, weights: Sequence[Tensor]) -> list[Tensor]:
        """Packs weights `[S, recipes, ...]` (or with recipes at their axis), of any number of recipes, into blocks."""
        import tensorflow as tf

        def flat(place: int) -> Tensor:
            weight = self._swapped(weights[place], place)
            return tf.reshape(weight, [*weight.shape[:2], -1])

        def packed(block: list[int]) -> Tensor:
            if self.axis(block) == 2:
                return weights[block[0]]
            return flat(block[0]) if len(block) == 1 else tf.concat([flat(place) for place in block], 2)

        return [packed(block) for block in self.blocks]

    def unpack(self, packed: Sequence[Tensor | tuple[Tensor, ...]]) -> list[Tensor | tuple[Tensor, ...]]:
        """Unpacks blocks into the weights, in order. A block that is a tuple of parts along the recipes stays one."""
        import tensorflow as tf

        weights: list = [None] * len(self.shapes)
        for block, numbers in zip(self.blocks, packed, strict=True):
            if isinstance(numbers, tuple):
                weights[block[0]] = tuple(self._shaped(part, block, block[0]) for part in numbers)
            else:
                sizes = [math.prod(self.shapes[place]) for place in block]
                parts = [numbers] if len(block) == 1 else tf.split(numbers, sizes, 2)
                for place, part in zip(block, parts, strict=True):
                    weights[place] = self._shaped(part, block, place)
        return weights

    def _shaped(self, numbers: Tensor, block: Sequence[int], place: int) -> Tensor:
        import tensorflow as tf

        if self.axis(block) == 2:  # never made flat
            return numbers
        return self._swapped(tf.reshape(numbers, [*numbers.shape[:2], *self.shapes[place]]), place)

    def _swapped(self, weight: Tensor, place: int) -> Tensor:
        """Swaps axes 1 and 2 where a weight has its recipes at axis 2."""
        import tensorflow as tf

        return weight if self.axes[place] == 1 else tf.transpose(weight, [0, 2, 1, *range(3, len(weight.shape))])
