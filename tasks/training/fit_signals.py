"""The signals of one trial that `Model.fit` trains: the same that `signals` measures in a stack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.training.loss import OTHERS, Loss
from tasks.training.signals import (
    Activations,
    Signal,
    activations_of,
    first_non_finite,
    layer_names,
    of_inputs,
    of_weights,
    sample,
)
from tasks.training.stacked_layers import Tensor
from tasks.training.stacked_networks import layers_of
from tasks.training.trial import Arrays, Trial

if TYPE_CHECKING:
    import keras


class FitSignals:
    """Measures the signals of a Keras model. It must be made while the model has its initial weights.

    Args:
        arrays: What the trial learns from.
    """

    def __init__(self, model: keras.Model, trial: Trial, arrays: Arrays) -> None:
        import keras
        import tensorflow as tf

        self._model, self._rows = model, sample([arrays.train], [trial.seed], np.dtype(np.float32))
        layers = layers_of(model)
        self._weights = {name: layers[place].trainable_weights for place, name in layer_names(layers).items()}
        self._initial = self.weights()
        self._activations = [(owner, function) for _, owner, function in activations_of(layers)]
        outputs = [layers[position].output for position, *_ in activations_of(layers)]
        self._looked_at = keras.Model(model.inputs[0], [*outputs, *model.outputs])
        self._loss = Loss(arrays.classes, (1, 1), tf.float32, (), ())
        self._inputs: dict[str, Tensor] = {}
        if trial.label_smoothing:
            self._inputs["label_smoothing"] = tf.constant([[trial.label_smoothing]])
        if trial.squared_error:
            self._inputs["squared_error"] = tf.constant([[1.0]])
        if trial.focal:
            self._inputs["focal"] = tf.constant([[trial.focal]])
        if trial.class_weights:
            self._inputs["class_weights"] = tf.constant(arrays.class_weights, tf.float32)[None, None]

    def weights(self) -> list[np.ndarray]:
        """The trainable weights, layer after layer."""
        return [weight.numpy() for of_layer in self._weights.values() for weight in of_layer]

    def at_start(self) -> list[Signal]:
        found, _ = self._take(None)
        return [*of_inputs(self._rows[0], 1), *found]

    def at_evaluation(self, before: Sequence[np.ndarray], val_loss: float) -> list[Signal]:
        """Args:
        before: The trainable weights before the last step.
        """
        found, loss = self._take(before)
        return [*found, Signal(None, "loss_gap", np.array([[val_loss - loss]]))]

    def _take(self, before: Sequence[np.ndarray] | None) -> tuple[list[Signal], float]:
        """The signals, and the loss of the rows."""
        import tensorflow as tf

        x, y = self._rows
        own = [weight for of_layer in self._weights.values() for weight in of_layer]
        with tf.GradientTape() as tape:
            *activations, outputs = self._looked_at(x[0], training=False)
            losses = self._loss.of_training_rows(outputs[None, None], tf.constant(y), self._inputs)
            loss = tf.reduce_mean(losses)
        measured = {name: value for name, value in self._inputs.items() if name not in OTHERS}
        if len(measured) < len(self._inputs):  # `loss_gap` is of the cross-entropy, as in validation
            losses = self._loss.of_training_rows(outputs[None, None], tf.constant(y), measured)
        gradients = tape.gradient(loss, [weight.value for weight in own], unconnected_gradients="zero")
        counted = {owner: Activations(function) for owner, function in self._activations}
        for (owner, _), values in zip(self._activations, activations, strict=True):
            counted[owner].add(tf.reshape(values, [1, 1, -1, values.shape[-1]]))
        now = self.weights()
        moved = [one - other for one, other in zip(now, self._initial, strict=True)]
        last = None if before is None else self._norms([one - other for one, other in zip(now, before, strict=True)])
        given = [tf.convert_to_tensor(each).numpy() for each in gradients]
        norms = self._norms(now), self._norms(moved), self._norms(given)
        found = of_weights(*norms, last, {} if before is None else self._norms(before))
        for layer, one in counted.items():
            found += one.signals(layer)
        mean = float(tf.reduce_mean(losses)) + float(sum(self._model.losses))
        return [*found, *first_non_finite(found, list(self._weights))], mean

    def _norms(self, arrays: Sequence[Any]) -> dict[str, np.ndarray]:
        """Squared norms by layer of arrays in the order of `weights`."""
        left = iter(arrays)
        return {
            name: np.array([[sum(float(np.square(next(left), dtype=np.float64).sum()) for _ in of_layer)]])
            for name, of_layer in self._weights.items()
        }
