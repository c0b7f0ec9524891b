"""What the shipped network learned: its weights by layer, and those of the first layer as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.inputs.prepared import Prepared
from tasks.records.inspection import Filters, LayerWeights, NetworkWeights
from tasks.run_folder import write_bytes
from tasks.training.signals import layer_names
from tasks.training.stacked_layers import layers_of

if TYPE_CHECKING:
    import keras

PICTURE = "filters.png"
BINS = 40
LAYERS = 8
"""That have a histogram, at most: the first half of them and the last."""

TILES = 64
"""Units in the picture, at most."""

_ACROSS = 16
_SIDE = 40
"""The longer side of a tile, at least, in pixels."""

_GAP = 6
_POSITIVE, _NEGATIVE = np.array([0, 114, 178]), np.array([213, 94, 0])
"""Of the weights' signs, RGB: blue and vermilion of Okabe & Ito (2008), on white, which is 0."""

_GREY = 128


def weights_of(network: keras.Model, prepared: Prepared, folder: Path) -> NetworkWeights:
    """Writes the picture of the first layer too, where there is something to see.

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
    """Of images, `shape` `[height, width, channels]`: the first layer with weights, if it looks at pixels."""
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
    order = np.argsort(-np.square(units).sum((1, 2, 3)), kind="stable")[:TILES]
    picture = _tiles([_tile(units[place]) for place in order])
    done, content = cv2.imencode(".png", picture[..., ::-1])
    if not done:
        raise RuntimeError(f"OpenCV can't write {path}")
    path.parent.mkdir(exist_ok=True)
    write_bytes(path, content.tobytes())
    return Filters(picture=path.name, shown=len(order), units=len(units), colours=shape[-1] == 3)


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
    """In rows, on white."""
    height, width = tiles[0].shape[:2]
    across = min(_ACROSS, len(tiles))
    down = -(-len(tiles) // across)
    picture = np.full([down * (height + _GAP) - _GAP, across * (width + _GAP) - _GAP, 3], 255, np.uint8)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, across)
        top, left = row * (height + _GAP), column * (width + _GAP)
        picture[top : top + height, left : left + width] = tile
    return picture
