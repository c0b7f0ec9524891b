"""Keras layers for many trials at once: one function for each layer class that a stack understands.

Axes: `S` replicas, `R` recipes (so `S * R` trials), `B` rows of a batch. What flows between layers is

- *shared* by the trials of a replica, `[S, B, ...]`, until the first layer with weights (`S` is 1 where all replicas
  see the same rows), on every way from the rows;
- then *separate* rows of each trial, `[S, R, B, units]`;
- or *embedded* numbers of each trial, `[S, R, B, features, numbers]`;
- or *spatial*, `[B, height, width, S, R, channels]` for images and `[B, length, S, R, channels]` for sequences. The
  channels of all trials lie side by side: what works channel by channel (pooling, a bias, a convolution in groups)
  takes them for one wide image.

Weights have `S` and `R` too, and `Form` says where. `[S, B, features]` multiplies the first kernels of all trials of a
replica in one matrix product.

Trials whose hidden Dense layers differ in their units share a stack too (`joinable`): weights have the widest trial's
shape, a narrower trial's stand in the leading corner, and the rest is zero and stays so. What a padded unit gives, such
as a sigmoid's 0.5, is masked before the next product; with that its gradients are zero, and every update rule leaves a
zero weight with a zero gradient alone.

To teach the stack another layer, write its function and name its class in `forward_functions`; the contract test
compares it with the Keras layer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from tasks.training.models import Activation

if TYPE_CHECKING:
    import keras

Tensor = Any

SHARED, SEPARATE, EMBEDDED, SPATIAL = "shared", "separate", "embedded", "spatial"


@dataclass(frozen=True)
class Context:
    """What a step's forward pass knows besides weights and inputs.

    Args:
        training: Batch statistics and dropout, or neither.
        mask: 1 for the rows of the batch that exist, `[B]`; the last batch of an epoch may be partial.
        dropout: Rate of each trial, `[S, R]`.
        uniforms: `(shape without S, layer index) -> [S, *shape]`, numbers in `[0, 1)` that depend on seed, step and
            layer only, so that a trial's dropout does not depend on its stack.
        grouped: One convolution for the groups of all trials, not one after the other. Many times faster where there is
            code for it, which XLA on a CPU lacks.
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
    """How a weight lies in a stack.

    Args:
        axis: Where `R` is; `S` is first. Where it is 1, each trial's numbers stand together.
        transposed: A kernel with its units first.
        in_parts: A step takes it as the parts that belong to the update rules; joining them would copy it.
    """

    axis: int = 1
    transposed: bool = False
    in_parts: bool = False

    def stored(self, weight: np.ndarray) -> np.ndarray:
        """A trial's weight as Keras has it, in the order of the stack."""
        return weight.T if self.transposed else weight

    def restored(self, stored: np.ndarray) -> np.ndarray:
        """Back to the order of Keras."""
        return np.ascontiguousarray(stored.T if self.transposed else stored)


WIDE = 64
"""Features from which on a shared kernel is transposed, `[S, R, units, features]`. Then updates run along memory; but
products with few features are slower so than as `[S, features, R, units]`."""


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
        kernel: How its first trainable weight lies.
        after: Which Dense layer it takes the units of, counted from 0; None before the first.
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
    each seed where the inputs are shared."""
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
    """Whether compiled functions have convolutions in groups, forth and back, for a dtype. On CPUs they come with
    oneDNN, for float32 and not under XLA."""
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
    """Rows of the table `[S, tokens, R, units]`, which may come in parts along `R`: the trials of a seed look the same
    tokens up together."""
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
    """Flat features, those that a replica's trials share repeated for each trial, unless they share all."""
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
    """A product of each trial, or where no step moves the weights, of each replica: then its trials share them."""
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
    """Of a layer or model without weights, to which all rows of all trials are rows."""
    import tensorflow as tf

    leading = x.shape[: 2 if one.inputs == SHARED else 3]
    given = one.layer(tf.reshape(x, [-1, *x.shape[len(leading) :]]))
    return tf.reshape(given, [*leading, *given.shape[1:]]), []


def _with_bias(x: Tensor, bias: Tensor) -> Tensor:
    """Adds a bias `[S, R, units]` to `[S, R, rows, units]`.

    A single trial takes the operation that Keras takes, whose gradient sums rows in another order than a broadcast
    addition's: with it, float32 without XLA is Keras bit for bit.
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
    """Of numbers drawn for a wide layer, `[S, 1, B, units]`, those that each recipe would draw for its own width:
    `[S, R, B, units]`, the first `widths` (`[R]`) units of each row.

    The generator counts: of one key, fewer numbers are the first of more. So row `b` of a narrow layer begins at
    `b * width`, however many numbers are drawn after it.
    """
    import tensorflow as tf

    seeds, _, rows, units = uniforms.shape
    unit = tf.minimum(tf.range(units), widths[:, None] - 1)  # [R, units]; what padded units get is of no matter
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


def incompatibility(model: keras.Model) -> str | None:
    """Why a model can't be stacked, in words for the plan and the report; None where it can."""
    layers = layers_of(model)
    known = forward_functions()
    unknown = sorted({type(layer).__name__ for layer in layers if class_of(layer) not in known})
    if unknown:
        return f"the stacked trainer has no {', '.join(unknown)} layer"
    unusual = next(filter(None, (_unusual(one) for one in layout(model))), None)
    alone = not any(None in each for each in _sources(model))
    return unusual or (None if alone else "it is not made of layers alone, each used once, from one input")


