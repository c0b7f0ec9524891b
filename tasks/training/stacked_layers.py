"""Keras layers for many trials at once: one function for each layer class that a stack understands.

Axes: `S` replicas, `R` recipes (so `S * R` trials), `B` rows of a batch. What flows between layers is

- *shared* by the trials of a replica, `[S, B, ...]`, on every path from the rows until the first layer with weights
  (`S` is 1 where all replicas see the same rows);
- then *separate* rows of each trial, `[S, R, B, units]`;
- or *embedded* numbers of each trial, `[S, R, B, features, numbers]`;
- or *spatial*, `[B, height, width, S, R, channels]` for images and `[B, length, S, R, channels]` for sequences. The
  channels of all trials lie side by side: what works channel by channel (pooling, a bias, a convolution in groups)
  treats them as one wide image.

Weights have `S` and `R` too, and `Form` says where. `[S, B, features]` multiplies the first kernels of all trials of a
replica in one matrix product.

To teach the stack another layer, write its function and name its class in `forward_functions`; the contract test
compares it with the Keras layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

Tensor = Any

SHARED, SEPARATE, EMBEDDED, SPATIAL = "shared", "separate", "embedded", "spatial"


@dataclass(frozen=True)
class Context:
    """What a step's forward pass gets besides weights and inputs.

    Args:
        training: Whether batch statistics and dropout are used, or neither.
        mask: 1 for the rows of the batch that exist, `[B]`; the last batch of an epoch may be partial.
        dropout: Rate of each trial, `[S, R]`.
        uniforms: `(shape without S, layer index) -> [S, *shape]`, numbers in `[0, 1)` that depend on seed, step and
            layer only, so that a trial's dropout does not depend on its stack.
        grouped: Whether one convolution serves the groups of all trials, instead of one for each group. It is many
            times faster where it is supported; XLA on a CPU does not support it.
        widths: Units of each recipe's hidden Dense layers, int32 `[R, hidden layers]`, where some are padded.
    """

    training: bool
    mask: Tensor | None = None
    dropout: Tensor | None = None
    uniforms: Callable[[list[int], int], Tensor] | None = None
    grouped: bool = False
    widths: Tensor | None = None


@dataclass(frozen=True)
class Form:
    """How a weight is stored in a stack.

    Args:
        axis: Where `R` is; `S` is first. Where it is 1, each trial's numbers are contiguous.
        transposed: Whether it is a kernel with its units first.
        in_parts: Whether a step takes it in parts, one for each update rule; joining them would copy it.
    """

    axis: int = 1
    transposed: bool = False
    in_parts: bool = False

    def stored(self, weight: np.ndarray) -> np.ndarray:
        """Puts a trial's weight from Keras's order into the stack's order."""
        return weight.T if self.transposed else weight

    def restored(self, stored: np.ndarray) -> np.ndarray:
        """Puts it back into Keras's order."""
        return np.ascontiguousarray(stored.T if self.transposed else stored)


WIDE = 64
"""A shared kernel of at least so many features is transposed, `[S, R, units, features]`, so that updates run along
memory. With fewer features, products would be slower in this form than as `[S, features, R, units]`."""


@dataclass(frozen=True)
class StackedLayer:
    """One layer of the stack.

    Args:
        layer: The Keras layer it stands for.
        index: Its position in the model.
        sources: Positions of the layers whose outputs it takes; `ROWS` stands for the network's inputs.
        inputs: `shared`, `separate`, `embedded` or `spatial`.
        trainable: Positions of its trainable weights among the model's weights.
        state: Positions of its other weights (moving statistics).
        kernel: How its first trainable weight is stored.
        after: The number of the Dense layer whose units it takes, from 0; None before the first Dense layer.
    """

    layer: keras.Layer
    index: int
    sources: tuple[int, ...]
    inputs: str
    trainable: tuple[int, ...]
    state: tuple[int, ...]
    kernel: Form
    after: int | None = None


ROWS = -1


