"""The weights of the shipped network: by layer, and those of the first layer as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.dataset import TRAIN
from tasks.inputs.prepared import Prepared
from tasks.records.inspection import Filters, HiddenUnits, LayerWeights, NetworkWeights
from tasks.run_folder import write_bytes
from tasks.training.matching import has_one_hidden_layer
from tasks.training.signals import layer_names
from tasks.training.stacked_networks import layers_of

if TYPE_CHECKING:
    import keras

PICTURE = "filters.png"
BINS = 40
LAYERS = 8
"""Layers that have a histogram, at most: half of them from the start, half from the end."""

TILES = 64
"""Units in the picture, and in the figure of what each unit adds, at most."""

ROWS = 1_000
"""Training rows over which the units' answers are averaged, at most."""

_ACROSS = 16
_SIDE = 40
"""The least length of a tile's longer side, in pixels."""

_GAP = 6
_POSITIVE, _NEGATIVE = np.array([0, 114, 178]), np.array([213, 94, 0])
"""Colours of positive and negative weights, RGB: blue and vermilion of Okabe & Ito (2008), on white, which is 0."""

_GREY = 128


def weights_of(network: keras.Model, prepared: Prepared, folder: Path) -> NetworkWeights:
    """Reads the network's weights. Also writes the picture of the first layer, where it can be shown.

    Args:
        folder: The run's `previews/`.
    """
    layers = layers_of(network)
    kernels = {
        name: np.concatenate([np.asarray(each).ravel() for each in found])
        for position, name in layer_names(layers).items()
        if (found := [each for each in layers[position].trainable_weights if len(each.shape) > 1])
    }
    names = list(kernels)
    if len(names) > LAYERS:
        names = [*names[: LAYERS // 2], *names[-(LAYERS // 2) :]]
    return NetworkWeights(
        layers=[_histogram(name, kernels[name]) for name in names],
        left_out=len(kernels) - len(names),
        filters=_filters(layers, prepared.features.shape[1:], folder / PICTURE),
        hidden=_hidden(network, prepared),
    )


def _histogram(name: str, values: np.ndarray) -> LayerWeights:
    counts, edges = np.histogram(values, BINS)
    return LayerWeights(
        name=name,
        weights=values.size,
        zeros=int((values == 0).sum()),
        edges=[float(f"{edge:.6g}") for edge in edges],
        counts=counts.tolist(),
    )


def _filters(layers: list[keras.Layer], shape: tuple[int, ...], path: Path) -> Filters | None:
    """Makes a picture of the first layer with weights, for images of `shape` `[height, width, channels]`. None where
    that layer does not look at pixels."""
    import cv2

    first = next((layer for layer in layers if layer.trainable_weights), None)
    kernel = None if first is None or not hasattr(first, "kernel") else np.asarray(first.kernel)
    if kernel is None or len(shape) != 3 or shape[-1] not in (1, 3):
        return None
    if kernel.ndim == 2 and len(kernel) == np.prod(shape):
        kernel = kernel.reshape(*shape, -1)
    if kernel.ndim != 4 or kernel.shape[2] != shape[2]:
        return None
    units = np.moveaxis(kernel, -1, 0)
    order = _largest_first(units)
    picture = _tiles([_tile(units[place]) for place in order])
    done, content = cv2.imencode(".png", picture[..., ::-1])
    if not done:
        raise RuntimeError(f"OpenCV can't write {path}")
    path.parent.mkdir(exist_ok=True)
    write_bytes(path, content.tobytes())
    return Filters(picture=path.name, shown=len(order), units=len(units), colours=shape[-1] == 3)


def _largest_first(units: np.ndarray) -> np.ndarray:
    """Positions of the shown units of `[units, ...]`, by the sum of squares of their incoming weights, largest
    first."""
    return np.argsort(-np.square(units).reshape(len(units), -1).sum(1), kind="stable")[:TILES]


def _hidden(network: keras.Model, prepared: Prepared) -> HiddenUnits | None:
    """The hidden units of a network with one hidden Dense layer, weights `[inputs, units]` and `[units, outputs]`; else
    None."""
    weights = [np.asarray(each, np.float64) for each in network.weights]
    if not has_one_hidden_layer(weights):
        return None
    there = prepared.inputs((TRAIN,))[TRAIN]
    some = np.linspace(0, len(there) - 1, min(ROWS, len(there))).astype(int)
    answers = np.asarray(there[:])[some]
    layers = layers_of(network)
    for layer in layers[: max(place for place, each in enumerate(layers) if each.trainable_weights)]:
        answers = np.asarray(layer(answers))
    answers = answers.astype(np.float64)
    order = _largest_first(weights[0].T)
    added = answers.mean(0)[:, None] * weights[2]
    if prepared.dataset.classes:
        added = added - added.mean(1, keepdims=True)
    return HiddenUnits(
        units=len(added),
        rows=len(some),
        outputs=list(prepared.dataset.classes or [prepared.dataset.target_name]),
        active=[float(f"{share:.4g}") for share in (answers != 0).mean(0)[order]],
        added=[[float(f"{value:.4g}") for value in added[unit]] for unit in order],
    )


def _tile(weights: np.ndarray) -> np.ndarray:
    """One unit's weights `[height, width, channels]` as uint8 `[., ., 3]`, scaled by the largest of them."""
    scaled = weights / max(np.abs(weights).max(), np.finfo(np.float32).tiny)
    if weights.shape[-1] == 1:
        shade = np.where(scaled > 0, 255 - _POSITIVE, 255 - _NEGATIVE)
        colours = 255 - np.abs(scaled) * shade
    else:
        colours = _GREY + scaled * (255 - _GREY)
    factor = max(1, -(-_SIDE // max(weights.shape[:2])))
    return colours.round().astype(np.uint8).repeat(factor, 0).repeat(factor, 1)


def _tiles(tiles: list[np.ndarray]) -> np.ndarray:
    """Joins tiles in rows, on white."""
    height, width = tiles[0].shape[:2]
    across = min(_ACROSS, len(tiles))
    down = -(-len(tiles) // across)
    picture = np.full([down * (height + _GAP) - _GAP, across * (width + _GAP) - _GAP, 3], 255, np.uint8)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, across)
        top, left = row * (height + _GAP), column * (width + _GAP)
        picture[top : top + height, left : left + width] = tile
    return picture
