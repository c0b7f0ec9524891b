"""Optimizers as their papers have them, in plain NumPy loops: what ours are held to, and audited against."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

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


# --- those that Keras has, with the constants of their papers ---


def sgd(gradients: Iterator[Array]) -> Steps:
    yield from gradients


def momentum(gradients: Iterator[Array], momentum: float = 0.9) -> Steps:
    """Polyak 1964."""
    m = np.zeros(())
    for g in gradients:
        m = momentum * m + g
        yield m


def nesterov(gradients: Iterator[Array], momentum: float = 0.9) -> Steps:
    """Sutskever et al. 2013, equations 3 and 4, at the point where the gradient is taken."""
    m = np.zeros(())
    for g in gradients:
        m = momentum * m + g
        yield momentum * m + g


def adagrad(gradients: Iterator[Array]) -> Steps:
    """Duchi et al. 2011, diagonal, delta 0: the sum of squares starts at 0."""
    a = np.zeros(())
    for g in gradients:
        a = a + g**2
        yield g / np.sqrt(np.maximum(a, 1e-300))


def adadelta(gradients: Iterator[Array], rho: float = 0.95, epsilon: float = 1e-6) -> Steps:
    """Zeiler 2012, algorithm 1."""
    squares, deltas = np.zeros(()), np.zeros(())
    for g in gradients:
        squares = rho * squares + (1 - rho) * g**2
        delta = np.sqrt(deltas + epsilon) / np.sqrt(squares + epsilon) * g
        deltas = rho * deltas + (1 - rho) * delta**2
        yield delta


def rmsprop(gradients: Iterator[Array], rho: float = 0.9) -> Steps:
    """Tieleman & Hinton 2012, lecture 6.5, which has no epsilon."""
    v = np.zeros(())
    for g in gradients:
        v = rho * v + (1 - rho) * g**2
        yield g / np.sqrt(np.maximum(v, 1e-300))


def adam(gradients: Iterator[Array], beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8) -> Steps:
    """Kingma & Ba 2015, algorithm 1."""
    m, v = np.zeros(()), np.zeros(())
    for t, g in enumerate(gradients, start=1):
        m, v = beta_1 * m + (1 - beta_1) * g, beta_2 * v + (1 - beta_2) * g**2
        yield m / (1 - beta_1**t) / (np.sqrt(v / (1 - beta_2**t)) + epsilon)


def adamax(gradients: Iterator[Array], beta_1: float = 0.9, beta_2: float = 0.999) -> Steps:
    """Kingma & Ba 2015, algorithm 2, which has no epsilon."""
    m, u = np.zeros(()), np.zeros(())
    for t, g in enumerate(gradients, start=1):
        m, u = beta_1 * m + (1 - beta_1) * g, np.maximum(beta_2 * u, np.abs(g))
        yield m / (1 - beta_1**t) / np.maximum(u, 1e-300)


def nadam(gradients: Iterator[Array], beta_1: float = 0.99, beta_2: float = 0.999, epsilon: float = 1e-8) -> Steps:
    """Dozat 2016, algorithm 2 with the schedule of section 3.2: `mu_t = 0.99 * (1 - 0.5 * 0.96^(t / 250))`."""
    m, v, product = np.zeros(()), np.zeros(()), 1.0
    for t, g in enumerate(gradients, start=1):
        now, after = (beta_1 * (1 - 0.5 * 0.96 ** (step / 250)) for step in (t, t + 1))
        product *= now
        m, v = now * m + (1 - now) * g, beta_2 * v + (1 - beta_2) * g**2
        m_hat = after * m / (1 - product * after) + (1 - now) * g / (1 - product)
        yield m_hat / (np.sqrt(v / (1 - beta_2**t)) + epsilon)


def lion(gradients: Iterator[Array], beta_1: float = 0.9, beta_2: float = 0.99) -> Steps:
    """Chen et al. 2023, algorithm 2."""
    m = np.zeros(())
    for g in gradients:
        yield np.sign(beta_1 * m + (1 - beta_1) * g)
        m = beta_2 * m + (1 - beta_2) * g


LATER: dict[str, Rule] = {each.__name__: each for each in (nadamw, ademamix, adan, adopt, adabelief, radam, signum)}
"""Those of them that Keras lacks."""

TWINS: dict[str, Rule] = {
    **{each.__name__: each for each in (sgd, momentum, nesterov, adagrad, adadelta, rmsprop, adam)},
    "adamw": adam,
    **{each.__name__: each for each in (adamax, nadam, lion)},
}
"""Those that Keras has. AdamW's decay stands outside of its step."""
