"""Muon against Keras's, with the output layer excluded there; zeros around a narrower network change nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tasks.training import matrices
from tasks.training.models import MODELS, Penalties
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.schedules import SCHEDULES
from tasks.training.stack import train_stack
from tasks.training.trial import learning_rates
from tests.contracts import one_batch
from tests.contracts.keras_reference import floatx
from tests.small_trials import arrays_of, assert_bits, assert_same, curve, trial_of


def test_the_iteration_brings_singular_values_near_one() -> None:
    rng = np.random.default_rng(0)
    for shape in [(3, 7), (7, 3), (2, 5, 6, 6)]:
        made = matrices.orthogonalised(rng.normal(size=shape)).numpy()
        values = np.linalg.svd(made, compute_uv=False)
        assert made.shape == shape and (values > 0.5).all() and (values < 1.3).all()


def keras_losses(hidden: list[int], ratio: float, steps: int) -> list[float]:
    """The losses of Keras's Muon in float64, its output layer left to AdamW."""
    import keras
    import tensorflow as tf

    arrays = one_batch.arrays_of()
    trial = one_batch.trial_of("muon", steps=steps, architecture=MODELS["mlp"](hidden=hidden))
    start = trial.architecture.build(arrays.train.shape, arrays.outputs, seed=0).get_weights()
    with floatx("float64"):
        model = trial.architecture.build(arrays.train.shape, arrays.outputs, seed=0)
        model.set_weights(start)
        output = [each for each in model.layers if each.weights][-1]
        twin = keras.optimizers.Muon(
            learning_rate=0.02, adam_lr_ratio=ratio, exclude_layers=[f"{output.name}/"], weight_decay=0.1
        )
        twin.adam_weight_decay = 0.1
        twin.build(model.trainable_variables)
        loss_of, losses = keras.losses.SparseCategoricalCrossentropy(from_logits=True), []
        for step in range(steps):
            order = arrays.train.order(0, step)
            with tf.GradientTape() as tape:
                loss = loss_of(arrays.train.targets[order], model(tf.constant(arrays.train.inputs[order], tf.float64)))
            twin._learning_rate.assign(np.float64(learning_rates(replace(trial, learning_rate=0.02), 1)[step]))
            twin.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            losses.append(float(loss))
    return losses


@pytest.mark.parametrize(("hidden", "ratio"), [([8], 1.0), ([9, 5], 0.5)])
def test_it_is_the_muon_of_keras_to_nine_digits(hidden: list[int], ratio: float) -> None:
    optimizer = OPTIMIZERS["muon"](adam_lr_ratio=ratio)
    trial = one_batch.trial_of("muon", steps=60, architecture=MODELS["mlp"](hidden=hidden), learning_rate=0.02)
    trial = replace(trial, optimizer=optimizer, weight_decay=0.1)
    other = replace(one_batch.trial_of("adam", steps=60), architecture=trial.architecture)
    outcomes = train_stack([trial, other], one_batch.arrays_of(), dtype="float64")
    ours = curve(outcomes[0], "train_loss")
    np.testing.assert_allclose(ours, keras_losses(hidden, ratio, 60), rtol=1e-9)
    assert ours[-1] < 0.5 * ours[0]


def test_zeros_around_a_narrower_network_change_nothing() -> None:
    """Nor do other recipes beside it."""
    common = {"schedule": SCHEDULES["cosine"](warmup=0.2), "penalties": Penalties(l2=0.01)}
    architectures = [MODELS["mlp"](hidden=hidden, batch_normalisation=True) for hidden in ([16, 12], [5, 12], [16, 3])]
    trials = [
        trial_of("muon", label=f"-{number}", architecture=architecture, **common)
        for number, architecture in enumerate(architectures)
    ]
    beside = trial_of("sgd", architecture=architectures[0], **common)
    how = {"xla": False, "dtype": "float64"}
    for trial, together in zip(trials, train_stack([*trials, beside], arrays_of(), **how), strict=False):
        (alone,) = train_stack([trial], arrays_of(), **how)
        assert_same(together, alone, 1e-8)


@pytest.mark.parametrize("features", [5, 80], ids=["few", "many"])
def test_a_kernel_that_lies_otherwise_in_the_stack_is_the_same_matrix(features: int) -> None:
    """Kernels of many features are transposed; those of few have their recipes in the middle."""
    arrays = arrays_of(features=features)
    trials = [trial_of("muon", label=f"-{rate}", learning_rate=rate) for rate in (0.01, 0.003)]
    outcomes = train_stack(trials, arrays, xla=False, dtype="float64")
    start = trials[0].architecture.build((features,), 3, seed=0).get_weights()[0]
    steps = [outcome.weights[0] - start for outcome in outcomes]
    assert np.linalg.norm(steps[0]) > 2 * np.linalg.norm(steps[1])
    (one,) = train_stack([replace(trials[0], epochs=1, batch_size=150, weight_decay=0.0)], arrays, xla=False)
    step = one.weights[0] - start
    moved = np.linalg.svd(np.asarray(step) / (0.01 * 0.2 * np.sqrt(max(features, 16))), compute_uv=False)
    assert (moved < 1.3).all() and np.median(moved) > 0.5


def test_a_linear_model_has_no_hidden_kernel_and_follows_adamw() -> None:
    linear = MODELS["linear"]()
    decay = {"weight_decay": 0.01, "architecture": linear}
    muon, adamw = (train_stack([trial_of(name, **decay)], arrays_of(), xla=False)[0] for name in ("muon", "adamw"))
    assert_same(muon, adamw, 1e-6)
    assert_bits(muon, train_stack([trial_of("muon", **decay)], arrays_of(), xla=False)[0])
