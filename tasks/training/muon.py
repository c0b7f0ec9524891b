"""Muon: hidden kernels move along an orthogonal matrix, all other weights as in AdamW."""

from __future__ import annotations

from tasks.ranges import Fraction, NonNegative, Positive
from tasks.training.optimizer import Optimizer, rounded, two_slots


def _ahead(g, slots, p):
    """Nesterov's momentum, whose matrix is made orthogonal."""
    m = slots[0]
    return g + p["momentum"] * (m + (g + m * (p["momentum"] - 1)))


def _muon(xp, w, g, slots, lr, t, p):
    m, v = slots
    alpha = lr * p["adam_lr_ratio"] * xp.sqrt(1 - xp.pow(p["adam_beta_2"], t)) / (1 - xp.pow(p["adam_beta_1"], t))
    hidden = m + (g + m * (p["momentum"] - 1))
    other = m + (g - m) * p["one_minus_adam_beta_1"]
    v = v + (xp.square(g) - v) * p["one_minus_adam_beta_2"]
    step = xp.where(p["hidden"], lr * p["orthogonal"], other * alpha / (xp.sqrt(v) + p["epsilon"]))
    return w - step, (xp.where(p["hidden"], hidden, other), v)


def muon(
    *,
    learning_rate: Positive = 0.001,
    weight_decay: NonNegative = 0.004,
    momentum: Fraction = 0.95,
    adam_lr_ratio: Positive = 1.0,
    adam_beta_1: Fraction = 0.9,
    adam_beta_2: Fraction = 0.999,
    epsilon: Positive = 1e-7,
) -> Optimizer:
    """Muon (Jordan et al. 2024): the kernels of hidden Dense layers move along their Nesterov momentum made orthogonal
    by five Newton-Schulz iterations; biases, the output layer, embeddings and convolutions as in AdamW.

    A hidden kernel's step is `0.2 * sqrt(max(m, n))` times the orthogonal matrix, for the m and n of the trial's own
    layer (Liu et al. 2025), so one learning rate suits both kinds; AdamW's is `adam_lr_ratio` times it. Names and
    defaults are those of Keras's Muon. Keras moves the output layer's kernel too, unless `exclude_layers` names it;
    then both rules are the same, and the tests compare them. For models that `Model.fit` trains it has no Keras twin.
    """
    inputs = {
        "momentum": momentum,
        "adam_lr_ratio": adam_lr_ratio,
        "adam_beta_1": rounded(adam_beta_1),
        "adam_beta_2": rounded(adam_beta_2),
        "one_minus_adam_beta_1": 1 - adam_beta_1,
        "one_minus_adam_beta_2": 1 - adam_beta_2,
        "epsilon": epsilon,
    }
    return Optimizer(_muon, two_slots, inputs, learning_rate, None, weight_decay=weight_decay, orthogonal=_ahead)
