"""With the `bench` extra: the loops of `array_rules` are what optax does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.contracts import array_rules
from tests.contracts.softmax_regression import hidden_layer

STEPS, RATE, DECAY = 60, 0.02, 0.1


def of_optax(name: str, optax: Any) -> Any:
    rate = RATE
    if name == "lamb":
        return optax.lamb(rate, eps=1e-7, weight_decay=DECAY)
    if name == "adafactor":
        # the paper's relative step; optax factors matrices of 128 rows and more unless it is told to
        return optax.adafactor(lambda t: np.minimum(rate, 1 / np.sqrt(t + 1.0)), min_dim_size_to_factor=2)
    if name == "prodigy":
        return optax.contrib.prodigy(1.0, weight_decay=DECAY)
    return optax.contrib.schedule_free(optax.sgd(rate), rate, b1=0.9)


OURS = {
    "lamb": (array_rules.lamb, {"decay": DECAY}, 1e-9),
    "adafactor": (array_rules.adafactor, {}, 1e-8),
    "prodigy": (array_rules.prodigy, {"decay": DECAY}, 1e-4),
    "schedule_free_sgd": (array_rules.schedule_free, {"beta_1": 0.9, "decay": 0.0}, 1e-9),
}
"""With the agreement: optax's constants of Adafactor are float32, and its Prodigy has epsilon times the d after a step.
Not Schedule-Free AdamW: optax 0.2.8 gives all steps of a constant rate the same weight in the average, the paper the
square of a rate that grows with sqrt(1 - beta_2^t)."""


@pytest.mark.parametrize("name", OURS)
def test_the_rule_of_the_paper_is_that_of_optax(name: str) -> None:
    optax, jax = pytest.importorskip("optax"), pytest.importorskip("jax")
    rule, constants, agreement = OURS[name]
    gradient, start = hidden_layer(8)
    rates = np.full(STEPS, RATE)
    if name == "prodigy":  # optax's has Adam's bias correction, which is a schedule of the rate
        t = np.arange(1, STEPS + 1)
        rates = np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    expected = [loss for loss, _ in rule(gradient, start, rates, **constants)]
    with jax.enable_x64(True):
        method, weights, losses = of_optax(name, optax), list(map(jax.numpy.asarray, start)), []
        state = method.init(weights)
        for _ in range(STEPS):
            loss, found = gradient([np.asarray(each) for each in weights])
            moves, state = method.update(list(map(jax.numpy.asarray, found)), state, weights)
            weights = optax.apply_updates(weights, moves)
            losses.append(loss)
    np.testing.assert_allclose(losses, expected, rtol=agreement)
