"""Keras layers for many trials at once: one function for each layer class that a stack understands.

Axes: `S` seeds, `R` recipes (so `S * R` trials), `B` rows of a batch. Inputs are shared by the trials of a seed,
`[S, B, ...]`, until the first layer with weights; from there each trial has its own, `[S, R, B, ...]`. Weights carry
`S` and `R` too. The first product's kernel lies as `[S, features, R, units]`: `[S, B, features]` then multiplies the
kernels of all of a seed's trials in one matrix product.

To teach the stack another layer, write its function and name its class in `forward_functions`; the contract test
compares it with the Keras layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

Tensor = Any

SHARED, OWN = "shared", "own"


@dataclass(frozen=True)
class Context:
    """What a step's forward pass knows besides weights and inputs.

    Args:
        training: Batch statistics and dropout, or neither.
        mask: 1 for the rows of the batch that exist, `[B]`; the last batch of an epoch may be partial.
        dropout: Rate of each trial, `[S, R]`.
        uniforms: `(shape without S, layer index) -> [S, *shape]`, numbers in `[0, 1)` that depend on seed, step and
            layer only, so that a trial's dropout does not depend on its stack.
    """

    training: bool
    mask: Tensor | None = None
    dropout: Tensor | None = None
    uniforms: Callable[[list[int], int], Tensor] | None = None


@dataclass(frozen=True)
class StackedLayer:
    """One layer of the stack.

    Args:
        layer: The Keras layer it stands for.
        index: Its position in the model.
        inputs: Whether its inputs are `shared` by the trials of a seed or each trial's `own`.
        trainable: Positions of its trainable weights among the model's weights.
        state: Positions of its other weights (moving statistics).
    """

    layer: keras.Layer
    index: int
    inputs: str
    trainable: tuple[int, ...]
    state: tuple[int, ...]


def _flatten(one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
    import tensorflow as tf

    if one.inputs == OWN:
        return tf.reshape(x, [*x.shape[:2], x.shape[2], -1]), []
    return tf.reshape(x, [x.shape[0], x.shape[1], -1]), []


def _dense(one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
    import tensorflow as tf

    kernel = weights[0]
    if one.inputs == SHARED:
        seeds, features, recipes, units = kernel.shape
        product = tf.matmul(x, tf.reshape(kernel, [seeds, features, recipes * units]))
        product = tf.transpose(tf.reshape(product, [seeds, -1, recipes, units]), [0, 2, 1, 3])
    else:
        product = tf.matmul(x, kernel)
    if one.layer.use_bias:
        product = _with_bias(product, weights[1])
    return one.layer.activation(product), []


def _convolution(one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
    layer = one.layer
    product = _convolved(one.inputs, weights[0], x, layer.kernel_size, layer.strides, layer.padding)
    if layer.use_bias:
        product = _with_bias(product, weights[1])
    return layer.activation(product), []


def _convolution_1d(
    one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context
) -> tuple[Tensor, list[Tensor]]:
    """A convolution over rows of an image that is one pixel high."""
    import tensorflow as tf

    layer, kernel = one.layer, weights[0]
    before_window = len(kernel.shape) - (4 if one.inputs == SHARED else 3)  # [..., window, channels, (R,) filters]
    product = _convolved(
        one.inputs,
        tf.expand_dims(kernel, before_window),
        tf.expand_dims(x, -3),
        (1, *layer.kernel_size),
        (1, *layer.strides),
        layer.padding,
    )
    product = tf.squeeze(product, -3)
    if layer.use_bias:
        product = _with_bias(product, weights[1])
    return layer.activation(product), []


def _convolved(
    inputs: str,
    kernel: Tensor,
    x: Tensor,
    window: tuple[int, int],
    strides: tuple[int, int],
    padding: str,
) -> Tensor:
    """A convolution as one matrix product over patches (im2col): filters that differ from trial to trial are then
    columns of one matrix, or matrices of one batched product, where a convolution would run trial after trial."""
    import tensorflow as tf

    patches = _patches(x, window, strides, padding)
    *outer, height, width, features = patches.shape
    if inputs == SHARED:
        lanes, batch = outer  # one lane where all seeds see the same rows
        seeds, (recipes, filters) = kernel.shape[0], kernel.shape[4:]
        product = tf.matmul(
            tf.reshape(patches, [lanes, batch * height * width, features]),
            tf.reshape(kernel, [seeds, features, recipes * filters]),
        )
        product = tf.reshape(product, [seeds, batch, height, width, recipes, filters])
        return tf.transpose(product, [0, 4, 1, 2, 3, 5])
    seeds, recipes, batch = outer
    filters = kernel.shape[-1]
    product = tf.matmul(
        tf.reshape(patches, [seeds, recipes, batch * height * width, features]),
        tf.reshape(kernel, [seeds, recipes, features, filters]),
    )
    return tf.reshape(product, [seeds, recipes, batch, height, width, filters])


def _padding(size: int, window: int, stride: int, padding: str) -> tuple[int, int, int]:
    """Zeros before and after an axis, and its outputs, as TensorFlow counts them."""
    if padding == "valid":
        return 0, 0, (size - window) // stride + 1
    outputs = -(-size // stride)
    missing = max((outputs - 1) * stride + window - size, 0)
    return missing // 2, missing - missing // 2, outputs


def _windows(x: Tensor, window: tuple[int, int], strides: tuple[int, int], padding: str, fill: float) -> list[Tensor]:
    """The views of `[..., height, width, channels]` at each place of a window, row by row: `[..., h, w, channels]`."""
    import tensorflow as tf

    top, bottom, height = _padding(x.shape[-3], window[0], strides[0], padding)
    left, right, width = _padding(x.shape[-2], window[1], strides[1], padding)
    if top or bottom or left or right:
        outer = [[0, 0]] * (len(x.shape) - 3)
        x = tf.pad(x, [*outer, [top, bottom], [left, right], [0, 0]], constant_values=fill)
    return [
        x[
            ...,
            row : row + (height - 1) * strides[0] + 1 : strides[0],
            column : column + (width - 1) * strides[1] + 1 : strides[1],
            :,
        ]
        for row in range(window[0])
        for column in range(window[1])
    ]


def _patches(x: Tensor, window: tuple[int, int], strides: tuple[int, int], padding: str) -> Tensor:
    """`[..., h, w, window rows * window columns * channels]`, in the order of a Keras kernel's axes."""
    import tensorflow as tf

    return tf.concat(_windows(x, window, strides, padding, 0.0), axis=-1)


