"""LAMB and Adafactor against Keras and their papers; neither depends on its stack, nor on zeros around its weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tasks.training.models import MODELS, Penalties
from tasks.training.stack import train_stack
from tests.contracts import one_batch
from tests.contracts.array_rules import adafactor, lamb
from tests.contracts.keras_reference import floatx
from tests.contracts.softmax_regression import L2, hidden_layer, softmax_regression
from tests.small_trials import arrays_of, assert_same, curve, trial_of

STEPS = 60
TWINS = {"lamb": ("Lamb", 0.02), "adafactor": ("Adafactor", 0.03)}


def keras_losses(name: str, hidden: list[int]) -> list[float]:
    """Of Keras's optimizer in float64, without decay."""
    import keras
    import tensorflow as tf

    kind, rate = TWINS[name]
    arrays = one_batch.arrays_of()
    architecture = MODELS["mlp"](hidden=hidden)
    start = architecture.build(arrays.train.shape, arrays.outputs, seed=0).get_weights()
    with floatx("float64"):
        model = architecture.build(arrays.train.shape, arrays.outputs, seed=0)
        model.set_weights(start)
        twin = getattr(keras.optimizers, kind)(learning_rate=rate)
        twin.build(model.trainable_variables)
        loss_of, losses = keras.losses.SparseCategoricalCrossentropy(from_logits=True), []
        for step in range(STEPS):
            order = arrays.train.order(0, step)
            with tf.GradientTape() as tape:
                loss = loss_of(arrays.train.targets[order], model(tf.constant(arrays.train.inputs[order], tf.float64)))
            twin.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            losses.append(float(loss))
    return losses


@pytest.mark.parametrize("hidden", [pytest.param([8], marks=pytest.mark.slow), [9, 5]], ids=str)
@pytest.mark.parametrize("name", TWINS)
def test_without_decay_each_is_that_of_keras(name: str, hidden: list[int]) -> None:
    """To six digits: Keras rounds some constants through float32."""
    architecture = MODELS["mlp"](hidden=hidden)
    trial = one_batch.trial_of(name, steps=STEPS, architecture=architecture, learning_rate=TWINS[name][1])
    other = replace(one_batch.trial_of("adam", steps=STEPS), architecture=architecture)
    (ours, _) = train_stack([replace(trial, weight_decay=0.0), other], one_batch.arrays_of(), dtype="float64")
    losses = curve(ours, "train_loss")
    np.testing.assert_allclose(losses, keras_losses(name, hidden), rtol=1e-6)
    assert losses[-1] < 0.8 * losses[0]


def test_lamb_with_decay_is_the_rule_of_its_paper() -> None:
    rate, decay = 0.02, 0.1
    losses = [loss for loss, _ in lamb(*softmax_regression(), [rate] * STEPS, decay=decay)]
    trial = one_batch.trial_of("lamb", steps=STEPS, architecture=MODELS["linear"](), penalties=Penalties(l2=L2))
    trial = replace(trial, learning_rate=rate, weight_decay=decay)
    (outcome,) = train_stack([trial], one_batch.arrays_of(), dtype="float64")
    np.testing.assert_allclose(curve(outcome, "train_loss"), losses, rtol=1e-9)


def test_adafactor_is_the_rule_of_its_paper() -> None:
    trial = one_batch.trial_of("adafactor", steps=STEPS, architecture=MODELS["mlp"](hidden=[8]), learning_rate=0.03)
    (outcome,) = train_stack([trial], one_batch.arrays_of(), dtype="float64")
    losses = [loss for loss, _ in adafactor(*hidden_layer(8), [0.03] * STEPS)]
    np.testing.assert_allclose(curve(outcome, "train_loss"), losses, rtol=1e-9)


@pytest.mark.parametrize("features", [5, pytest.param(80, marks=pytest.mark.slow)], ids=["few", "many"])
def test_none_depends_on_its_stack_nor_on_padding(features: int) -> None:
    """Kernels of many features lie transposed; those of few have their recipes in the middle."""
    wide, narrow = (MODELS["mlp"](hidden=hidden, batch_normalisation=True) for hidden in ([16, 8], [5, 8]))
    arrays, how = arrays_of(features=features), {"xla": False, "dtype": "float64"}
    names = [*TWINS, "prodigy", "sam"]
    changes: dict[str, Any] = {"penalties": Penalties(l2=0.01), "epochs": 3}
    trials = [
        trial_of(name, label=f"-{number}", architecture=each, **changes)
        for name in names
        for number, each in enumerate((wide, narrow))
    ]
    trials = [
        replace(trial, learning_rate=1.0) if "prodigy" in trial.trial_id else trial
        for trial in [*trials, trial_of("adamw", architecture=wide, **changes)]
    ]
    for trial, together in zip(trials, train_stack(trials, arrays, **how), strict=True):
        (alone,) = train_stack([trial], arrays, **how)
        assert_same(together, alone, 1e-8)
