"""Cautious steps: of an optimizer's step only what goes down the present gradient (Liang et al. 2024)."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.training.axes import spread, sum_per_trial
from tasks.training.packing import Packing
from tasks.training.stacked_layers import Tensor

Moved = tuple[Tensor, tuple[Tensor, ...]]
"""A block and its state."""


def cautious(
    packing: Packing, before: Sequence[Tensor], moved: Sequence[Moved], gradients: Sequence[Tensor], sizes: Tensor
) -> list[Moved]:
    """Blocks after an update, if a weight stays that would go up its gradient. The steps that are left are lengthened,
    for each weight array by its size over their number and one.

    Args:
        before: Blocks of some recipes before the update, decayed.
        moved: The same after it, with their state.
        sizes: Numbers in each recipe's own weight arrays, `[R, arrays]`: padding does not count.
    """
    import tensorflow as tf

    steps = [new - old for old, (new, _) in zip(before, moved, strict=True)]
    left = [tf.cast(step * g < 0, step.dtype) for step, g in zip(steps, gradients, strict=True)]
    scaled = []
    for place, mask in enumerate(packing.unpack(left)):
        axis = packing.axes[place]
        share = sizes[None, :, place] / (sum_per_trial(mask, axis) + 1)
        scaled.append(mask * spread(share, mask, axis))
    ends = [old + step * scale for old, step, scale in zip(before, steps, packing.pack(scaled), strict=True)]
    return [(end, slots) for end, (_, slots) in zip(ends, moved, strict=True)]