def layers_of(model: keras.Model) -> list[keras.Layer]:
    """The layers of a network, in the order in which they can be computed, without its input."""
    from keras import layers

    return [layer for layer in model.layers if not isinstance(layer, layers.InputLayer)]


def class_of(layer: keras.Layer) -> type:
    """Its class in `forward_functions`; models within a network are all of one."""
    import keras

    return keras.Model if isinstance(layer, keras.Model) else type(layer)


def _inputs(layer: keras.Layer) -> list[Any]:
    import keras

    taken = keras.Operation.input.fget(layer)  # of a model within, what it is given, not its own input
    return list(taken) if isinstance(taken, (list, tuple)) else [taken]


def _sources(model: keras.Model) -> list[list[int | None]]:
    """For each layer, where its inputs come from: the position of a layer, or `ROWS`; None: from neither."""
    import keras

    layers = layers_of(model)
    there = {id(keras.Operation.output.fget(layer)): position for position, layer in enumerate(layers)}
    if len(model.inputs) == 1:
        there[id(model.inputs[0])] = ROWS
    return [[there.get(id(tensor)) for tensor in _inputs(layer)] for layer in layers]


def _unusual(one: StackedLayer) -> str | None:
    """Why a layer of a known class can't be stacked as it is configured, or where it stands."""
    layer = one.layer
    name = type(layer).__name__
    if name in ("Reshape", "Cropping1D") and one.inputs != SHARED:
        return f"its {name} stands behind a layer with weights"
    if name == "Concatenate" and (one.inputs == SPATIAL or one.after is not None):
        return "its Concatenate joins images or sequences, or stands behind a Dense"
    if name == "Add" and (one.inputs == SPATIAL or len({tuple(each.shape) for each in _inputs(layer)}) > 1):
        return "its Add joins images or sequences, or what differs in shape"
    if class_of(layer).__name__ == "Model" and layer.weights:
        return "it has a model with weights within"
    if one.inputs == SPATIAL and class_of(layer).__name__ in ("EinsumDense", "ReLU", "Model"):
        return f"its {name} takes images or sequences"
    if name == "Dense" and len(layer.input.shape) != 2:
        return "its Dense takes inputs that are not flat"
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return f"its {name} has channels first"
    if name in ("Conv1D", "Conv2D") and (layer.groups != 1 or set(layer.dilation_rate) != {1}):
        return f"its {name} has groups or dilation"
    if name == "Conv1D" and layer.padding == "causal":
        return "its Conv1D is causal"
    if name == "Embedding" and layer.mask_zero:
        return "its Embedding masks zeros"
    if name == "BatchNormalization" and not (layer.center and layer.scale):
        return "its BatchNormalization lacks center or scale"
    return None


def layout(model: keras.Model) -> list[StackedLayer]:
    """The model's layers as a stack sees them."""
    position = {id(weight): index for index, weight in enumerate(model.weights)}
    given: dict[int, tuple[str, int | None]] = {ROWS: (SHARED, None)}
    result: list[StackedLayer] = []
    for index, (layer, found) in enumerate(zip(layers_of(model), _sources(model), strict=True)):
        sources = tuple(source for source in found if source is not None)
        kinds = {given[source][0] for source in sources}
        inputs = next((kind for kind in (SPATIAL, EMBEDDED, SEPARATE) if kind in kinds), SHARED)
        after = next((units for _, units in map(given.__getitem__, sources) if units is not None), None)
        trainable = tuple(position[id(weight)] for weight in layer.trainable_weights)
        state = tuple(position[id(weight)] for weight in layer.non_trainable_weights if id(weight) in position)
        result.append(StackedLayer(layer, index, sources, inputs, trainable, state, _kernel_form(layer, inputs), after))
        if type(layer).__name__ == "Dense":
            after = 0 if after is None else after + 1
        if layer.trainable_weights or inputs != SHARED:
            embedded = inputs == EMBEDDED or type(layer).__name__ == "EinsumDense"
            inputs = SEPARATE if len(layer.output.shape) == 2 else EMBEDDED if embedded else SPATIAL
        given[index] = (inputs, after)
    return result


