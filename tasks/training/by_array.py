"""Optimizers whose step depends on a whole weight array: on its norm, or on the rows and columns of its gradient."""

from __future__ import annotations

from tasks.ranges import Fraction, Negative, NonNegative, Positive
from tasks.training.optimizer import Optimizer, three_slots, two_slots


def _lamb_moved(xp, w, g, slots, t, p):
    """The moments, and the step before it is scaled."""
    m, v = slots
    m = m + (g - m) * p["one_minus_beta_1"]
    v = v + (xp.square(g) - v) * p["one_minus_beta_2"]
    m_hat, v_hat = m / (1 - xp.pow(p["beta_1"], t)), v / (1 - xp.pow(p["beta_2"], t))
    return m, v, m_hat / (xp.sqrt(v_hat) + p["epsilon"]) + p["weight_decay"] * w


def _lamb_squares(xp, w, g, slots, t, p):
    _, _, step = _lamb_moved(xp, w, g, slots, t, p)
    return xp.square(w), xp.square(step)


def _lamb(xp, w, g, slots, lr, t, p):
    m, v, step = _lamb_moved(xp, w, g, slots, t, p)
    weights, steps = p["array_sums"]
    both = (weights > 0) & (steps > 0)
    ratio = xp.where(both, xp.sqrt(weights / xp.where(both, steps, xp.ones_like(steps))), xp.ones_like(steps))
    return w - lr * ratio * step, (m, v)


def lamb(
    *,
    learning_rate: Positive = 0.001,
    weight_decay: NonNegative = 0.004,
    beta_1: Fraction = 0.9,
    beta_2: Fraction = 0.999,
    epsilon: Positive = 1e-7,
) -> Optimizer:
    """LAMB (You et al. 2020, algorithm 2): AdamW whose step of each weight array has the norm of that array, times the
    learning rate.

    The decay is part of the step that is scaled, as in the paper. Keras's Lamb subtracts it before the step, which is
    another rule unless the decay is 0; the tests compare ours with Keras at 0. Where the norm of the array or of the
    step is 0, the step is not scaled. The default decay is that of `adamw`. No Keras twin.
    """
    inputs = {
        "beta_1": beta_1,
        "beta_2": beta_2,
        "one_minus_beta_1": 1 - beta_1,
        "one_minus_beta_2": 1 - beta_2,
        "epsilon": epsilon,
    }
    return Optimizer(
        _lamb, two_slots, inputs, learning_rate, None, weight_decay=weight_decay, decays=True, by_array=_lamb_squares
    )


def _adafactor_scaled(xp, g, slots, t, p):
    """The averages of squares by row, by column and of all, and the gradient over their root."""
    kept = 1 - xp.pow(t, p["beta_2_decay"])
    rows, columns, whole = (
        kept * slot + (1 - kept) * (mean + p["epsilon_1"]) for slot, mean in zip(slots, p["square_means"], strict=True)
    )
    return (rows, columns, whole), g / xp.sqrt(rows / whole * columns)


def _adafactor_squares(xp, w, g, slots, t, p):
    _, scaled = _adafactor_scaled(xp, g, slots, t, p)
    return xp.square(w), xp.square(scaled)


def _adafactor(xp, w, g, slots, lr, t, p):
    slots, scaled = _adafactor_scaled(xp, g, slots, t, p)
    weights, steps = (xp.sqrt(total / p["array_size"]) for total in p["array_sums"])
    rate = xp.maximum(p["epsilon_2"], weights) * xp.minimum(lr, 1 / xp.sqrt(t))
    return w - rate * scaled / xp.maximum(steps / p["clip_threshold"], xp.ones_like(steps)), slots


def adafactor(
    *,
    learning_rate: Positive = 0.01,
    beta_2_decay: Negative = -0.8,
    epsilon_1: Positive = 1e-30,
    epsilon_2: Positive = 1e-3,
    clip_threshold: Positive = 1.0,
) -> Optimizer:
    """Adafactor (Shazeer & Stern 2018, algorithms 4 to 6): the second moment of a matrix is the product of those of its
    rows and its columns, and a step is a share of the array's own size.

    `rate = max(epsilon_2, rms(w)) * min(lr, 1 / sqrt(t))`, divided by `rms(scaled gradient) / clip_threshold` where
    that is above 1. Names and rule are those of Keras's Adafactor, whose default learning rate is 0.001, not the
    paper's 0.01. It saves no memory here: in a stack the moments are spread out over the weights. For models that
    `Model.fit` trains it has no Keras twin.
    """
    inputs = {
        "beta_2_decay": beta_2_decay,
        "epsilon_1": epsilon_1,
        "epsilon_2": epsilon_2,
        "clip_threshold": clip_threshold,
    }
    return Optimizer(_adafactor, three_slots, inputs, learning_rate, None, by_array=_adafactor_squares, factored=True)
