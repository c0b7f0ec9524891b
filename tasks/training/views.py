"""What an update gets besides the numbers of its own weights: sums over all weights of a trial or over an array, means
over rows and columns, matrices made orthogonal.

Sums and means are of each trial's own numbers: zeros around a narrower network do not count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.training.axes import spread, sum_per_trial
from tasks.training.hyperparameters import Rule
from tasks.training.matrices import Matrices
from tasks.training.packing import Packing
from tasks.training.stacked_layers import Tensor

Slots = Sequence[tuple[Tensor, ...]]


class Views:
    """The views of one program's rules.

    Args:
        packing: The packing of the stack's trainable weights.
    """

    def __init__(self, packing: Packing, matrices: Matrices) -> None:
        self._packing, self._matrices = packing, matrices
        self._axes = [packing.axis(block) for block in packing.blocks]

    def add(
        self,
        rule: Rule,
        blocks: Sequence[Tensor],
        gradients: Sequence[Tensor],
        slots: Slots,
        seen: Sequence[dict[str, Any]],
        inputs: Mapping[str, Tensor],
        namespace: Any,
        count: Tensor,
    ) -> None:
        """Adds what a rule asks for to what its update gets as `p`, for each block.

        Args:
            blocks: The blocks of the rule's recipes, after weight decay.
            seen: By block, what its update takes as `p`.
            inputs: The program's inputs, with `sides`, `sizes` and `extents` of each recipe where some rule needs them.
            namespace, count: The same that the update gets.
        """
        import tensorflow as tf

        part = slice(rule.start, rule.stop)
        if rule.summed is not None:
            totals = self._totals(rule, blocks, gradients, slots)
            for p, block, axis in zip(seen, blocks, self._axes, strict=True):
                p["totals"] = tuple(spread(total, block, axis) for total in totals)
        if rule.orthogonal is not None:
            wanted = map(rule.orthogonal, gradients, slots, seen)
            made = self._matrices.orthogonalised(list(wanted), inputs["sides"][part])
            for p, orthogonal, hidden in zip(seen, made, self._matrices.masks(), strict=True):
                p |= {"orthogonal": orthogonal, "hidden": tf.constant(hidden)}
        if rule.factored:
            for p, means in zip(seen, self._square_means(gradients, inputs["extents"][part]), strict=True):
                p["square_means"] = means
        if rule.by_array is not None:
            sizes = self._everywhere(gradients, lambda place, _: inputs["sizes"][part][None, :, place])
            made = [
                rule.by_array(namespace, block, g, own, count, p)
                for block, g, own, p in zip(blocks, gradients, slots, seen, strict=True)
            ]
            sums = [self._everywhere(each, self._summed) for each in zip(*made, strict=True)]
            for p, size, *of_block in zip(seen, sizes, *sums, strict=True):
                p |= {"array_size": size, "array_sums": tuple(of_block)}

    def _totals(self, rule: Rule, blocks: Sequence[Tensor], gradients: Sequence[Tensor], slots: Slots) -> list[Tensor]:
        """A rule's sums over all weights of each of its trials, `[S, recipes of the rule]` each."""
        import tensorflow as tf

        assert rule.summed is not None
        of_blocks = [
            [sum_per_trial(each, axis) for each in rule.summed(block, g, own)]
            for block, g, own, axis in zip(blocks, gradients, slots, self._axes, strict=True)
        ]
        return [tf.add_n(each) for each in zip(*of_blocks, strict=True)]

    def _summed(self, place: int, weight: Tensor) -> Tensor:
        return sum_per_trial(weight, self._packing.axes[place])

    def _everywhere(self, blocks: Sequence[Tensor], of: Any) -> list[Tensor]:
        """Computes `of(place, weight)`, `[S or 1, R]`, for each weight array, and repeats it at each of the array's
        numbers, in blocks."""
        import tensorflow as tf

        weights: list[Any] = self._packing.unpack(blocks)
        values = [spread(of(place, weight), weight, self._packing.axes[place]) for place, weight in enumerate(weights)]
        return self._packing.pack(
            [tf.broadcast_to(value, weight.shape) for value, weight in zip(values, weights, strict=True)]
        )

    def _square_means(self, gradients: Sequence[Tensor], extents: Tensor) -> list[tuple[Tensor, ...]]:
        """For each number of each block, the mean squares of its row, its column and its matrix. Rows and columns are
        the last two axes of an array; for an array of one axis it is the square, three times.

        Args:
            extents: Rows and columns of each recipe's own arrays, `[R, arrays, 2]`.
        """
        import tensorflow as tf

        spreads: list[list[Tensor]] = []
        arrays: list[Any] = self._packing.unpack(gradients)
        for place, g in enumerate(arrays):
            squares = tf.square(g)
            if len(g.shape) < 4:
                spreads.append([squares] * 3)
                continue
            first = squares if self._packing.axes[place] == 1 else tf.transpose(squares, [0, 2, 1, 3])
            rows, columns = (
                tf.reshape(extents[:, place, side], [1, -1, *[1] * (len(g.shape) - 2)]) for side in range(2)
            )
            sums = [tf.reduce_sum(first, axes, keepdims=True) for axes in ([-1], [-2], [-2, -1])]
            means = [total / count for total, count in zip(sums, (columns, rows, rows * columns), strict=True)]
            full = [tf.broadcast_to(mean, first.shape) for mean in means]
            spreads.append([each if first is squares else tf.transpose(each, [0, 2, 1, 3]) for each in full])
        packed = [self._packing.pack(list(each)) for each in zip(*spreads, strict=True)]
        return list(zip(*packed, strict=True))
