"""Gradients of several steps in one update, as Keras's `gradient_accumulation_steps`, and noise on them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tasks.training.averaging import AVERAGINGS
from tasks.training.fit import train_fit
from tasks.training.models import MODELS, Penalties
from tasks.training.stack import train_stack
from tasks.training.trial import Clip, Noise
from tests import small_trials
from tests.contracts.keras_reference import keras_losses
from tests.contracts.one_batch import arrays_of, losses_of, trial_of
from tests.small_trials import assert_bits, assert_same, curve

STEPS = 40


@pytest.mark.parametrize("name", ["adam", "nadam", "lion"])
def test_one_trial_in_float32_without_xla_is_keras_bit_for_bit(name: str) -> None:
    """The last three steps make no update: 40 is no multiple of 3 after the 39th."""
    trial, arrays = trial_of(name, steps=STEPS, accumulation=3), arrays_of()
    (ours,) = losses_of([trial], arrays, xla=False)
    np.testing.assert_array_equal(ours, keras_losses(trial, arrays, "float32"))


@pytest.mark.slow
def test_a_stack_with_clipping_and_decay_in_float64_under_xla_is_keras_to_nine_digits() -> None:
    clips = {"none": Clip(), "value": Clip(value=0.01), "norm": Clip(norm=0.05), "global": Clip(global_norm=0.05)}
    trials = [
        trial_of(name, steps=STEPS, accumulation=4, clip=clip, weight_decay=0.1, learning_rate=0.02)
        for name in ("momentum", "adamw")
        for clip in clips.values()
    ]
    trials = [replace(each, trial_id=str(place), variant_id=str(place)) for place, each in enumerate(trials)]
    arrays = arrays_of()
    for trial, ours in zip(trials, losses_of(trials, arrays, xla=True, dtype="float64"), strict=True):
        np.testing.assert_allclose(ours, keras_losses(trial, arrays, "float64"), rtol=1e-9, err_msg=str(trial.clip))


@pytest.mark.slow
def test_a_stack_trains_as_model_fit_does_across_the_ends_of_epochs() -> None:
    """Five batches an epoch, the last one partial, three to an update; a moving average begins where Keras's does."""
    arrays = small_trials.arrays_of()
    ema = AVERAGINGS["ema"](decay=0.8)
    trials = [
        small_trials.trial_of("adam", accumulation=3),
        small_trials.trial_of("adam", label="-ema", accumulation=3, averaging=ema),
    ]
    for ours, theirs in zip(train_stack(trials, arrays), train_fit(trials, arrays), strict=True):
        assert_same(ours, theirs, 2e-5)


def test_equal_batches_accumulated_are_one_batch_of_their_rows() -> None:
    """Under plain descent two steps of 75 rows make the update of one step of all 150."""
    arrays = small_trials.arrays_of()
    whole = small_trials.trial_of("sgd", batch_size=150, learning_rate=0.1)
    (one,) = train_stack([whole], arrays, dtype="float64")
    (two,) = train_stack([replace(whole, batch_size=75, accumulation=2)], arrays, dtype="float64")
    np.testing.assert_allclose(curve(two, "val_loss"), curve(one, "val_loss"), rtol=1e-9)


def test_the_gradient_of_sharpness_aware_steps_is_accumulated() -> None:
    """Each step's own ascent, as in the paper's m-sharpness: over one batch that repeats, the same as each step alone,
    but for the order of its rows."""
    sam = trial_of("sam", steps=12)
    (alone,) = losses_of([replace(sam, epochs=6)], arrays_of(), dtype="float64")
    (pairs,) = losses_of([replace(sam, accumulation=2)], arrays_of(), dtype="float64")
    np.testing.assert_allclose(pairs[::2], alone, rtol=1e-9)


UPDATES = 3


@pytest.mark.parametrize("train", [train_stack, train_fit])
def test_noise_has_the_variance_of_its_formula(train: Any) -> None:
    """The kernel of a linear network on inputs that are all 0 has no gradient: it moves by the noise alone."""
    arrays = small_trials.arrays_of(features=1000)
    silent = replace(arrays, train=replace(arrays.train, inputs=np.zeros_like(arrays.train.inputs)))
    trial = small_trials.trial_of(
        "sgd", architecture=MODELS["linear"](), batch_size=150, learning_rate=1.0, noise=Noise(eta=4.0, gamma=0.55)
    )
    kernels = [trial.architecture.build((1000,), 3, seed=trial.seed).get_weights()[0]]
    kernels += [train([replace(trial, epochs=count)], silent)[0].weights[0] for count in range(1, UPDATES + 1)]
    noise = -np.diff(kernels, axis=0).reshape(UPDATES, -1)
    for t in range(UPDATES):
        variance, count = 4.0 / (1 + t) ** 0.55, noise[t].size
        assert abs(noise[t].mean()) < 4 * np.sqrt(variance / count)
        assert noise[t].var() == pytest.approx(variance, rel=4 * np.sqrt(2 / count))
    assert np.abs(np.corrcoef(noise) - np.eye(UPDATES)).max() < 4 / np.sqrt(noise[0].size)


@pytest.mark.slow
def test_noise_of_variance_0_changes_nothing_and_noise_changes_no_other_draw() -> None:
    """Bit for bit, dropout's random numbers included, beside a trial that has noise."""
    arrays = small_trials.arrays_of()
    dropping = {"penalties": Penalties(dropout=0.3)}
    plain = small_trials.trial_of("sgd", **dropping)
    still = replace(plain, noise=Noise(eta=0.0, gamma=1.0))
    (alone,), (silent,) = train_stack([plain], arrays), train_stack([still], arrays)
    assert_bits(silent, alone)
    noisy = small_trials.trial_of("sgd", label="-noisy", noise=Noise(eta=0.1), **dropping)
    tiny = replace(noisy, trial_id="tiny", variant_id="tiny", noise=Noise(eta=1e-30))
    beside, moved, hardly = train_stack([still, noisy, tiny], arrays)
    assert_same(beside, alone, 1e-6)
    assert_same(hardly, alone, 1e-6)
    assert curve(moved, "train_loss")[-1] != pytest.approx(curve(alone, "train_loss")[-1], rel=1e-3)


@pytest.mark.slow
def test_noise_of_a_narrower_network_does_not_depend_on_its_stack() -> None:
    arrays, noise = small_trials.arrays_of(), Noise(eta=0.01)
    wide, narrow = (
        small_trials.trial_of("adam", label=str(hidden), architecture=MODELS["mlp"](hidden=hidden), noise=noise)
        for hidden in ([16, 8], [6, 3])
    )
    (alone,) = train_stack([narrow], arrays, dtype="float64")
    _, padded = train_stack([wide, narrow], arrays, dtype="float64")
    assert_same(padded, alone, 1e-9)
