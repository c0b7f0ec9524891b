"""Random numbers that must not be each other's: of two layers, two steps, two seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pytest

from tasks.training.feed import Resident
from tasks.training.models import Architecture, Penalties
from tasks.training.stack import train_stack
from tasks.training.trial import Arrays
from tests.small_trials import trial_of

UNITS = 400


def network(dropouts: int) -> Architecture:
    """Units that all give 1, behind so many equal dropout layers."""

    def layers(penalties: Penalties, seed: int) -> Sequence[Any]:
        ones = keras.layers.Dense(UNITS, kernel_initializer="ones", trainable=True)
        return [ones, *(keras.layers.Dropout(penalties.dropout) for _ in range(dropouts))]

    return Architecture(layers, "glorot_uniform")


def kept(dropouts: int, *, seed: int = 0, steps: int = 1, xla: bool = False) -> np.ndarray:
    """Which units the last of some steps of one row let through: those whose output weights moved in it."""
    arrays = Arrays(Resident(np.ones([1, 1], "float32"), np.array([0])), np.ones([1, 1], "float32"), np.array([0]), 2)
    common: dict[str, Any] = {
        "seed": seed,
        "batch_size": 1,
        "architecture": network(dropouts),
        "learning_rate": 1e-3,
        "penalties": Penalties(dropout=0.5),
    }
    after, before = (
        train_stack([trial_of("sgd", epochs=epochs, **common)], arrays, xla=xla)[0].weights[2]
        for epochs in (steps, max(steps - 1, 1))
    )
    if steps == 1:
        before = network(dropouts).build((1,), 2, penalties=common["penalties"], seed=seed).get_weights()[2]
    return (after != before).any(axis=1)


@pytest.mark.parametrize("xla", [False, True])
def test_two_equal_dropout_layers_drop_different_units(xla: bool) -> None:
    """By one mask half of the units would pass both; by two of them it is a quarter."""
    assert 0.42 < kept(1, xla=xla).mean() < 0.58
    assert 0.18 < kept(2, xla=xla).mean() < 0.32


def test_steps_and_seeds_drop_different_units() -> None:
    first = kept(1)
    assert 0.4 < (first != kept(1, steps=2)).mean() < 0.6
    assert 0.4 < (first != kept(1, seed=1)).mean() < 0.6
    np.testing.assert_array_equal(first, kept(1))
