"""Embeddings of numbers: vectors that replace each input number of a network (Gorishniy et al. 2022, "On Embeddings for
Numerical Features in Tabular Deep Learning").

They are built from Keras's own layers, so a saved model needs no code of this project. The bins of the piecewise-linear
encoding are frozen weights: they are set from the training rows (in a fold, the fold's own) before the first step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.training.feed import Feed

if TYPE_CHECKING:
    import keras

ENCODING = "piecewise_linear"
"""Name of the layer that holds the bins."""

ROWS = 10_000
"""The most training rows that bins are learned from."""


def piecewise_linear(features: int, bins: int) -> list[Any]:
    """Encodes each number as `bins` numbers in [0, 1]: how far it is through each bin (equation 1).

    On training rows this is the paper's encoding. Beyond the outermost edges it stays at 0 or 1, where the paper's
    continues in a straight line. A feature of few values has fewer bins: a 0/1 feature goes in as it is.
    """
    from keras import layers

    through = layers.EinsumDense("bf,ft->bft", (features, bins), bias_axes="ft", trainable=False, name=ENCODING)
    return [through, layers.ReLU(max_value=1.0), layers.Flatten()]


def periodic(features: int, frequencies: int, units: int, drawn: Any, initialiser: Any, regulariser: Any) -> list[Any]:
    """Encodes each number x as sines and cosines of `2 pi c x`, for learned frequencies c. One linear layer, shared by
    all features, and ReLU follow (section 3.3; PLR in its light form, which shares that layer).

    Args:
        drawn: Initialiser of the frequencies.
        initialiser: Of the linear layer.
        regulariser: Of the frequencies and of the linear layer.
    """
    from keras import layers

    common = {"kernel_regularizer": regulariser}
    angles = layers.EinsumDense(
        "bf,fk->bfk", (features, frequencies), kernel_initializer=drawn, name="frequencies", **common
    )
    product = layers.EinsumDense(
        "bfk,kd->bfd", (features, units), bias_axes="d", kernel_initializer=initialiser, name="embedding", **common
    )
    return [angles, _waves(features, frequencies), product, layers.ReLU(), layers.Flatten()]


def _waves(features: int, frequencies: int) -> keras.Model:
    """Cosines and sines of 2 pi times the input, side by side; as a model, since Keras has no layer for them."""
    import keras
    from keras import ops

    angles = keras.Input((features, frequencies))
    turned = angles * (2 * np.pi)
    return keras.Model(angles, ops.concatenate([ops.cos(turned), ops.sin(turned)], -1), name="waves")


def place_of_bins(model: keras.Model) -> int | None:
    """Position of the bins' kernel among a network's weights; its bias follows. None: it has no such encoding."""
    for layer in model.layers:
        if layer.name == ENCODING:
            return next(place for place, weight in enumerate(model.weights) if weight is layer.kernel)
    return None


def bins_of(model: keras.Model, feed: Feed) -> list[np.ndarray]:
    """Computes kernel and bias of the bins, `[features, bins]` each, from the training rows: a number x is
    `x * kernel + bias` of the way through a bin."""
    place = place_of_bins(model)
    assert place is not None
    _, bins = model.weights[place].shape
    picked = np.asarray(feed.order(0, 0)[: min(ROWS, feed.rows)])
    inputs = np.empty([len(picked), *feed.shape], feed.dtype)
    feed.fill(0, 0, picked, inputs, np.empty(len(picked), feed.target_dtype))
    return list(encoding(inputs.reshape(len(picked), -1), bins))


def encoding(rows: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """As `bins_of`, from rows `[rows, features]`. Edges are quantiles without duplicates; unused bins are 0."""
    kernel = np.zeros([rows.shape[1], bins], np.float32)
    bias = np.zeros_like(kernel)
    for feature, edges in enumerate(np.quantile(rows.astype(np.float64), np.linspace(0, 1, bins + 1), axis=0).T):
        edges = np.unique(edges)
        widths = np.diff(edges)
        kernel[feature, : len(widths)] = 1 / widths
        bias[feature, : len(widths)] = -edges[:-1] / widths
    return kernel, bias


def with_bins(model: keras.Model, weights: Sequence[np.ndarray], bins: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Returns a network's weights with these bins put in."""
    place = place_of_bins(model)
    assert place is not None
    return [*weights[:place], *bins, *weights[place + len(bins) :]]
