"""Prodigy: Adam that estimates its own learning rate from how far the weights have come."""

from __future__ import annotations

from tasks.ranges import Fraction, Positive
from tasks.training.optimizer import Optimizer


def _summed(w, g, slots):
    """The two numbers whose sums over all weights of a trial the estimate needs: the gradient times the way back to the
    start, and the absolute value of the summed gradients."""
    start, _, _, s, _, _ = slots
    return g * (start - w), abs(s)


def _prodigy(xp, w, g, slots, lr, t, p):
    start, m, v, s, r, d = slots
    along, size = p["totals"]
    d = xp.maximum(d, xp.where(size > 0, r / xp.where(size > 0, size, xp.ones_like(size)), xp.zeros_like(size)))
    m = p["beta_1"] * m + p["one_minus_beta_1"] * d * g
    v = p["beta_2"] * v + p["one_minus_beta_2"] * xp.square(d * g)
    root, weight = xp.sqrt(p["beta_2"]), lr * xp.square(d)
    r = root * r + (1 - root) * weight * along
    s = root * s + (1 - root) * weight * g
    w = w - lr * d * p["weight_decay"] * w - lr * d * m / (xp.sqrt(v) + d * p["epsilon"])
    return w, (start, m, v, s, r, d)


def _slots(xp, w, p):
    zeros, one = xp.zeros_like(w), xp.zeros_like(p["initial_d"])
    return (w, zeros, zeros, zeros, one, one + p["initial_d"])


def prodigy(
    *,
    learning_rate: Positive = 1.0,
    initial_d: Positive = 1e-6,
    beta_1: Fraction = 0.9,
    beta_2: Fraction = 0.999,
    epsilon: Positive = 1e-8,
) -> Optimizer:
    """Prodigy (Mishchenko & Defazio 2023, algorithm 4): Adam whose step size d is a growing lower bound of how far the
    solution is from the start, one for all weights of a trial. No learning rate is searched.

    `learning_rate` multiplies d, and schedules act on it; leave it at 1. d starts at `initial_d`.
    `regularisation.weight_decay` is decoupled and scaled by d too. `learning_rate` in the curves is the schedule's, not
    d. No Keras twin.
    """
    inputs = {
        "initial_d": initial_d,
        "beta_1": beta_1,
        "beta_2": beta_2,
        "one_minus_beta_1": 1 - beta_1,
        "one_minus_beta_2": 1 - beta_2,
        "epsilon": epsilon,
    }
    return Optimizer(_prodigy, _slots, inputs, learning_rate, None, summed=_summed, decays=True)
