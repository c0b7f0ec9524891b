"""The training loss as a function of a network's weights: its heights on planes and lines, and its curvature.

Weights are taken as one vector: all trainable weights, float32 `[P]`, in the order of the Keras model. The loss is the
mean over rows of the cross-entropy, or of the squared error of the standardised target, without penalties, dropout and
augmentation. Batch normalisation uses its kept statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.training.naming import NamedFunction
from tasks.training.stacked_layers import Tensor

if TYPE_CHECKING:
    import keras

WHOLE = 1_000
"""The most weights for which the whole Hessian is computed."""

_TOLERANCE = 1e-3
"""Relative tolerance of an eigenvalue that is found by iteration."""


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues of the Hessian of the loss.

    Args:
        largest: The largest one; NaN where the iteration did not converge.
        steepest: Its eigenvector, of length 1, `[P]`.
        all: In rising order, float64 `[P]`; None where there are more weights than `WHOLE`.
    """

    largest: float
    steepest: np.ndarray
    all: np.ndarray | None


class Surface:
    """The loss of one architecture on some rows.

    Args:
        model: The architecture; its weights are not used.
        x: Preprocessed inputs `[rows, ...]`.
        y: Class indices, int64 `[rows]`, or the standardised target, float32 `[rows]`.
        classes: None for regression.
        xla: Whether XLA compiles it.
    """

    def __init__(self, model: keras.Model, x: np.ndarray, y: np.ndarray, classes: int | None, *, xla: bool) -> None:
        import tensorflow as tf

        self._model, self._classes = model, classes
        self._rows = (tf.constant(x), tf.constant(y))
        trainable = {id(each) for each in model.trainable_variables}
        self._trainable = [place for place, each in enumerate(model.weights) if id(each) in trainable]
        options = {"jit_compile": xla, "autograph": False}
        of = repr((model.to_json(), x.shape, y.dtype, classes))
        self._heights = NamedFunction(self._heights_at, of, options)
        self._product = NamedFunction(self._hessian_times, of, options)

    # -- weights as one vector --

    def vector(self, weights: Sequence[np.ndarray]) -> np.ndarray:
        """Returns the trained ones of weights (in the order of the model's `weights`) as a vector, float32 `[P]`."""
        return np.concatenate([np.ravel(weights[place]) for place in self._trainable]).astype(np.float32)

    def filter_normalised(self, weights: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
        """A random direction `[P]` in which each unit's incoming weights have the same norm as in `weights`. It is zero
        for biases and other weights with one axis (Li et al. 2018, section 4)."""
        parts = []
        for place in self._trainable:
            weight = np.asarray(weights[place])
            part = np.zeros(weight.shape)
            if weight.ndim > 1:
                part, axes = rng.standard_normal(weight.shape), tuple(range(weight.ndim - 1))
                part *= _length(weight, axes) / np.maximum(_length(part, axes), np.finfo(np.float32).tiny)
            parts.append(part.ravel())
        return np.concatenate(parts).astype(np.float32)

    # -- heights --

    def plane(
        self, weights: Sequence[np.ndarray], first: np.ndarray, second: np.ndarray, x: np.ndarray, y: np.ndarray
    ) -> np.ndarray:
        """Losses `[len(y), len(x)]` where x times `first` and y times `second` are added to the weights: one compiled
        evaluation."""
        places = np.stack([each.ravel() for each in np.meshgrid(x, y)], axis=1)
        return self._at(weights, first, second, places).reshape(len(y), len(x))

    def along(self, weights: Sequence[np.ndarray], direction: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Losses where x times a direction `[P]` is added to the weights."""
        return self._at(weights, direction, np.zeros_like(direction), np.stack([x, np.zeros(len(x))], axis=1))

    def _at(
        self, weights: Sequence[np.ndarray], first: np.ndarray, second: np.ndarray, places: np.ndarray
    ) -> np.ndarray:
        start, others = self._start(weights)
        given = [each.astype(np.float32) for each in (first, second, places)]
        heights = self._heights(start, others, *given, *self._rows)
        return np.asarray(heights, np.float64)

    def _start(self, weights: Sequence[np.ndarray]) -> tuple[Tensor, list[Tensor]]:
        """The vector, and the weights that are not trained."""
        import tensorflow as tf

        others = [tf.constant(each) for place, each in enumerate(weights) if place not in self._trainable]
        return tf.constant(self.vector(weights)), others

    def _heights_at(
        self, start: Tensor, others: list, first: Tensor, second: Tensor, places: Tensor, x: Tensor, y: Tensor
    ) -> Tensor:
        import tensorflow as tf

        def height(place: Tensor) -> Tensor:
            return self._loss(start + place[0] * first + place[1] * second, others, x, y)

        return tf.map_fn(height, places, fn_output_signature=tf.float32)

    def _loss(self, vector: Tensor, others: list, x: Tensor, y: Tensor) -> Tensor:
        """The loss for weights given as one vector."""
        import tensorflow as tf

        shapes = [tuple(self._model.weights[place].shape) for place in self._trainable]
        parts = tf.split(vector, [int(np.prod(shape)) for shape in shapes])
        own = {
            id(self._model.weights[place]): tf.reshape(part, shape)
            for place, part, shape in zip(self._trainable, parts, shapes, strict=True)
        }
        left = [place for place in range(len(self._model.weights)) if place not in self._trainable]
        own |= {id(self._model.weights[place]): other for place, other in zip(left, others, strict=True)}
        trained = [own[id(each)] for each in self._model.trainable_variables]
        # A layer's other state, such as that of dropout's generator, does not matter here.
        kept = [own.get(id(each), each) for each in self._model.non_trainable_variables]
        outputs, _ = self._model.stateless_call(trained, kept, x, training=False)
        if self._classes is None:
            return tf.reduce_mean(tf.square(outputs[:, 0] - tf.cast(y, tf.float32)))
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, outputs))

    # -- curvature --

    def times_hessian(self, weights: Sequence[np.ndarray], directions: np.ndarray) -> np.ndarray:
        """The Hessian times each direction `[N, P]`, by differentiating the gradient along it (Pearlmutter 1994)."""
        start, others = self._start(weights)
        found = [self._product(start, others, each, *self._rows) for each in directions.astype(np.float32)]
        return np.asarray(found, np.float64)

    def _hessian_times(self, start: Tensor, others: list, direction: Tensor, x: Tensor, y: Tensor) -> Tensor:
        import tensorflow as tf

        with tf.GradientTape() as outer:
            outer.watch(start)
            with tf.GradientTape() as inner:
                inner.watch(start)
                loss = self._loss(start, others, x, y)
            slope = tf.tensordot(inner.gradient(loss, start), direction, 1)
        return outer.gradient(slope, start, unconnected_gradients="zero")

    def spectrum(self, weights: Sequence[np.ndarray]) -> Spectrum:
        """All eigenvalues of a small network. For others only the largest one, by Lanczos's iteration on products with
        the Hessian (ARPACK), always from the same start."""
        size = len(self.vector(weights))
        if size <= WHOLE:
            hessian = self.times_hessian(weights, np.eye(size))
            values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
            return Spectrum(float(values[-1]), vectors[:, -1], values)
        from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

        hessian = LinearOperator(
            (size, size), matvec=lambda each: self.times_hessian(weights, each.reshape(1, -1))[0], dtype=np.float64
        )
        start = np.random.default_rng(0).standard_normal(size)
        try:
            values, vectors = eigsh(hessian, k=1, which="LA", tol=_TOLERANCE, v0=start, maxiter=100)
        except ArpackNoConvergence:
            return Spectrum(np.nan, np.zeros(size), None)
        return Spectrum(float(values[0]), vectors[:, 0], None)


def _length(weight: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    return np.sqrt(np.square(weight).sum(axis=axes, keepdims=True))
