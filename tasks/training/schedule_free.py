"""Optimizers that need no schedule (Defazio et al. 2024, "The Road Less Scheduled").

They have three sequences of weights: gradients are taken at `y`, steps move `z`, and `x`, the mean of all `z`, is
evaluated and kept. The trainer's weights are `y`; the state begins with `x` and `z`.

Keras 3.15.1's `ScheduleFreeAdamW` is no twin of this: after `fit` its weights are still `y`; its decay moves `y` alone,
so that it never reaches `z`; and each `z` counts alike, whatever the learning rates were. The tests compare these
optimizers with the paper's algorithm 1.
"""

from __future__ import annotations

from tasks.ranges import Fraction, NonNegative, Positive
from tasks.training.optimizer import Optimizer


def _moved(xp, w, slots, rate, direction, p, beta):
    """`y`, `x`, `z` and the sum of squared rates after a step along `direction`, decay at `y` included."""
    x, z, total = slots
    z = z - rate * direction - rate * p["weight_decay"] * w
    total = total + xp.square(rate)
    started = total > 0  # not while a warm-up's first learning rate is 0
    share = xp.where(started, xp.square(rate) / xp.where(started, total, xp.ones_like(total)), xp.zeros_like(total))
    x = x + share * (z - x)
    return z + beta * (x - z), (x, z, total)


def _evaluated(slots):
    return slots[0]


def _slots(xp, w, p):
    return (w, w, xp.zeros_like(p["weight_decay"]))


def _schedule_free_sgd(xp, w, g, slots, lr, t, p):
    return _moved(xp, w, slots, lr, g, p, p["momentum"])


def schedule_free_sgd(*, learning_rate: Positive = 1.0, momentum: Fraction = 0.9) -> Optimizer:
    """Schedule-Free SGD (Defazio et al. 2024): a gradient at `y = (1 - momentum) * z + momentum * x` moves `z`; `x`,
    the average of all `z`, is evaluated and kept.

    Use it with a constant learning rate, 10 to 50 times SGD's, and a warm-up at most; each `z` counts by the square of
    its learning rate. Batch normalisation's statistics are computed again at `x`. `regularisation.weight_decay` acts at
    `y`. No Keras twin.
    """
    inputs = {"momentum": momentum}
    return Optimizer(_schedule_free_sgd, _slots, inputs, learning_rate, None, decays=True, evaluated=_evaluated)


def _schedule_free_adamw(xp, w, g, slots, lr, t, p):
    *sequences, v = slots
    v = v + (xp.square(g) - v) * p["one_minus_beta_2"]
    rate = lr * xp.sqrt(1 - xp.pow(p["beta_2"], t))
    y, sequences = _moved(xp, w, sequences, rate, g / (xp.sqrt(v) + p["epsilon"]), p, p["beta_1"])
    return y, (*sequences, v)


def _schedule_free_adamw_slots(xp, w, p):
    return (*_slots(xp, w, p), xp.zeros_like(w))


def schedule_free_adamw(
    *,
    learning_rate: Positive = 0.0025,
    weight_decay: NonNegative = 0.004,
    beta_1: Fraction = 0.9,
    beta_2: Fraction = 0.999,
    epsilon: Positive = 1e-8,
) -> Optimizer:
    """Schedule-Free AdamW (Defazio et al. 2024, algorithm 1): a gradient at `y = (1 - beta_1) * z + beta_1 * x`, over
    the root of its second moment, moves `z`; `x`, the average of all `z`, is evaluated and kept.

    `rate = lr * sqrt(1 - beta_2^t)`; each `z` counts by the square of its rate. Use it with a constant learning rate
    and a warm-up at most. Decay acts at `y` and moves `z`; its default is that of `adamw`. Batch normalisation's
    statistics are computed again at `x`. Keras 3.15.1's is another rule. No Keras twin.
    """
    inputs = {"beta_1": beta_1, "beta_2": beta_2, "one_minus_beta_2": 1 - beta_2, "epsilon": epsilon}
    return Optimizer(
        _schedule_free_adamw,
        _schedule_free_adamw_slots,
        inputs,
        learning_rate,
        None,
        weight_decay=weight_decay,
        decays=True,
        evaluated=_evaluated,
    )
