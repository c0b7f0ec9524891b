"""Gradient clipping of all trials of a stack, each in its own way, as Keras's optimizers clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tasks.training.axes import spread, sum_per_trial
from tasks.training.packing import Packing
from tasks.training.stacked_layers import Tensor

NAMES = ("clip_value", "clip_norm", "clip_global_norm")
"""Names of inputs, each a limit for each trial, `[S, R]`; 0: no limit."""

Gradients = list[Tensor]


def clipped(packed: Sequence, packing: Packing, inputs: Mapping[str, Tensor]) -> list:
    """Clipped gradients. A trial without a limit keeps its gradients bit for bit.

    Args:
        packed: Gradients in blocks. A block may come in parts along the recipes; it is returned in the same parts.
    """
    import tensorflow as tf

    if not set(NAMES) & inputs.keys():
        return list(packed)
    block_axes = [packing.axis(block) for block in packing.blocks]
    whole = [
        tf.concat(each, axis) if isinstance(each, tuple) else each
        for each, axis in zip(packed, block_axes, strict=True)
    ]
    gradients = packing.unpack(whole)
    for name, clip in zip(NAMES, (_by_value, _by_norm, _by_global_norm), strict=True):
        if (limit := inputs.get(name)) is not None:
            gradients = clip(gradients, packing.axes, limit)
    return [
        tuple(tf.split(block, [part.shape[axis] for part in like], axis)) if isinstance(like, tuple) else block
        for block, like, axis in zip(packing.pack(gradients), packed, block_axes, strict=True)
    ]


def _by_value(gradients: Gradients, axes: Sequence[int], limit: Tensor) -> Gradients:
    import tensorflow as tf

    limits = [spread(limit, g, axis) for g, axis in zip(gradients, axes, strict=True)]
    return [tf.where(c > 0, tf.clip_by_value(g, -c, c), g) for g, c in zip(gradients, limits, strict=True)]


def _by_norm(gradients: Gradients, axes: Sequence[int], limit: Tensor) -> Gradients:
    """Clips each weight's gradient by its own norm."""
    import tensorflow as tf

    norms = [tf.sqrt(sum_per_trial(tf.square(g), axis)) for g, axis in zip(gradients, axes, strict=True)]
    return [
        tf.where(spread(limit, g, axis) > 0, g * spread(limit / tf.maximum(n, limit), g, axis), g)
        for g, n, axis in zip(gradients, norms, axes, strict=True)
    ]


def _by_global_norm(gradients: Gradients, axes: Sequence[int], limit: Tensor) -> Gradients:
    """Clips all gradients of a trial by their common norm."""
    import tensorflow as tf

    squares = [sum_per_trial(tf.square(g), axis) for g, axis in zip(gradients, axes, strict=True)]
    scale = limit / tf.maximum(tf.sqrt(tf.add_n(squares)), limit)
    return [
        tf.where(spread(limit, g, axis) > 0, g * spread(scale, g, axis), g)
        for g, axis in zip(gradients, axes, strict=True)
    ]
