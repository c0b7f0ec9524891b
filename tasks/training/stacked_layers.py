"""Keras layers for many trials at once: one function for each layer class that a stack understands.

Axes: `S` seeds, `R` recipes (so `S * R` trials), `B` rows of a batch. Inputs are shared by the trials of a seed,
`[S, B, ...]`, until the first layer with weights; from there each trial has its own, `[S, R, B, ...]`. Weights carry
`S` and `R` too, and `Form` says where. `[S, B, features]` multiplies the first kernels of all of a seed's trials in one
matrix product.

To teach the stack another layer, write its function and name its class in `forward_functions`; the contract test
compares it with the Keras layer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

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
class Form:
    """How a weight lies in a stack.

    Args:
        axis: Where `R` is; `S` is first. Where it is 1, each trial's numbers stand together.
        matrix: A kernel that meets shared inputs, as one matrix: its features are the window and channels of a filter.
        transposed: Of a matrix, units first.
        in_parts: A step takes it as the parts that belong to the update rules; joining them would copy it.
    """

    axis: int = 1
    matrix: bool = False
    transposed: bool = False
    in_parts: bool = False

    def stored(self, weight: np.ndarray) -> np.ndarray:
        """A trial's weight as Keras has it, in the order of the stack."""
        matrix = weight.reshape(-1, weight.shape[-1]) if self.matrix else weight
        return matrix.T if self.transposed else matrix

    def restored(self, stored: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Back to the shape that Keras has."""
        return np.ascontiguousarray(stored.T if self.transposed else stored).reshape(shape)


WIDE = 64
"""Features from which on a shared kernel is transposed, `[S, R, units, features]`. Then updates run along memory; but
products with few features are slower so than as `[S, features, R, units]`."""


@dataclass(frozen=True)
class StackedLayer:
    """One layer of the stack.

    Args:
        layer: The Keras layer it stands for.
        index: Its position in the model.
        inputs: Whether its inputs are `shared` by the trials of a seed or each trial's `own`.
        trainable: Positions of its trainable weights among the model's weights.
        state: Positions of its other weights (moving statistics).
        kernel: How its first trainable weight lies.
    """

    layer: keras.Layer
    index: int
    inputs: str
    trainable: tuple[int, ...]
    state: tuple[int, ...]
    kernel: Form


def _flatten(one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
    import tensorflow as tf

    if one.inputs == OWN:
        return tf.reshape(x, [*x.shape[:2], x.shape[2], -1]), []
    return tf.reshape(x, [x.shape[0], x.shape[1], -1]), []


def _dense(one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
    import tensorflow as tf

    kernel = weights[0]
    if one.inputs == SHARED:
        product = _shared_product(x, kernel, one.kernel)
        product = tf.transpose(product, [0, 2, 1, 3])
    else:
        kernels = kernel if isinstance(kernel, tuple) else (kernel,)
        own = tf.split(x, [each.shape[1] for each in kernels], 1)
        product = tf.concat([tf.matmul(rows, each) for rows, each in zip(own, kernels, strict=True)], 1)
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
    """A convolution as one matrix product over patches (im2col): filters that differ from trial to trial are then
    columns of one matrix, or matrices of one batched product, where a convolution would run trial after trial."""
    import tensorflow as tf

    layer = one.layer
    patches = _patches(x, layer.kernel_size, layer.strides, layer.padding)
    *outer, height, width, features = patches.shape
    kernel = weights[0]
    if one.inputs == SHARED:
        lanes, batch = outer  # one lane where all seeds see the same rows
        product = _shared_product(tf.reshape(patches, [lanes, batch * height * width, features]), kernel, one.kernel)
        product = tf.reshape(product, [product.shape[0], batch, height, width, *product.shape[2:]])
        product = tf.transpose(product, [0, 4, 1, 2, 3, 5])
    else:
        seeds, recipes, batch = outer
        filters = kernel.shape[-1]
        product = tf.matmul(
            tf.reshape(patches, [seeds, recipes, batch * height * width, features]),
            tf.reshape(kernel, [seeds, recipes, features, filters]),
        )
        product = tf.reshape(product, [seeds, recipes, batch, height, width, filters])
    if layer.use_bias:
        product = _with_bias(product, weights[1])
    return layer.activation(product), []


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
    """Rows of the table `[S, tokens, R, units]`, which may come in parts along `R`: the trials of a seed look the same
    tokens up together."""
    import tensorflow as tf

    tables = weights[0] if isinstance(weights[0], tuple) else (weights[0],)
    rows = tf.concat([tf.gather(table, x, batch_dims=1) for table in tables], 3)  # [S, B, length, R, units]
    return tf.transpose(rows, [0, 3, 1, 2, 4]), []


def _average(one: StackedLayer, weights: list[Tensor], x: Tensor, context: Context) -> tuple[Tensor, list[Tensor]]:
    import tensorflow as tf

    return tf.reduce_mean(x, axis=-2), []


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
        layers.GlobalAveragePooling1D: _average,
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
    if name == "Conv2D" and (layer.groups != 1 or tuple(layer.dilation_rate) != (1, 1)):
        return "its Conv2D has groups or dilation"
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
        result.append(StackedLayer(layer, index, inputs, trainable, state, _kernel_form(layer, inputs)))
        if layer.weights:
            inputs = OWN
    return result


def describe(model: keras.Model) -> str:
    """What of a network's layers is compiled into a program: all but names, initial weights and what is an input."""
    left_out = {"name", "seed", "rate"}
    layers = [
        [
            type(layer).__name__,
            list(layer.input.shape),
            {
                key: value
                for key, value in layer.get_config().items()
                if key not in left_out and not key.endswith(("_initializer", "_regularizer"))
            },
        ]
        for layer in model.layers
    ]
    return json.dumps(layers, sort_keys=True, default=str)


def _kernel_form(layer: keras.Layer, inputs: str) -> Form:
    kind = type(layer).__name__
    if kind == "Embedding":  # the trials of a seed look up the same tokens
        return Form(axis=2, in_parts=True)
    if inputs == SHARED and kind in ("Dense", "Conv2D"):
        transposed = math.prod(layer.weights[0].shape[:-1]) >= WIDE
        return Form(axis=1 if transposed else 2, matrix=True, transposed=transposed)
    return Form(in_parts=kind == "Dense")


def forms(layers: list[StackedLayer]) -> dict[int, Form]:
    """Position of each weight to its form."""
    result = {index: Form() for one in layers for index in (*one.trainable, *one.state)}
    return result | {one.trainable[0]: one.kernel for one in layers if one.trainable}


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
