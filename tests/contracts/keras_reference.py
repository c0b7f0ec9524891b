"""Keras itself, step by step: what the stacked trainer is compared with."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np

from tasks.training.feed import batch_order
from tasks.training.fit import keras_optimizer
from tasks.training.trial import Arrays, Trial, learning_rates
from tests.in_memory import InMemory


@contextmanager
def floatx(dtype: str):
    """Keras in this dtype."""
    import keras

    before = keras.config.floatx()
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx(before)
        keras.config.set_dtype_policy(before)


def keras_losses(trial: Trial, arrays: InMemory, dtype: str, *, xla: bool = False) -> np.ndarray:
    """The loss of every step, penalties included, as `Model.fit` computes it with `jit_compile=xla`; float64
    `[steps]`."""
    import tensorflow as tf

    shape = arrays.train.shape
    start = trial.architecture.build(shape, arrays.outputs, penalties=trial.penalties, seed=trial.seed).get_weights()
    steps = arrays.steps_per_epoch(trial.batch_size)
    rates = learning_rates(trial, steps)
    hot = trial.label_smoothing or trial.squared_error or trial.focal
    targets = np.eye(arrays.outputs)[arrays.train.targets] if hot else arrays.train.targets
    with floatx(dtype):
        function = _loss(trial, arrays)
        model = trial.architecture.build(shape, arrays.outputs, penalties=trial.penalties, seed=trial.seed)
        model.set_weights(start)
        optimizer = keras_optimizer(trial, rates)
        optimizer.build(model.trainable_variables)

        @tf.function(jit_compile=xla)
        def step(x, y):
            with tf.GradientTape() as tape:
                loss = function(y, model(x, training=True))
                if model.losses:
                    loss += tf.add_n(model.losses)
            optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            return loss

        losses = []
        for epoch in range(trial.epochs):
            order = batch_order(trial.seed, epoch, len(targets))
            for batch in range(steps):
                rows = order[batch * trial.batch_size : (batch + 1) * trial.batch_size]
                # the variable itself, since the setter rounds through float32
                optimizer._learning_rate.assign(np.asarray(rates[epoch * steps + batch], dtype))
                x = tf.constant(arrays.train.inputs[rows], dtype)
                y = tf.constant(targets[rows], None if targets.ndim == 1 and arrays.classes else dtype)
                losses.append(float(step(x, y)))
    return np.array(losses)


def _loss(trial: Trial, arrays: Arrays):
    import keras

    if arrays.classes is None:
        return keras.losses.MeanSquaredError()
    if trial.squared_error:
        loss, smoothing = keras.losses.MeanSquaredError(), trial.label_smoothing
        return lambda y, z: loss(y * (1 - smoothing) + smoothing / arrays.outputs, keras.ops.softmax(z))
    if trial.focal:
        return keras.losses.CategoricalFocalCrossentropy(
            alpha=1.0, gamma=trial.focal, from_logits=True, label_smoothing=trial.label_smoothing
        )
    if trial.label_smoothing:
        return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=trial.label_smoothing)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