def _max_pooling(one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
    """A chain of maxima: of equal values the first gets the gradient, as in TensorFlow's own pooling."""
    import tensorflow as tf

    layer = one.layer
    views = _windows(x, layer.pool_size, layer.strides, layer.padding, x.dtype.min)
    result = views[0]
    for view in views[1:]:
        result = tf.maximum(result, view)
    return result, []


def _embedding(one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
    """Rows of the table `[S, tokens, R, units]`: the trials of a seed look the same tokens up together."""
    import tensorflow as tf

    table = weights[0]
    tokens = tf.broadcast_to(x, [table.shape[0], *x.shape[1:]])  # one lane where all seeds see the same rows
    rows = tf.gather(table, tokens, batch_dims=1)  # [S, B, length, R, units]
    return tf.transpose(rows, [0, 3, 1, 2, 4]), []


def _average(one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
    import tensorflow as tf

    return tf.reduce_mean(x, axis=-2), []


def _maximum(one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
    import tensorflow as tf

    return tf.reduce_max(x, axis=-2), []


def _with_bias(x: Tensor, bias: Tensor) -> Tensor:
    """Adds a bias `[S, R, units]` to `[S, R, ..., units]`.

    A single trial takes the operation that Keras takes, whose gradient sums rows in another order than a broadcast
    addition's: with it, float32 without XLA is Keras bit for bit.
    """
    import tensorflow as tf

    seeds, recipes, units = bias.shape
    if seeds * recipes == 1:
        return tf.nn.bias_add(x, tf.reshape(bias, [units]))
    return x + tf.reshape(bias, [seeds, recipes, *[1] * (len(x.shape) - 3), units])


def _activation(one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
    return one.layer.activation(x), []


def _dropout(one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
    import tensorflow as tf

    if not context.training or context.uniforms is None or context.dropout is None:
        return x, []
    rate = context.dropout[(...,) + (None,) * (len(x.shape) - 2)]
    kept = context.uniforms(list(x.shape[2:]), one.index)[:, None] >= rate
    return tf.where(kept, x / (1 - rate), tf.zeros_like(x)), []


def _batch_normalisation(
    one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context
) -> tuple[Tensor, list[Tensor]]:
    """Ioffe & Szegedy 2015, with Keras's biased variance and moving averages; rows that do not exist do not count."""
    import tensorflow as tf

    inner = [1] * (len(x.shape) - 3)  # rows, and height and width of images
    gamma, beta, moving_mean, moving_variance = (
        tf.reshape(weight, [*weight.shape[:2], *inner, weight.shape[2]]) for weight in weights
    )
    state: list[Tensor] = []
    if context.training:
        axes = list(range(2, len(x.shape) - 1))
        present = tf.ones(x.shape[2], x.dtype) if context.mask is None else context.mask
        weight = tf.reshape(present, [1, 1, -1, *inner])
        count = tf.reduce_sum(present) * float(math.prod(x.shape[3:-1]))
        mean = tf.reduce_sum(x * weight, axis=axes, keepdims=True) / count
        variance = tf.reduce_sum(tf.square(x - mean) * weight, axis=axes, keepdims=True) / count
        momentum = one.layer.momentum
        moved = (
            moving_mean * momentum + mean * (1 - momentum),
            moving_variance * momentum + variance * (1 - momentum),
        )
        state = [tf.reshape(item, weights[2].shape) for item in moved]
    else:
        mean, variance = moving_mean, moving_variance
    return (x - mean) * tf.math.rsqrt(variance + one.layer.epsilon) * gamma + beta, state


def forward_functions() -> dict[type, Callable[..., tuple[Tensor, list[Tensor]]]]:
    """Layer class to its stacked form: `(layer, weights, inputs, context) -> (outputs, new state)`."""
    from keras import layers

    return {
        layers.Conv2D: _convolution,
        layers.MaxPooling2D: _max_pooling,
        layers.Embedding: _embedding,
        layers.Conv1D: _convolution_1d,
        layers.GlobalAveragePooling1D: _average,
        layers.GlobalMaxPooling1D: _maximum,
        layers.Flatten: _flatten,
        layers.Dense: _dense,
        layers.Activation: _activation,
        layers.Dropout: _dropout,
        layers.BatchNormalization: _batch_normalisation,
    }


def why_not(model: keras.Model) -> str | None:
    """Why a model can't be stacked, in words for the plan and the report; None where it can."""
    import keras

    if not isinstance(model, keras.Sequential):
        return "it is not a sequence of layers"
    known = forward_functions()
    unknown = sorted({type(layer).__name__ for layer in model.layers if type(layer) not in known})
    if unknown:
        return f"the stacked trainer has no {', '.join(unknown)} layer"
    return next(filter(None, map(_unusual, model.layers)), None)


def _unusual(layer: keras.Layer) -> str | None:
    """Why a layer of a known class can't be stacked as it is configured."""
    name = type(layer).__name__
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return f"its {name} has channels first"
    if name in ("Conv1D", "Conv2D") and (layer.groups != 1 or set(layer.dilation_rate) != {1}):
        return f"its {name} has groups or dilation"
    if name == "Conv1D" and layer.padding == "causal":
        return "its Conv1D has causal padding"
    if name == "Embedding" and layer.mask_zero:
        return "its Embedding masks zeros"
    if name == "BatchNormalization" and not (layer.center and layer.scale):
        return "its BatchNormalization lacks center or scale"
    return None


def layout(model: keras.Model) -> list[StackedLayer]:
    """The model's layers as a stack sees them."""
    position = {id(weight): index for index, weight in enumerate(model.weights)}
    inputs, result = SHARED, []
    for index, layer in enumerate(model.layers):
        trainable = tuple(position[id(weight)] for weight in layer.trainable_weights)
        state = tuple(position[id(weight)] for weight in layer.non_trainable_weights if id(weight) in position)
        result.append(StackedLayer(layer, index, inputs, trainable, state))
        if layer.weights:
            inputs = OWN
    return result


def recipe_axes(layers: list[StackedLayer]) -> dict[int, int]:
    """Position of each weight to the axis of `R` in its stacked form: before the units for what first meets the shared
    inputs (a kernel, an embedding's table), else 1."""
    axes = {index: 1 for one in layers for index in (*one.trainable, *one.state)}
    first = next((one for one in layers if one.trainable), None)
    if first is not None and first.inputs == SHARED:
        axes[first.trainable[0]] = len(first.layer.weights[0].shape)
    return axes


def forward(
    layers: list[StackedLayer], weights: list[Tensor], x: Tensor, context: Context
) -> tuple[Tensor, dict[int, Tensor]]:
    """Outputs `[S, R, B, outputs]` and the new state by weight position."""
    functions = forward_functions()
    new_state: dict[int, Tensor] = {}
    for one in layers:
        own = [weights[index] for index in (*one.trainable, *one.state)]
        x, state = functions[type(one.layer)](one, own, x, context)
        new_state.update(zip(one.state, state, strict=False))
    return x, new_state
