"""The networks of the workloads, as the project's architectures and as counts of operations and parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tasks.training.models import MODELS, Architecture, Penalties


@dataclass(frozen=True)
class Product:
    """One layer's matrix product for one row: a vector `[inputs]` times a matrix `[inputs, units]`, at `positions`
    places."""

    positions: int
    inputs: int
    units: int

    @property
    def multiplications(self) -> int:
        return self.positions * self.inputs * self.units


@dataclass(frozen=True)
class Mlp:
    """Fully connected layers with ReLU between them; takes features `[rows, features]`."""

    hidden: tuple[int, ...]

    def architecture(self) -> Architecture:
        return MODELS["mlp"](hidden=list(self.hidden))

    def products(self, shape: tuple[int, ...], outputs: int) -> list[Product]:
        widths = [math.prod(shape), *self.hidden, outputs]
        return [Product(1, inputs, units) for inputs, units in pairwise(widths)]

    def parameters(self, shape: tuple[int, ...], outputs: int) -> int:
        return sum((product.inputs + 1) * product.units for product in self.products(shape, outputs))


@dataclass(frozen=True)
class Cnn:
    """3x3 convolutions (same padding), each with ReLU and 2x2 max pooling, and a dense layer; takes images."""

    filters: tuple[int, ...]

    def architecture(self) -> Architecture:
        return MODELS["cnn"](filters=list(self.filters), kernel_size=3, pool_size=2, hidden=[])

    def products(self, shape: tuple[int, ...], outputs: int) -> list[Product]:
        height, width, channels = shape
        products = []
        for filters in self.filters:
            products.append(Product(height * width, 9 * channels, filters))
            height, width, channels = -(-height // 2), -(-width // 2), filters
        return [*products, Product(1, height * width * channels, outputs)]

    def parameters(self, shape: tuple[int, ...], outputs: int) -> int:
        return sum((product.inputs + 1) * product.units for product in self.products(shape, outputs))


@dataclass(frozen=True)
class Embedding:
    """The mean of the tokens' embeddings and a dense layer; takes token numbers `[rows, length]`."""

    vocabulary: int
    width: int

    def architecture(self) -> Architecture:
        return Architecture(self._layers, "glorot_uniform")

    def _layers(self, penalties: Penalties, seed: int) -> Sequence[Any]:
        import keras

        start = keras.initializers.RandomUniform(-0.05, 0.05, seed=seed)
        embedding = keras.layers.Embedding(self.vocabulary, self.width, embeddings_initializer=start)
        return [embedding, keras.layers.GlobalAveragePooling1D()]

    def products(self, shape: tuple[int, ...], outputs: int) -> list[Product]:
        return [Product(1, self.width, outputs)]

    def parameters(self, shape: tuple[int, ...], outputs: int) -> int:
        return self.vocabulary * self.width + (self.width + 1) * outputs


Network = Mlp | Cnn | Embedding


def step_flops(network: Network, shape: tuple[int, ...], outputs: int, batch_size: int) -> int:
    """Returns the floating-point operations in the matrix products of one training step of one recipe: the forward
    pass, the kernels' gradient, and the inputs' gradient except for the first layer (an embedding's first product needs
    it too)."""
    products = [product.multiplications for product in network.products(shape, outputs)]
    backward = sum(products) + (sum(products[1:]) if not isinstance(network, Embedding) else sum(products))
    return 2 * batch_size * (sum(products) + backward)
