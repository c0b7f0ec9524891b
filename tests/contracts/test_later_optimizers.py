"""Optimizers without a Keras twin against the rules of their papers (`paper_rules`), which optax holds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tasks.training.models import MODELS, Penalties
from tasks.training.optimizers import OPTIMIZERS
from tests.contracts.one_batch import arrays_of, losses_of, trial_of
from tests.contracts.paper_rules import LATER, Array
from tests.contracts.softmax_regression import L2, softmax_regression

STEPS = 100
RATES = {"signum": 0.003}  # others: 0.02
SETTINGS = {"ademamix": {"beta_3": 0.99}, "adabelief": {"epsilon": 1e-8}}
"""Where defaults would show nothing within 100 steps."""


def parameters_of(name: str) -> dict[str, float]:
    """Those of an optimizer's update, as bound."""
    inputs = OPTIMIZERS[name](**SETTINGS.get(name, {})).inputs
    return {each: value for each, value in inputs.items() if not each.startswith("one_minus_")}


def losses_by(name: str) -> list[float]:
    """The loss of every step of the paper's loop, all weights in one array."""
    gradient, start = softmax_regression()
    rate, decay = RATES.get(name, 0.02), OPTIMIZERS[name]().weight_decay
    weights, losses = np.concatenate([each.ravel() for each in start]), []
    cut, shape = start[0].size, start[0].shape

    def gradients() -> Iterator[Array]:
        while True:
            loss, found = gradient([weights[:cut].reshape(shape), weights[cut:]])
            losses.append(loss)
            yield np.concatenate([each.ravel() for each in found])

    for _, step in zip(range(STEPS), LATER[name](gradients(), **parameters_of(name)), strict=False):
        weights = weights - rate * (step + decay * weights)
    return losses


def test_each_is_the_rule_of_its_paper() -> None:
    trials = [
        trial_of(
            name,
            steps=STEPS,
            parameters=SETTINGS.get(name, {}),
            architecture=MODELS["linear"](),
            learning_rate=RATES.get(name, 0.02),
            penalties=Penalties(l2=L2),
        )
        for name in LATER
    ]
    for name, ours in zip(LATER, losses_of(trials, arrays_of(), dtype="float64"), strict=True):
        np.testing.assert_allclose(ours, losses_by(name)[:STEPS], rtol=1e-9, err_msg=name)
        assert ours[-1] < 0.8 * ours[0], name


OPTAX = {
    "nadamw": lambda optax, rate, b: optax.nadamw(rate, b["beta_1"], b["beta_2"], b["epsilon"], weight_decay=0.004),
    "ademamix": lambda optax, rate, b: optax.contrib.ademamix(
        rate, b["beta_1"], b["beta_2"], b["beta_3"], b["alpha"], b["epsilon"]
    ),
    "adopt": lambda optax, rate, b: optax.contrib.adopt(rate, b["beta_1"], b["beta_2"], b["epsilon"]),
    "adabelief": lambda optax, rate, b: optax.adabelief(rate, b["beta_1"], b["beta_2"], b["epsilon"], b["epsilon"]),
    "radam": lambda optax, rate, b: optax.radam(rate, b["beta_1"], b["beta_2"], b["epsilon"], threshold=4.0),
    "signum": lambda optax, rate, b: optax.signum(rate, b["momentum"]),
}
"""Not Adan: optax 0.2.8 has 1 - beta_2 where the paper has beta_2."""


@pytest.mark.parametrize("name", OPTAX)
def test_the_rule_of_the_paper_is_that_of_optax(name: str) -> None:
    """With the `bench` extra: the loops above are what optax does."""
    optax, jax = pytest.importorskip("optax"), pytest.importorskip("jax")
    with jax.enable_x64(True):
        gradient, weights = softmax_regression()
        method = OPTAX[name](optax, RATES.get(name, 0.02), parameters_of(name))
        state, losses = method.init(weights), []
        for _ in range(STEPS):
            loss, found = gradient([np.asarray(each) for each in weights])
            moves, state = method.update(found, state, weights)
            weights = optax.apply_updates(weights, moves)
            losses.append(loss)
    np.testing.assert_allclose(losses_by(name)[:STEPS], losses, rtol=1e-9)
