"""The problem on which optimizers are compared with Keras: one batch, so that each epoch is a step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tasks.training.feed import Resident
from tasks.training.models import MODELS
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.schedules import SCHEDULES
from tasks.training.stack import train_stack
from tasks.training.trial import Arrays, Trial
from tests.in_memory import InMemory

TWINS = [name for name, factory in OPTIMIZERS.items() if factory().keras_class]
ROWS, FEATURES, CLASSES = 64, 6, 3  # a power of two, so that the mean over rows is exact


def arrays_of(*, raw: bool = False) -> InMemory:
    """A batch of standardised inputs, or of raw columns with scales from 0.01 to 1000."""
    rng = np.random.default_rng(3)
    inputs = rng.normal(size=(ROWS, FEATURES))
    targets = (inputs @ rng.normal(size=(FEATURES, CLASSES)) + rng.normal(size=(ROWS, CLASSES))).argmax(1)
    if raw:
        inputs = inputs * np.array([0.01, 0.1, 1, 10, 100, 1000]) + np.array([0, 0, 5, -3, 300, 2000])
    inputs = inputs.astype("float32")
    return InMemory(Resident(inputs, targets.astype("int64")), inputs[:8], targets[:8].astype("int64"), CLASSES)


def trial_of(name: str, *, steps: int, seed: int = 0, **changes) -> Trial:
    """One step an epoch, so that the curve of the training loss holds every step's."""
    optimizer = OPTIMIZERS[name](**changes.pop("parameters", {}))
    trial = Trial(
        trial_id=f"{name}-{seed}-{sorted(changes)}",
        variant_id=f"{name}-{sorted(changes)}",
        seed=seed,
        epochs=steps,
        batch_size=ROWS,
        architecture=MODELS["mlp"](hidden=[8]),
        optimizer=optimizer,
        learning_rate=optimizer.learning_rate,
        schedule=SCHEDULES["constant"](),
        weight_decay=optimizer.weight_decay,
    )
    return replace(trial, **changes)


def losses_of(trials: list[Trial], arrays: Arrays, **how) -> list[np.ndarray]:
    outcomes = train_stack(trials, arrays, **how)
    return [np.array([value for *_, name, value in each.curves if name == "train_loss"]) for each in outcomes]
