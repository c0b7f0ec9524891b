"""Averages of weights: what they are of, in both trainers; who has none does not notice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tasks.training.averaging import AVERAGINGS, Averaging
from tasks.training.fit import compile_model, train_fit
from tasks.training.models import MODELS, Penalties
from tasks.training.stack import Stack, train_stack
from tasks.training.trial import Stopping, Trial, learning_rates
from tests.contracts import one_batch
from tests.small_trials import arrays_of, assert_bits, assert_same, curve, trial_of

HOW = {"xla": False, "dtype": "float64"}
EPOCHS = 6  # of five steps
KINDS: dict[str, Averaging] = {
    "none": AVERAGINGS["none"](),
    "ema": AVERAGINGS["ema"](decay=0.9),
    "swa": AVERAGINGS["swa"](start=0.5),
    "lawa": AVERAGINGS["lawa"](last=3),
    "lawa-2": AVERAGINGS["lawa"](last=2),
}


def trials_of(**changes) -> list[Trial]:
    return [trial_of(label=f"-{name}", epochs=EPOCHS, averaging=kind, **changes) for name, kind in KINDS.items()]


def test_averages_are_those_of_the_weights_that_the_steps_left() -> None:
    stack, left = Stack([trial_of(epochs=EPOCHS)], arrays_of(), **HOW), []
    every_step = Stack([trial_of(epochs=EPOCHS, evaluate_every=1)], arrays_of(), **HOW)
    for epoch in range(1, EPOCHS + 1):
        stack.train_until(5 * epoch)
        left.append(stack.outcomes()[0].weights)
    average: list[np.ndarray] = []
    for step in range(1, 5 * EPOCHS + 1):
        every_step.train_until(step)
        new = every_step.outcomes()[0].weights
        average = [0.9 * old + 0.1 * each for old, each in zip(average or new, new, strict=True)]
    expected = {
        "none": left[-1],
        "ema": average,
        "swa": [np.mean(each, axis=0) for each in zip(*left[3:], strict=True)],
        "lawa": [np.mean(each, axis=0) for each in zip(*left[-3:], strict=True)],
        "lawa-2": [np.mean(each, axis=0) for each in zip(*left[-2:], strict=True)],
    }
    for outcome, name in zip(train_stack(trials_of(), arrays_of(), **HOW), KINDS, strict=True):
        for weight, wanted in zip(outcome.weights, expected[name], strict=True):
            np.testing.assert_allclose(weight, wanted, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("decay", [0.0, 0.9, 0.999])
def test_an_exponential_average_is_that_of_keras_bit_for_bit(decay: float) -> None:
    """`Model.fit` with `use_ema` overwrites the weights at its end."""
    arrays = one_batch.arrays_of()
    trial = one_batch.trial_of("adam", steps=60, averaging=AVERAGINGS["ema"](decay=decay))
    model = trial.architecture.build(arrays.train.shape, arrays.outputs, seed=trial.seed)
    compile_model(model, trial, learning_rates(trial, 1), arrays.classes)
    assert model.optimizer.use_ema
    orders = np.concatenate([arrays.train.order(trial.seed, epoch) for epoch in range(trial.epochs)])
    inputs, targets = arrays.train.inputs[orders], arrays.train.targets[orders]
    model.fit(inputs, targets, batch_size=trial.batch_size, shuffle=False, verbose=0)
    (ours,) = train_stack([trial], arrays, xla=False)
    for weight, keras in zip(ours.weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, keras)


@pytest.mark.parametrize("every", [None, 3], ids=["epochs", "steps"])
def test_both_trainers_average_alike_with_batch_normalisation(every: int | None) -> None:
    normalised = MODELS["mlp"](hidden=[9, 5], batch_normalisation=True)
    trials = trials_of(architecture=normalised, evaluate_every=every)
    stacked = train_stack(trials, arrays_of(), xla=False)
    for ours, theirs in zip(stacked, train_fit(trials, arrays_of()), strict=True):
        assert_same(ours, theirs, 1e-4)


def test_batch_normalisation_has_the_statistics_of_the_averaged_network() -> None:
    """Of one batch, so exactly: normalised by them, the first layer's units have mean 0 and variance 1."""
    arrays = one_batch.arrays_of()
    normalised = MODELS["mlp"](hidden=[4], batch_normalisation=True)
    for kind in KINDS.values():
        trial = one_batch.trial_of("adam", steps=8, architecture=normalised, averaging=kind)
        (outcome,) = train_stack([trial], arrays, **HOW)
        kernel, *_, mean, variance = outcome.weights[:5]
        units = arrays.train.inputs @ kernel
        exact = np.allclose(units.mean(0), mean) and np.allclose(units.var(0), variance)
        assert exact == kind.averages


