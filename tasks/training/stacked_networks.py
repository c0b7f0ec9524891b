"""Keras networks for many trials at once: which can be stacked, which can share a stack, and their forward pass.

A network is read layer by layer (`layout`); `stacked_layers` has a function for each class of layers.

Trials whose hidden Dense layers differ in their units share a stack too (`joinable`): weights have the widest trial's
shape, a narrower trial's weights are in the leading corner, and the rest is zero and stays zero. The output of a padded
unit, such as a sigmoid's 0.5, is masked before the next product. So its gradients are zero, and every update rule
leaves a zero weight with a zero gradient alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args

from tasks.training.models import Activation
from tasks.training.stacked_layers import (
    EMBEDDED,
    ROWS,
    SEPARATE,
    SHARED,
    SPATIAL,
    WIDE,
    Context,
    Form,
    StackedLayer,
    Tensor,
    class_of,
    forward_functions,
)

if TYPE_CHECKING:
    import keras


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


def _inputs(layer: keras.Layer) -> list[Any]:
    import keras

    taken = keras.Operation.input.fget(layer)  # of a nested model, what it is given, not its own input
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
    """Why a layer of a known class can't be stacked with its configuration, or at its position; None where it can."""
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
    """Describes what is compiled into a program from a network's layers: all but names, initial weights and what the
    program takes as an input."""
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
    """Why models that can each be stacked can't share a stack, in words; None where they can. They can where they
    differ only in the units of hidden Dense layers, and no layer between those and the next Dense mixes units."""
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
    """Returns a model that has in each layer the most units of any of these joinable models: one of them, or a new
    one."""
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
        outputs: Filled with the output of each layer, by its position.
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
