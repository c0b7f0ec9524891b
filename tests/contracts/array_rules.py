"""Optimizers whose step is more than one number's own, as their papers have them, in NumPy loops over weight arrays.

Each yields, step by step, the loss where its gradient was taken and the weights that are evaluated after the step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tests.contracts import paper_rules
from tests.contracts.softmax_regression import Gradient

Arrays = list[np.ndarray]
Walk = Iterator[tuple[float, Arrays]]
Rule = Callable[..., Walk]
"""`(gradient, weights, learning rate of each step, its parameters) -> steps`."""


def _dot(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> float:
    return float(sum((a * b).sum() for a, b in zip(one, other, strict=True)))


def _zeros(weights: Arrays) -> Arrays:
    return [np.zeros_like(each) for each in weights]


def _steps(rule: paper_rules.Rule, found: Arrays, place: int) -> paper_rules.Steps:
    """Those of another rule for one weight array, by the gradient that stands in its place in `found`."""

    def gradients() -> Iterator[np.ndarray]:
        while True:
            yield found[place]

    return rule(gradients())


def sgd_hd(gradient: Gradient, weights: Arrays, rates: Sequence[float], *, learning_rate: float, beta: float) -> Walk:
    """Baydin et al. 2018, algorithm 4; a schedule's factor is part of the update `u = -factor * rate * g`."""
    rate, before = learning_rate, _zeros(weights)
    for factor in np.asarray(rates) / learning_rate:
        loss, now = gradient(weights)
        rate = rate + beta * _dot(now, before)
        before = [factor * g for g in now]
        weights = [w - rate * along for w, along in zip(weights, before, strict=True)]
        yield loss, weights


def adam_hd(gradient: Gradient, weights: Arrays, rates: Sequence[float], *, learning_rate: float, beta: float) -> Walk:
    """Baydin et al. 2018, algorithm 5, with epsilon where Kingma & Ba's efficient order has it and rounded betas."""
    beta_1, beta_2, epsilon = float(np.float32(0.9)), float(np.float32(0.999)), 1e-7
    rate, before, m, v = learning_rate, _zeros(weights), _zeros(weights), _zeros(weights)
    for t, factor in enumerate(np.asarray(rates) / learning_rate, start=1):
        loss, now = gradient(weights)
        rate = rate + beta * _dot(now, before)
        m = [0.9 * each + 0.1 * g for each, g in zip(m, now, strict=True)]
        v = [0.999 * each + 0.001 * g * g for each, g in zip(v, now, strict=True)]
        scale = factor * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        before = [scale * first / (np.sqrt(second) + epsilon) for first, second in zip(m, v, strict=True)]
        weights = [w - rate * along for w, along in zip(weights, before, strict=True)]
        yield loss, weights


def schedule_free(
    gradient: Gradient,
    weights: Arrays,
    rates: Sequence[float],
    *,
    beta_1: float,
    decay: float,
    beta_2: float | None = None,
    epsilon: float = 0.0,
) -> Walk:
    """Defazio et al. 2024, algorithm 1; AdamW's where `beta_2` is given, else that of plain descent. Yields x."""
    x, z, v, squares = weights, weights, _zeros(weights), 0.0
    for t, rate in enumerate(rates, start=1):
        y = [(1 - beta_1) * end + beta_1 * mean for end, mean in zip(z, x, strict=True)]
        loss, found = gradient(y)
        if beta_2 is not None:
            v = [beta_2 * each + (1 - beta_2) * g**2 for each, g in zip(v, found, strict=True)]
            rate = rate * np.sqrt(1 - beta_2**t)
            found = [g / (np.sqrt(each) + epsilon) for g, each in zip(found, v, strict=True)]
        z = [end - rate * (g + decay * at) for end, g, at in zip(z, found, y, strict=True)]
        squares += rate**2
        c = rate**2 / squares if squares else 0.0
        x = [(1 - c) * mean + c * end for mean, end in zip(x, z, strict=True)]
        yield loss, x


def lamb(gradient: Gradient, weights: Arrays, rates: Sequence[float], *, decay: float, epsilon: float = 1e-7) -> Walk:
    """You et al. 2020, algorithm 2."""
    m, v = _zeros(weights), _zeros(weights)
    for t, rate in enumerate(rates, start=1):
        loss, found = gradient(weights)
        m = [0.9 * each + 0.1 * g for each, g in zip(m, found, strict=True)]
        v = [0.999 * each + 0.001 * g**2 for each, g in zip(v, found, strict=True)]
        moved = []
        for w, first, second in zip(weights, m, v, strict=True):
            step = (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.999**t)) + epsilon) + decay * w
            norms = np.linalg.norm(w), np.linalg.norm(step)
            moved.append(w - rate * (norms[0] / norms[1] if all(norms) else 1) * step)
        weights = moved
        yield loss, weights