def test_the_curves_are_of_the_average_and_early_stopping_keeps_it() -> None:
    trials = trials_of(stopping=Stopping(2, 0.0, True), learning_rate=0.05)
    for outcome in train_stack(trials, arrays_of(), **HOW):
        outputs = outcome.outputs["val"]
        targets = arrays_of().val_targets
        log = outputs - outputs.max(1, keepdims=True)
        loss = np.mean(np.log(np.exp(log).sum(1)) - log[np.arange(len(targets)), targets])
        assert loss == pytest.approx(curve(outcome, "val_loss").min(), rel=1e-6)


def test_who_has_no_average_trains_as_if_nobody_had() -> None:
    trials = trials_of(penalties=Penalties(dropout=0.2))
    together = train_stack(trials, arrays_of(), **HOW)
    for trial, ours in zip(trials, together, strict=True):
        (alone,) = train_stack([trial], arrays_of(), **HOW)
        assert_same(ours, alone, 1e-9)


def test_without_averages_the_program_is_the_one_it_was() -> None:
    plain, ended, ema = (Stack([trial_of(averaging=KINDS[name])], arrays_of()) for name in ("none", "lawa", "ema"))
    assert plain._compiled.program is ended._compiled.program is not ema._compiled.program
    assert all(len(block) == 2 for blocks in plain.state.slots for block in blocks)


@pytest.mark.parametrize("dropped", [(), ("none", "swa", "lawa"), ("ema", "swa", "lawa", "lawa-2")])
def test_a_saved_stack_goes_on_with_its_averages_bit_for_bit(dropped: tuple[str, ...], tmp_path: Path) -> None:
    normalised = MODELS["mlp"](hidden=[9, 5], batch_normalisation=True)
    trials = [
        replace(trial, trial_id=f"{trial.trial_id}-{seed}", seed=seed)
        for trial in trials_of(architecture=normalised, evaluate_every=3)
        for seed in (0, 1)
    ]
    stack = Stack(trials, arrays_of(), xla=False)
    stack.train_until(18)
    stack.drop({each.trial_id: "lost" for each in trials if each.variant_id.removeprefix("adam-") in dropped})
    stack.save(tmp_path / "paused.npz")
    stack.train_until(30)
    other = Stack(trials, arrays_of(), xla=False)
    other.load(tmp_path / "paused.npz")
    other.train_until(30)
    whole = train_stack(trials, arrays_of(), xla=False)
    for trial, ours, theirs, through in zip(trials, other.outcomes(), stack.outcomes(), whole, strict=True):
        assert_bits(ours, theirs)
        if trial.variant_id.removeprefix("adam-") not in dropped:
            assert_same(ours, through, 1e-5)


@pytest.mark.parametrize(("start", "averaged"), [(0.0, 4), (0.5, 2), (0.6, 2), (0.75, 1), (0.99, 1)])
def test_swa_weighs_each_end_of_its_epochs_alike(start: float, averaged: int) -> None:
    """What each step's weights count for in the last average."""
    retained = AVERAGINGS["swa"](start=start).retained(4, 3)
    shares = [(1 - retained[step]) * np.prod(retained[step + 1 :]) for step in range(12)]
    expected = np.zeros(12)
    expected[2::3][-averaged:] = 1 / averaged
    np.testing.assert_allclose(shares, expected, atol=1e-12)
