"""The loss that a stack minimises and is scored by: each row's loss, and penalties, for all trials at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.training.axes import sum_per_trial
from tasks.training.stacked_layers import Tensor

Inputs = Mapping[str, Tensor]

OTHERS = ("squared_error", "focal")
"""Names of inputs: losses that some trials minimise instead of the cross-entropy. Validation always measures the
cross-entropy."""


@dataclass(frozen=True)
class Loss:
    """The loss function of a program.

    Args:
        classes: None for regression.
        shape: `(S, R)`.
        dtype: A TensorFlow dtype.
        kernels: Positions of the weights that penalties act on.
        axes: Where `R` is in each of them.
    """

    classes: int | None
    shape: tuple[int, int]
    dtype: Any
    kernels: Sequence[int]
    axes: Sequence[int]

    def of_training_rows(self, outputs: Tensor, y: Tensor, inputs: Inputs, part: slice = slice(None)) -> Tensor:
        """Each row's training loss, `[S, R, B]`: with label smoothing and class weights. Trials with `squared_error`
        have the squared error of their probabilities, as Keras's mean_squared_error over the classes. Trials with
        `focal` above 0 have the cross-entropy of each class times `(1 - p)^focal`, as Keras's
        CategoricalFocalCrossentropy with alpha 1.

        Args:
            outputs: Of the recipes `part`.
        """
        import tensorflow as tf

        names = ("label_smoothing", *OTHERS, "class_weights")
        smoothing, squared, focal, weights = (inputs[name][:, part] if name in inputs else None for name in names)
        losses = self.of_rows(outputs, y, smoothing)
        if squared is not None:
            errors = tf.square(tf.nn.softmax(outputs) - self._hot(outputs, y, smoothing))
            losses = tf.where(squared[:, :, None] > 0, tf.reduce_mean(errors, -1), losses)
        if focal is not None:
            power, logs = tf.maximum(focal, 1e-3)[:, :, None, None], tf.nn.log_softmax(outputs)
            terms = self._hot(outputs, y, smoothing) * tf.pow(1 - tf.exp(logs), power) * logs
            losses = tf.where(focal[:, :, None] > 0, -tf.reduce_sum(terms, -1), losses)
        return losses if weights is None else losses * tf.gather(weights, y, axis=2, batch_dims=1)

    def of_rows(self, outputs: Tensor, y: Tensor, smoothing: Tensor | None = None) -> Tensor:
        """Each row's loss, `[S, R, B]`: the cross-entropy from logits, or the squared error of the standardised target.

        Args:
            smoothing: Label smoothing, `[S, R]`; None: labels are not smoothed.
        """
        import tensorflow as tf

        if self.classes is None:
            return tf.square(outputs[..., 0] - tf.cast(y, self.dtype)[:, None, :])
        if smoothing is None:
            labels = tf.broadcast_to(y[:, None, :], outputs.shape[:3])
            return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, outputs)
        return tf.nn.softmax_cross_entropy_with_logits(self._hot(outputs, y, smoothing), outputs)

    def _hot(self, outputs: Tensor, y: Tensor, smoothing: Tensor | None) -> Tensor:
        """The target probabilities, `[S, R, B, classes]`."""
        import tensorflow as tf

        hot = tf.one_hot(tf.broadcast_to(y[:, None, :], outputs.shape[:3]), self.classes, dtype=self.dtype)
        if smoothing is None:
            return hot
        smoothing = smoothing[:, :, None, None]
        return hot * (1 - smoothing) + smoothing / self.classes

    def penalty(self, weights: Sequence, inputs: Inputs, part: slice = slice(None)) -> Tensor:
        """l1 * sum |w| + l2 * sum w^2 over the kernels, `[S, R]`.

        Args:
            weights: Of the recipes `part`.
        """
        import tensorflow as tf

        replicas, recipes = self.shape
        penalty = tf.zeros([replicas, len(range(recipes)[part])], self.dtype)
        for index, axis in zip(self.kernels, self.axes, strict=True) if {"l1", "l2"} & inputs.keys() else []:
            if "l1" in inputs:
                penalty += inputs["l1"][:, part] * _summed(tf.abs, weights[index], axis)
            if "l2" in inputs:
                penalty += inputs["l2"][:, part] * _summed(tf.square, weights[index], axis)
        return penalty


def _summed(function: Callable[[Tensor], Tensor], weight: Tensor, axis: int) -> Tensor:
    """The sum of a function over each trial's weight, `[S, R]`."""
    import tensorflow as tf

    parts = weight if isinstance(weight, tuple) else (weight,)
    return tf.concat([sum_per_trial(function(part), axis) for part in parts], 1)