def describe(model: keras.Model) -> str:
    """What of a network's layers is compiled into a program: all but names, initial weights and what is an input."""
    layers = [
        [type(layer).__name__, [list(each.shape) for each in _inputs(layer)], sources, _compiled_in(layer)]
        for layer, sources in zip(layers_of(model), _sources(model), strict=True)
    ]
    return json.dumps(layers, sort_keys=True, default=str)


def _compiled_in(layer: keras.Layer) -> dict[str, Any]:
    if class_of(layer).__name__ == "Model":
        return {"operations": [type(each).__name__ for each in layer.operations]}
    left_out = {"name", "seed", "rate"}
    return {
        key: value
        for key, value in layer.get_config().items()
        if key not in left_out and not key.endswith(("_initializer", "_regularizer"))
    }


def joinable(models: Sequence[keras.Model]) -> str | None:
    """Why models that can be stacked each by itself can't share a stack, in words; None where they can: they are equal
    but for the units of hidden Dense layers, behind which each unit goes its own way up to the next Dense."""
    if len(set(map(describe, models))) == 1:
        return None
    if len(set(map(_but_widths, models))) > 1:
        return "their layers differ in more than the units of hidden Dense layers"
    for one in layout(models[0])[:-1]:
        layer, name, config = one.layer, type(one.layer).__name__, one.layer.get_config()
        if one.after is None and name != "Dense":
            continue
        if name not in ("Dense", "Activation", "Dropout", "BatchNormalization"):
            return f"a {name} stands behind a Dense"
        if name == "BatchNormalization" and layer.axis not in (-1, 1):
            return "a BatchNormalization is not over units"
        if config.get("activation", "linear") not in get_args(Activation):
            return f"the activation {config['activation']} mixes units"
    return None


def _but_widths(model: keras.Model) -> str:
    """`describe` without the units of Dense layers that aren't the output."""
    layers: list[Any] = [list(model.output_shape)]
    for one in layout(model):
        compiled = _compiled_in(one.layer)
        if type(one.layer).__name__ == "Dense" and one.layer is not layers_of(model)[-1]:
            del compiled["units"]
        shapes = [list(each.shape) for each in _inputs(one.layer)] if one.after is None else None
        layers.append([type(one.layer).__name__, shapes, one.sources, compiled])
    return json.dumps(layers, sort_keys=True, default=str)


def widest(models: Sequence[keras.Model]) -> keras.Model:
    """The model with the most units of each layer of joinable models: one of them, or another like them."""
    import keras

    units = [max(getattr(layer, "units", 0) for layer in same) for same in zip(*map(layers_of, models), strict=True)]
    for model in models:
        if [getattr(layer, "units", 0) for layer in layers_of(model)] == units:
            return model
    most = {layer.name: each for layer, each in zip(layers_of(models[0]), units, strict=True)}

    def as_wide(layer: keras.Layer) -> keras.Layer:
        wider = {"units": most[layer.name]} if most.get(layer.name) else {}
        return type(layer).from_config(layer.get_config() | wider)

    return keras.models.clone_model(models[0], clone_function=as_wide)


def _kernel_form(layer: keras.Layer, inputs: str) -> Form:
    kind = type(layer).__name__
    if kind == "Embedding":  # the trials of a replica look up the same tokens
        return Form(axis=2, in_parts=True)
    if kind == "Dense" and inputs == SHARED:
        transposed = layer.weights[0].shape[0] >= WIDE
        return Form(axis=1 if transposed else 2, transposed=transposed)
    return Form(in_parts=kind == "Dense")


def forms(layers: list[StackedLayer]) -> dict[int, Form]:
    """Position of each weight to its form."""
    result = {index: Form() for one in layers for index in (*one.trainable, *one.state)}
    return result | {one.trainable[0]: one.kernel for one in layers if one.trainable}


def forward(
    layers: list[StackedLayer],
    weights: list[Tensor],
    x: Tensor,
    context: Context,
    outputs: dict[int, Tensor] | None = None,
) -> tuple[Tensor, dict[int, Tensor]]:
    """Outputs, separate or spatial, and the new state by weight position.

    Args:
        outputs: Where what each layer gives is put, by its position.
    """
    functions = forward_functions()
    new_state: dict[int, Tensor] = {}
    outputs = {} if outputs is None else outputs
    outputs[ROWS] = x
    for one in layers:
        layer_weights = [weights[index] for index in (*one.trainable, *one.state)]
        taken = tuple(outputs[source] for source in one.sources)
        joins = type(one.layer).__name__ in ("Concatenate", "Add")
        x, state = functions[class_of(one.layer)](one, layer_weights, taken if joins else taken[0], context)
        outputs[one.index] = x
        new_state.update(zip(one.state, state, strict=False))
    return x, new_state
