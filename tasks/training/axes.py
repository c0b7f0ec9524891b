"""Arrays of a stack: axis 0 counts replicas (`S`), one later axis counts recipes (`R`)."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.training.stacked_layers import Tensor


def columns(array: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """The recipes `start:stop` of a stacked array whose `R` is at `axis`."""
    return array[(slice(None),) * axis + (slice(start, stop),)]


def chosen(array: Tensor, axis: int, recipes: Sequence[int]) -> Tensor:
    """The recipes at these places of a stacked array whose `R` is at `axis`."""
    import tensorflow as tf

    return tf.gather(array, recipes, axis=axis)


def spread(values: Tensor, like: Tensor, axis: int) -> Tensor:
    """Per-trial values `[S, R]` shaped to broadcast against a stacked array whose `R` is at `axis`."""
    import tensorflow as tf

    shape = [1] * len(like.shape)
    shape[0], shape[axis] = values.shape[0], values.shape[1]
    return tf.reshape(values, shape)


def sum_per_trial(array: Tensor, axis: int) -> Tensor:
    """Sums over all axes but `S` (0) and `R` (`axis`): `[S, R]`."""
    import tensorflow as tf

    return tf.reduce_sum(array, [other for other in range(len(array.shape)) if other not in (0, axis)])


def batch(array: Tensor, start: Tensor, size: int) -> Tensor:
    """Rows `start:start + size` of `[S, rows, ...]`; `size` is static."""
    import tensorflow as tf

    rank = len(array.shape)
    begin = tf.stack([0, start, *[0] * (rank - 2)])
    return tf.slice(array, begin, [array.shape[0], size, *array.shape[2:]])
