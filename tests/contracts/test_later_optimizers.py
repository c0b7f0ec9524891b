"""Optimizers without a Keras twin against the rules of their papers, written out in NumPy, and against optax."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from tasks.training.models import MODELS, Penalties
from tasks.training.optimizers import OPTIMIZERS
from tests.contracts.one_batch import arrays_of, losses_of, trial_of
from tests.contracts.softmax_regression import L2, softmax_regression

STEPS = 100
RATES = {"signum": 0.003}  # others: 0.02
SETTINGS = {"ademamix": {"beta_3": 0.99}, "adabelief": {"epsilon": 1e-8}}
"""Where defaults would show nothing within 100 steps."""

Array = np.ndarray
Steps = Iterator[Array]
"""What is taken from the weights at each step, but for the learning rate."""

Rule = Callable[..., Steps]
"""`(gradients, its parameters) -> steps`; each gradient is drawn when its step is wanted."""


def nadamw(gradients: Iterator[Array], beta_1: float, beta_2: float, epsilon: float) -> Steps:
    m, v = np.zeros(()), np.zeros(())
    for t, g in enumerate(gradients, start=1):
        m, v = beta_1 * m + (1 - beta_1) * g, beta_2 * v + (1 - beta_2) * g**2
        m_hat = beta_1 * m / (1 - beta_1 ** (t + 1)) + (1 - beta_1) * g / (1 - beta_1**t)
        yield m_hat / (np.sqrt(v / (1 - beta_2**t)) + epsilon)


def ademamix(gradients, beta_1: float, beta_2: float, beta_3: float, alpha: float, epsilon: float) -> Steps:
    """Pagliardini et al. 2024, equation AdEMAMix, without its schedulers."""
    m_1, m_2, v = np.zeros(()), np.zeros(()), np.zeros(())
    for t, g in enumerate(gradients, start=1):
        m_1, m_2 = beta_1 * m_1 + (1 - beta_1) * g, beta_3 * m_2 + (1 - beta_3) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        yield (m_1 / (1 - beta_1**t) + alpha * m_2) / (np.sqrt(v / (1 - beta_2**t)) + epsilon)


def adan(gradients, beta_1: float, beta_2: float, beta_3: float, epsilon: float) -> Steps:
    """Xie et al. 2022, algorithm 1, in the paper's own betas, and Adam's bias correction."""
    b_1, b_2, b_3 = 1 - beta_1, 1 - beta_2, 1 - beta_3
    m, v, n, before = np.zeros(()), np.zeros(()), np.zeros(()), None
    for t, g in enumerate(gradients, start=1):
        change = 0 * g if before is None else g - before
        m, v = (1 - b_1) * m + b_1 * g, (1 - b_2) * v + b_2 * change
        n = (1 - b_3) * n + b_3 * (g + (1 - b_2) * change) ** 2
        before = g
        step = m / (1 - (1 - b_1) ** t) + (1 - b_2) * v / (1 - (1 - b_2) ** t)
        yield step / (np.sqrt(n / (1 - (1 - b_3) ** t)) + epsilon)


def adopt(gradients, beta_1: float, beta_2: float, epsilon: float) -> Steps:
    """Taniguchi et al. 2024, algorithm 2: the gradient of step 0 makes v, steps count from 1 after it."""
    v = np.square(first := next(gradients))
    yield 0 * first
    m = 0 * first
    for t, g in enumerate(gradients, start=1):
        m = beta_1 * m + (1 - beta_1) * np.clip(g / np.maximum(np.sqrt(v), epsilon), -(t**0.25), t**0.25)
        v = beta_2 * v + (1 - beta_2) * g**2
        yield m


def adabelief(gradients, beta_1: float, beta_2: float, epsilon: float) -> Steps:
    """Zhuang et al. 2020, algorithm 2."""
    m, s = np.zeros(()), np.zeros(())
    for t, g in enumerate(gradients, start=1):
        m = beta_1 * m + (1 - beta_1) * g
        s = beta_2 * s + (1 - beta_2) * (g - m) ** 2 + epsilon
        yield (m / (1 - beta_1**t)) / (np.sqrt(s / (1 - beta_2**t)) + epsilon)


def radam(gradients, beta_1: float, beta_2: float, epsilon: float) -> Steps:
    """Liu et al. 2020, algorithm 2; epsilon as in Adam."""
    m, v, longest = np.zeros(()), np.zeros(()), 2 / (1 - beta_2) - 1
    for t, g in enumerate(gradients, start=1):
        m, v = beta_1 * m + (1 - beta_1) * g, beta_2 * v + (1 - beta_2) * g**2
        m_hat = m / (1 - beta_1**t)
        length = longest - 2 * t * beta_2**t / (1 - beta_2**t)
        if length <= 4:
            yield m_hat
            continue
        r = np.sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))
        yield r * m_hat / (np.sqrt(v / (1 - beta_2**t)) + epsilon)


def signum(gradients, momentum: float) -> Steps:
    """Bernstein et al. 2018, algorithm 2."""
    m = np.zeros(())
    for g in gradients:
        m = momentum * m + (1 - momentum) * g
        yield np.sign(m)


RULES: dict[str, Rule] = {each.__name__: each for each in (nadamw, ademamix, adan, adopt, adabelief, radam, signum)}


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

    for _, step in zip(range(STEPS), RULES[name](gradients(), **parameters_of(name)), strict=False):
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
        for name in RULES
    ]
    for name, ours in zip(RULES, losses_of(trials, arrays_of(), dtype="float64"), strict=True):
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
