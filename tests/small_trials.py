"""Small trials and their training data, for tests of the trainers, and comparisons of outcomes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tasks.training.feed import Resident
from tasks.training.models import MODELS
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.schedules import SCHEDULES
from tasks.training.trial import Outcome, Trial
from tests.in_memory import InMemory


def arrays_of(task: str = "classification", rows: int = 150, features: int = 5) -> InMemory:
    """Returns a noisy linear problem; 150 rows in batches of 32 leave a partial batch of 22."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(rows + 50, features)).astype("float32")
    scores = inputs @ rng.normal(size=(features, 3)) + rng.normal(size=(rows + 50, 3))
    if task == "regression":
        targets, classes = scores[:, 0].astype("float32"), None
    else:
        targets, classes = scores.argmax(1).astype("int64"), 3
    train = Resident(inputs[:rows], targets[:rows])
    weights = np.array([0.4, 1.0, 2.5]) if classes else None
    return InMemory(train, inputs[rows:], targets[rows:], classes, 2.0, weights, to_score={"val": inputs[rows:]})


def trial_of(name: str = "adam", *, seed: int = 0, label: str = "", **changes) -> Trial:
    optimizer = OPTIMIZERS[name]()
    trial = Trial(
        trial_id=f"{name}{label}-{seed}",
        variant_id=f"{name}{label}",
        seed=seed,
        epochs=5,
        batch_size=32,
        architecture=MODELS["mlp"](hidden=[16, 8]),
        optimizer=optimizer,
        learning_rate=0.01,
        schedule=SCHEDULES["constant"](),
        weight_decay=optimizer.weight_decay,
    )
    return replace(trial, **changes)


def curve(outcome: Outcome, name: str) -> np.ndarray:
    return np.array([value for _, _, each, value in outcome.curves if each == name])


def assert_same(ours: Outcome, theirs: Outcome, rtol: float) -> None:
    assert (ours.status, ours.epochs, ours.steps, ours.best_step) == (
        theirs.status,
        theirs.epochs,
        theirs.steps,
        theirs.best_step,
    )
    for name in {each for _, _, each, _ in theirs.curves}:
        np.testing.assert_allclose(curve(ours, name), curve(theirs, name), rtol=rtol, atol=rtol, err_msg=name)
    for weight, other in zip(ours.weights or [], theirs.weights or [], strict=True):
        np.testing.assert_allclose(weight, other, rtol=rtol, atol=rtol)


def assert_bits(ours: Outcome, theirs: Outcome) -> None:
    assert (ours.status, ours.reason, ours.curves) == (theirs.status, theirs.reason, theirs.curves)
    assert (ours.epochs, ours.steps, ours.best_step) == (theirs.epochs, theirs.steps, theirs.best_step)
    for one, other in zip(ours.weights or [], theirs.weights or [], strict=True):
        np.testing.assert_array_equal(one, other)
    assert ours.outputs.keys() == theirs.outputs.keys()
    for name, values in ours.outputs.items():
        np.testing.assert_array_equal(values, theirs.outputs[name])
