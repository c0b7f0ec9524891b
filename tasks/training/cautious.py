"""Cautious steps: only the parts of an optimizer's step that go down the present gradient (Liang et al. 2024)."""

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
    """Returns blocks after a cautious update: a weight that would go up its gradient stays. The remaining steps of each
    weight array are multiplied by the array's size over their number plus one.

    Args:
        before: Blocks of some recipes before the update, after weight decay.
        moved: The same blocks after the update, with their state.
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