def adafactor(gradient: Gradient, weights: Arrays, rates: Sequence[float]) -> Walk:
    """Shazeer & Stern 2018, algorithms 4 (matrices) and 5 (vectors) with the constants of algorithm 6."""
    rows: Arrays = [np.zeros(each.shape[:1]) for each in weights]
    columns: Arrays = [np.zeros(each.shape[1:]) for each in weights]
    for t, rate in enumerate(rates, start=1):
        loss, found = gradient(weights)
        kept, moved = 1 - t**-0.8, []
        for place, (w, g) in enumerate(zip(weights, found, strict=True)):
            squares = g**2 + 1e-30
            if g.ndim == 1:
                rows[place] = kept * rows[place] + (1 - kept) * squares
                second = rows[place]
            else:
                rows[place] = kept * rows[place] + (1 - kept) * squares.sum(1)
                columns[place] = kept * columns[place] + (1 - kept) * squares.sum(0)
                second = np.outer(rows[place], columns[place]) / rows[place].sum()
            u = g / np.sqrt(second)
            u = u / max(1.0, float(np.sqrt(np.mean(u**2))))
            size = max(1e-3, float(np.sqrt(np.mean(w**2))))
            moved.append(w - size * min(rate, 1 / np.sqrt(t)) * u)
        weights = moved
        yield loss, weights


def prodigy(gradient: Gradient, weights: Arrays, rates: Sequence[float], *, decay: float, d: float = 1e-6) -> Walk:
    """Mishchenko & Defazio 2023, algorithm 4."""
    b_1, b_2 = 0.9, 0.999
    start, m, v, s, r, root = weights, _zeros(weights), _zeros(weights), _zeros(weights), 0.0, np.sqrt(0.999)
    for factor in rates:
        loss, found = gradient(weights)
        m = [b_1 * each + (1 - b_1) * d * g for each, g in zip(m, found, strict=True)]
        v = [b_2 * each + (1 - b_2) * d**2 * g**2 for each, g in zip(v, found, strict=True)]
        way = [first - w for first, w in zip(start, weights, strict=True)]
        r = root * r + (1 - root) * factor * d**2 * _dot(found, way)
        s = [root * each + (1 - root) * factor * d**2 * g for each, g in zip(s, found, strict=True)]
        weights = [
            w - factor * d * (decay * w + first / (np.sqrt(second) + d * 1e-8))
            for w, first, second in zip(weights, m, v, strict=True)
        ]
        total = sum(np.abs(each).sum() for each in s)
        d = max(d, r / total if total else 0.0)
        yield loss, weights


def cautious(
    gradient: Gradient, weights: Arrays, rates: Sequence[float], *, decay: float, rule: paper_rules.Rule
) -> Walk:
    """Liang et al. 2024, algorithm 1, around another rule, each weight array by itself."""
    found: Arrays = []
    steps = [_steps(rule, found, place) for place in range(len(weights))]
    for rate in rates:
        loss, found[:] = gradient(weights)
        moved = []
        for w, g, own in zip(weights, found, steps, strict=True):
            u = next(own)
            mask = u * g > 0
            moved.append(w - rate * decay * w - rate * mask.size / (mask.sum() + 1) * mask * u)
        weights = moved
        yield loss, weights


def sam(
    gradient: Gradient,
    weights: Arrays,
    rates: Sequence[float],
    *,
    rho: float,
    rule: paper_rules.Rule,
    decay: float = 0.0,
    limit: float = np.inf,
) -> Walk:
    """Foret et al. 2021, algorithm 1, around another rule; the gradient up the slope is clipped to a norm."""
    found: Arrays = []
    steps = [_steps(rule, found, place) for place in range(len(weights))]
    for rate in rates:
        loss, here = gradient(weights)
        norm = np.sqrt(_dot(here, here))
        _, there = gradient([w + rho * g / norm for w, g in zip(weights, here, strict=True)])
        found[:] = [g * min(1.0, limit / np.sqrt(_dot(there, there))) for g in there]
        weights = [w - rate * (next(own) + decay * w) for w, own in zip(weights, steps, strict=True)]
        yield loss, weights


def muon(gradient: Gradient, weights: Arrays, rates: Sequence[float], *, decay: float) -> Walk:
    """Jordan et al. 2024, with Nesterov's momentum, for matrices but the last; the step's size by Liu et al. 2025,
    equation 4; all other arrays by Adam."""
    hidden = [place for place, each in enumerate(weights) if each.ndim == 2][:-1]
    found: Arrays = []
    others = {place: _steps(paper_rules.adam, found, place) for place in range(len(weights)) if place not in hidden}
    momentum = _zeros(weights)
    for rate in rates:
        loss, found[:] = gradient(weights)
        moved = []
        for place, (w, g) in enumerate(zip(weights, found, strict=True)):
            if place in others:
                step: Any = next(others[place])
            else:
                momentum[place] = 0.95 * momentum[place] + g
                step = 0.2 * np.sqrt(max(w.shape)) * newton_schulz(g + 0.95 * momentum[place])
            moved.append(w - rate * (step + decay * w))
        weights = moved
        yield loss, weights


def newton_schulz(matrix: np.ndarray, steps: int = 5) -> np.ndarray:
    """Of Jordan et al. 2024, over the shorter side."""
    x = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = x / (np.linalg.norm(x) + 1e-7)
    for _ in range(steps):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x if matrix.shape[0] <= matrix.shape[1] else x.T