def _flatten(one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
    import tensorflow as tf

    if one.inputs == SHARED:
        return tf.reshape(x, [x.shape[0], x.shape[1], -1]), []
    if one.inputs == SPATIAL:
        rank = len(x.shape)
        x = tf.transpose(x, [rank - 3, rank - 2, *range(rank - 3), rank - 1])
    return tf.reshape(x, [*x.shape[:2], x.shape[2], -1]), []


def _dense(one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
    import tensorflow as tf

    kernel = weights[0]
    if context.widths is not None and one.after is not None:
        there = tf.range(x.shape[-1]) < context.widths[:, one.after, None]  # [R, units]
        x = x * tf.cast(there, x.dtype)[:, None]
    if one.inputs == SHARED:
        product = _shared_product(x, kernel, one.kernel)
        product = tf.transpose(product, [0, 2, 1, 3])
    else:
        kernels = kernel if isinstance(kernel, tuple) else (kernel,)
        parts = tf.split(x, [each.shape[1] for each in kernels], 1)
        product = tf.concat([tf.matmul(rows, each) for rows, each in zip(parts, kernels, strict=True)], 1)
    if one.layer.use_bias:
        product = _with_bias(product, weights[1])
    return one.layer.activation(product), []


def _shared_product(x: Tensor, kernel: Tensor, form: Form) -> Tensor:
    """Rows `[S or 1, n, features]` times the kernels of all trials, in either form: `[S, n, R, units]`."""
    import tensorflow as tf

    if form.transposed:
        seeds, recipes, units, features = kernel.shape
        matrix = [seeds, recipes * units, features]
    else:
        seeds, features, recipes, units = kernel.shape
        matrix = [seeds, features, recipes * units]
    product = tf.matmul(x, tf.reshape(kernel, matrix), transpose_b=form.transposed)
    return tf.reshape(product, [seeds, -1, recipes, units])


def _convolution(one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
    """One convolution of a wide image, in which each trial's channels meet its filters: a group for each trial, or for
    each replica where the inputs are shared."""
    import tensorflow as tf

    layer, kernel = one.layer, weights[0]
    window, strides = tuple(layer.kernel_size), tuple(layer.strides)
    if len(window) == 1:  # a sequence is an image one pixel high
        x = tf.expand_dims(x, 2 if one.inputs == SHARED else 1)
        kernel = tf.expand_dims(kernel, 2)
        strides = (1, *strides)
    seeds, recipes, *_, filters = kernel.shape
    wide = _wide(x, one.inputs)
    groups = wide.shape[3] // kernel.shape[4]
    kernel = tf.reshape(tf.transpose(kernel, [2, 3, 4, 0, 1, 5]), [*kernel.shape[2:5], seeds * recipes * filters])
    padding = layer.padding.upper()
    if groups == 1 or context.grouped:
        product = tf.nn.conv2d(wide, kernel, strides, padding)
    else:
        pairs = zip(tf.split(wide, groups, 3), tf.split(kernel, groups, 3), strict=True)
        product = tf.concat([tf.nn.conv2d(rows, filters_of, strides, padding) for rows, filters_of in pairs], 3)
    if layer.use_bias:
        product = tf.nn.bias_add(product, tf.reshape(weights[1], [-1]))
    space = product.shape[1:3] if len(layer.kernel_size) == 2 else product.shape[2:3]
    return layer.activation(tf.reshape(product, [product.shape[0], *space, seeds, recipes, filters])), []


@cache
def groups_work(dtype: str) -> bool:
    """Whether compiled functions support grouped convolutions, forward and backward, for a dtype. On CPUs oneDNN has
    them for float32; XLA does not."""
    import tensorflow as tf

    @tf.function(autograph=False)
    def gradient(kernel: Tensor) -> Tensor:
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            total = tf.reduce_sum(tf.nn.conv2d(tf.ones([1, 1, 1, 2], dtype), kernel, 1, "SAME"))
        return tape.gradient(total, kernel)

    try:
        return bool(tf.reduce_all(gradient(tf.ones([1, 1, 1, 2], dtype)) == 1))
    except tf.errors.OpError:
        return False


def _wide(x: Tensor, inputs: str) -> Tensor:
    """Images of all views as one: `[rows, height, width, channels of all views]`."""
    import tensorflow as tf

    if inputs == SHARED:
        x = tf.transpose(x, [1, 2, 3, 0, 4])
    return tf.reshape(x, [*x.shape[:3], -1])


def _max_pooling(one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
    import tensorflow as tf

    layer = one.layer
    if one.inputs == SHARED:
        images = tf.reshape(x, [-1, *x.shape[2:]])
        pooled = tf.nn.max_pool2d(images, layer.pool_size, layer.strides, layer.padding.upper())
        return tf.reshape(pooled, [*x.shape[:2], *pooled.shape[1:]]), []
    pooled = tf.nn.max_pool2d(_wide(x, one.inputs), layer.pool_size, layer.strides, layer.padding.upper())
    return tf.reshape(pooled, [*pooled.shape[:3], *x.shape[3:]]), []


def _embedding(one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
    """Looks tokens up in the table `[S, tokens, R, units]`, which may come in parts along `R`. The trials of a replica
    look up the same tokens together."""
    import tensorflow as tf

    tables = weights[0] if isinstance(weights[0], tuple) else (weights[0],)
    tokens = tf.broadcast_to(tf.cast(x, "int32"), [tables[0].shape[0], *x.shape[1:]])
    rows = tf.concat([tf.gather(table, tokens, batch_dims=1) for table in tables], 3)  # [S, B, length, R, units]
    return tf.transpose(rows, [1, 2, 0, 3, 4]), []


def _reshape(one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
    import tensorflow as tf

    return tf.reshape(x, [*x.shape[:2], *one.layer.target_shape]), []


def _cropping(one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
    before, after = one.layer.cropping
    return x[:, :, before : x.shape[2] - after], []


def _concatenate(
    one: StackedLayer, weights: list[Tensor], x: tuple[Tensor, ...], context: Context
) -> tuple[Tensor, list[Tensor]]:
    """Features side by side."""
    import tensorflow as tf

    return tf.concat(_of_each_trial(x), -1), []


def _add(
    one: StackedLayer, weights: list[Tensor], x: tuple[Tensor, ...], context: Context
) -> tuple[Tensor, list[Tensor]]:
    return sum(_of_each_trial(x)[1:], start=_of_each_trial(x)[0]), []


def _of_each_trial(x: tuple[Tensor, ...]) -> list[Tensor]:
    """Flat features. Those that a replica's trials share are repeated for each trial, unless all are shared."""
    import tensorflow as tf

    replicas, recipes = next((each.shape[:2] for each in x if len(each.shape) == 4), (None, None))
    if recipes is None:
        return list(x)
    return [
        each if len(each.shape) == 4 else tf.broadcast_to(each[:, None], [replicas, recipes, *each.shape[1:]])
        for each in x
    ]


def _average(one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
    import tensorflow as tf

    return tf.transpose(tf.reduce_mean(x, axis=list(range(1, len(x.shape) - 3))), [1, 2, 0, 3]), []


def _maximum(one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
    import tensorflow as tf

    return tf.transpose(tf.reduce_max(x, axis=list(range(1, len(x.shape) - 3))), [1, 2, 0, 3]), []


def _einsum(one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
    """One product for each trial; or for each replica where the weights are frozen, since its trials share them."""
    import tensorflow as tf

    replicas, frozen = weights[0].shape[0], not one.trainable
    own = "S" if frozen else "SR"
    terms = [each[:, 0] for each in weights] if frozen else weights
    if one.inputs == SHARED:
        x = tf.broadcast_to(x, [replicas, *x.shape[1:]])
    taken, rest = one.layer.equation.split(",")
    kernel, given = rest.split("->")
    x = tf.einsum(f"{'S' if one.inputs == SHARED else 'SR'}{taken},{own}{kernel}->{own}{given}", x, terms[0])
    if len(terms) > 1:
        sizes = [x.shape[len(own) + place] if axis in one.layer.bias_axes else 1 for place, axis in enumerate(given)]
        x = x + tf.reshape(terms[1], [*x.shape[: len(own)], *sizes])
    return x, weights if frozen and context.training else []


def _as_keras(one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
    """Applies a layer or model without weights as in Keras: all rows of all trials are its rows."""
    import tensorflow as tf

    leading = x.shape[: 2 if one.inputs == SHARED else 3]
    given = one.layer(tf.reshape(x, [-1, *x.shape[len(leading) :]]))
    return tf.reshape(given, [*leading, *given.shape[1:]]), []


def _with_bias(x: Tensor, bias: Tensor) -> Tensor:
    """Adds a bias `[S, R, units]` to `[S, R, rows, units]`.

    A single trial uses the same operation as Keras. Its gradient sums rows in another order than that of a broadcast
    addition, so only with it float32 without XLA equals Keras bit for bit.
    """
    import tensorflow as tf

    seeds, recipes, units = bias.shape
    if seeds * recipes == 1:
        return tf.nn.bias_add(x, tf.reshape(bias, [units]))
    return x + bias[:, :, None]


def _activation(one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
    return one.layer.activation(x), []


def _dropout(one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
    import tensorflow as tf

    if not context.training or context.uniforms is None or context.dropout is None:
        return x, []
    if one.inputs == SPATIAL:
        *rows, channels = x.shape[:-3] + x.shape[-1:]
        drawn = context.uniforms([*rows, channels], one.index)  # [S, B, ..., channels]
        uniforms = tf.expand_dims(tf.transpose(drawn, [*range(1, len(rows) + 1), 0, len(rows) + 1]), -2)
        rate = context.dropout[:, :, None]
    else:
        uniforms = context.uniforms(list(x.shape[2:]), one.index)[:, None]
        if context.widths is not None and one.after is not None:
            uniforms = _as_narrow(uniforms, context.widths[:, one.after])
        rate = context.dropout[:, :, None, None]
    return tf.where(uniforms >= rate, x / (1 - rate), tf.zeros_like(x)), []


def _as_narrow(uniforms: Tensor, widths: Tensor) -> Tensor:
    """Picks, from numbers drawn for a wide layer, `[S, 1, B, units]`, those that each recipe would draw for its own
    width: `[S, R, B, units]`, the first `widths` (`[R]`) units of each row.

    The generator is a counter: with one key, a short draw is the beginning of a long one. So row `b` of a narrow layer
    begins at `b * width`, however many numbers are drawn after it.
    """
    import tensorflow as tf

    seeds, _, rows, units = uniforms.shape
    unit = tf.minimum(tf.range(units), widths[:, None] - 1)  # [R, units]; what padded units get does not matter
    index = tf.range(rows)[:, None] * widths[:, None, None] + unit[:, None]
    return tf.gather(tf.reshape(uniforms, [seeds, rows * units]), index, axis=1)


def _batch_normalisation(
    one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context
) -> tuple[Tensor, list[Tensor]]:
    """Ioffe & Szegedy 2015, with Keras's biased variance and moving averages; rows that do not exist do not count."""
    import tensorflow as tf

    spatial = one.inputs == SPATIAL
    rows = 0 if spatial else 2
    gamma, beta, moving_mean, moving_variance = (weight if spatial else weight[:, :, None] for weight in weights)
    state: list[Tensor] = []
    if context.training:
        axes = list(range(len(x.shape) - 3)) if spatial else [2]
        present = tf.ones(x.shape[rows], x.dtype) if context.mask is None else context.mask
        weight = tf.reshape(present, [-1 if axis == rows else 1 for axis in range(len(x.shape))])
        count = tf.reduce_sum(present) * float(math.prod(x.shape[axis] for axis in axes if axis != rows))
        mean = tf.reduce_sum(x * weight, axis=axes) / count
        shaped = mean if spatial else mean[:, :, None]
        variance = tf.reduce_sum(tf.square(x - shaped) * weight, axis=axes) / count
        momentum = one.layer.momentum
        state = [
            weights[2] * momentum + mean * (1 - momentum),
            weights[3] * momentum + variance * (1 - momentum),
        ]
        mean, variance = shaped, variance if spatial else variance[:, :, None]
    else:
        mean, variance = moving_mean, moving_variance
    return (x - mean) * tf.math.rsqrt(variance + one.layer.epsilon) * gamma + beta, state


def forward_functions() -> dict[type, Callable[..., tuple[Tensor, list[Tensor]]]]:
    """Layer class to its stacked form: `(layer, weights, inputs, context) -> (outputs, new state)`."""
    from keras import Model, layers

    return {
        layers.Conv1D: _convolution,
        layers.Conv2D: _convolution,
        layers.MaxPooling2D: _max_pooling,
        layers.Embedding: _embedding,
        layers.GlobalAveragePooling1D: _average,
        layers.GlobalMaxPooling1D: _maximum,
        layers.GlobalAveragePooling2D: _average,
        layers.Flatten: _flatten,
        layers.Reshape: _reshape,
        layers.Cropping1D: _cropping,
        layers.Concatenate: _concatenate,
        layers.Add: _add,
        layers.Dense: _dense,
        layers.EinsumDense: _einsum,
        layers.Activation: _activation,
        layers.ReLU: _as_keras,
        Model: _as_keras,
        layers.Dropout: _dropout,
        layers.BatchNormalization: _batch_normalisation,
    }


def class_of(layer: keras.Layer) -> type:
    """The layer's class in `forward_functions`; every model within a network counts as `keras.Model`."""
    import keras

    return keras.Model if isinstance(layer, keras.Model) else type(layer)
