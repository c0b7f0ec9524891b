"""Optimizers of later papers, whose rules Keras does not have; each rule is that of its paper.

They follow the contract of `optimizer` and are listed in the table of `optimizers`. Weight decay, where one has it, is
decoupled and acts before the update. The numbers that Keras would round through float32 are not rounded here.
"""

from __future__ import annotations

from tasks.ranges import Fraction, NonNegative, Positive
from tasks.training.optimizer import Optimizer, four_slots, one_slot, three_slots, two_slots


def _betas(**betas: float) -> dict[str, float]:
    """Each beta, and 1 minus it. The difference is computed here because float32 would round it."""
    return {**betas, **{f"one_minus_{name}": 1 - beta for name, beta in betas.items()}}


def _nadamw(xp, w, g, slots, lr, t, p):
    m, v = slots
    m = m + (g - m) * p["one_minus_beta_1"]
    v = v + (xp.square(g) - v) * p["one_minus_beta_2"]
    ahead = p["beta_1"] * m / (1 - xp.pow(p["beta_1"], t + 1))
    m_hat = ahead + p["one_minus_beta_1"] * g / (1 - xp.pow(p["beta_1"], t))
    v_hat = v / (1 - xp.pow(p["beta_2"], t))
    return w - lr * m_hat / (xp.sqrt(v_hat) + p["epsilon"]), (m, v)


def nadamw(
    *,
    learning_rate: Positive = 0.001,
    weight_decay: NonNegative = 0.004,
    beta_1: Fraction = 0.9,
    beta_2: Fraction = 0.999,
    epsilon: Positive = 1e-8,
) -> Optimizer:
    """NadamW (Dozat 2016 with the decay of Loshchilov & Hutter 2019): AdamW whose step looks one momentum ahead.

    `m_hat = beta_1 * m / (1 - beta_1^(t+1)) + (1 - beta_1) * g / (1 - beta_1^t)`, with a constant beta_1, as in Dahl et
    al. (2023, "Benchmarking Neural Network Training Algorithms"). Keras's Nadam changes beta_1 from step to step, which
    is another rule. The default decay is that of `adamw`. No Keras twin.
    """
    inputs = {**_betas(beta_1=beta_1, beta_2=beta_2), "epsilon": epsilon}
    return Optimizer(_nadamw, two_slots, inputs, learning_rate, None, weight_decay=weight_decay)


def _ademamix(xp, w, g, slots, lr, t, p):
    fast, slow, v = slots
    fast = fast + (g - fast) * p["one_minus_beta_1"]
    slow = slow + (g - slow) * p["one_minus_beta_3"]
    v = v + (xp.square(g) - v) * p["one_minus_beta_2"]
    m_hat = fast / (1 - xp.pow(p["beta_1"], t)) + p["alpha"] * slow
    v_hat = v / (1 - xp.pow(p["beta_2"], t))
    return w - lr * m_hat / (xp.sqrt(v_hat) + p["epsilon"]), (fast, slow, v)


def ademamix(
    *,
    learning_rate: Positive = 0.001,
    beta_1: Fraction = 0.9,
    beta_2: Fraction = 0.999,
    beta_3: Fraction = 0.9999,
    alpha: NonNegative = 5.0,
    epsilon: Positive = 1e-8,
) -> Optimizer:
    """AdEMAMix (Pagliardini et al. 2024): Adam with a second, much slower average of gradients added `alpha` times.

    `w -= lr * (m_1 / (1 - beta_1^t) + alpha * m_2) / (sqrt(v / (1 - beta_2^t)) + epsilon)`, where m_2 forgets with
    beta_3. The paper lets alpha and beta_3 grow over the first steps of long runs; here they are constant from the
    start. No Keras twin.
    """
    inputs = {**_betas(beta_1=beta_1, beta_2=beta_2, beta_3=beta_3), "alpha": alpha, "epsilon": epsilon}
    return Optimizer(_ademamix, three_slots, inputs, learning_rate, None)


def _adan(xp, w, g, slots, lr, t, p):
    m, v, n, before = slots
    change = xp.where(t > 1, g - before, xp.zeros_like(g))
    m = m + (g - m) * p["one_minus_beta_1"]
    v = v + (change - v) * p["one_minus_beta_2"]
    n = n + (xp.square(g + p["beta_2"] * change) - n) * p["one_minus_beta_3"]
    m_hat = m / (1 - xp.pow(p["beta_1"], t))
    v_hat = v / (1 - xp.pow(p["beta_2"], t))
    n_hat = n / (1 - xp.pow(p["beta_3"], t))
    return w - lr * (m_hat + p["beta_2"] * v_hat) / (xp.sqrt(n_hat) + p["epsilon"]), (m, v, n, g)


def adan(
    *,
    learning_rate: Positive = 0.001,
    beta_1: Fraction = 0.98,
    beta_2: Fraction = 0.92,
    beta_3: Fraction = 0.99,
    epsilon: Positive = 1e-8,
) -> Optimizer:
    """Adan (Xie et al. 2022, algorithm 1): Nesterov momentum from the change of the gradient, over Adam's scale.

    The betas are the shares that are kept, 1 minus the paper's, and the averages start at 0 with Adam's bias
    correction: both as in the authors' code. optax 0.2.8 weighs the change by 1 - beta_2 where the paper has beta_2
    (0.92). The paper's proximal decay is not here; `regularisation.weight_decay` is AdamW's. No Keras twin.
    """
    inputs = {**_betas(beta_1=beta_1, beta_2=beta_2, beta_3=beta_3), "epsilon": epsilon}
    return Optimizer(_adan, four_slots, inputs, learning_rate, None)


def _adopt(xp, w, g, slots, lr, t, p):
    m, v = slots
    started = xp.where(t > 1, xp.ones_like(g), xp.zeros_like(g))
    # The first gradient only sets v; the limit counts the steps after it.
    limit = xp.sqrt(xp.sqrt(xp.maximum(t - 1, 1.0 + 0 * t)))
    scaled = xp.minimum(xp.maximum(g / xp.maximum(xp.sqrt(v), p["epsilon"]), -limit), limit)
    m = m + started * (scaled - m) * p["one_minus_beta_1"]
    v = xp.where(t > 1, v + (xp.square(g) - v) * p["one_minus_beta_2"], xp.square(g))
    return w - lr * started * m, (m, v)


def adopt(
    *,
    learning_rate: Positive = 0.001,
    beta_1: Fraction = 0.9,
    beta_2: Fraction = 0.9999,
    epsilon: Positive = 1e-6,
) -> Optimizer:
    """ADOPT (Taniguchi et al. 2024, algorithm 2): Adam that scales a gradient by the second moment before it.

    `m = beta_1 * m + (1 - beta_1) * clip(g / max(sqrt(v), epsilon), t^0.25); w -= lr * m`, and only then v. The first
    step sets v and moves nothing. It converges with any beta_2. No Keras twin.
    """
    inputs = {**_betas(beta_1=beta_1, beta_2=beta_2), "epsilon": epsilon}
    return Optimizer(_adopt, two_slots, inputs, learning_rate, None)


def _adabelief(xp, w, g, slots, lr, t, p):
    m, s = slots
    m = m + (g - m) * p["one_minus_beta_1"]
    s = s + (xp.square(g - m) - s) * p["one_minus_beta_2"] + p["epsilon"]
    m_hat = m / (1 - xp.pow(p["beta_1"], t))
    s_hat = s / (1 - xp.pow(p["beta_2"], t))
    return w - lr * m_hat / (xp.sqrt(s_hat) + p["epsilon"]), (m, s)


def adabelief(
    *,
    learning_rate: Positive = 0.001,
    beta_1: Fraction = 0.9,
    beta_2: Fraction = 0.999,
    epsilon: Positive = 1e-16,
) -> Optimizer:
    """AdaBelief (Zhuang et al. 2020): Adam scaled by how far gradients lie from their average, `(g - m)^2` for `g^2`.

    The default epsilon is that of the authors' code. No Keras twin.
    """
    inputs = {**_betas(beta_1=beta_1, beta_2=beta_2), "epsilon": epsilon}
    return Optimizer(_adabelief, two_slots, inputs, learning_rate, None)


def _radam(xp, w, g, slots, lr, t, p):
    m, v = slots
    m = m + (g - m) * p["one_minus_beta_1"]
    v = v + (xp.square(g) - v) * p["one_minus_beta_2"]
    power = xp.pow(p["beta_2"], t)
    longest = 2 / p["one_minus_beta_2"] - 1
    length = longest - 2 * t * power / (1 - power)
    rectified = length > 4
    safe = xp.where(rectified, length, longest + 4)  # no root of a negative number where it is not used
    scale = xp.sqrt((safe - 4) * (safe - 2) * longest / ((longest - 4) * (longest - 2) * safe))
    m_hat = m / (1 - xp.pow(p["beta_1"], t))
    adaptive = scale * m_hat / (xp.sqrt(v / (1 - power)) + p["epsilon"])
    return w - lr * xp.where(rectified, adaptive, m_hat), (m, v)


def radam(
    *,
    learning_rate: Positive = 0.001,
    beta_1: Fraction = 0.9,
    beta_2: Fraction = 0.999,
    epsilon: Positive = 1e-8,
) -> Optimizer:
    """RAdam (Liu et al. 2020, algorithm 2): Adam that mistrusts its scale while few gradients are behind it.

    While the length of the second moment's average is at most 4, the step is plain momentum; after that it is
    rectified. PyTorch and optax wait for 5. With a beta_2 of 0.6 or less no step is ever rectified. No Keras twin.
    """
    inputs = {**_betas(beta_1=beta_1, beta_2=beta_2), "epsilon": epsilon}
    return Optimizer(_radam, two_slots, inputs, learning_rate, None)


def _signum(xp, w, g, slots, lr, t, p):
    (m,) = slots
    m = p["momentum"] * m + p["one_minus_momentum"] * g
    return w - lr * xp.sign(m), (m,)


def signum(*, learning_rate: Positive = 0.0001, momentum: Fraction = 0.9) -> Optimizer:
    """Signum (Bernstein et al. 2018, algorithm 2): `m = momentum * m + (1 - momentum) * g; w -= lr * sign(m)`.

    A momentum of 0 is signSGD. No Keras twin.
    """
    return Optimizer(_signum, one_slot, _betas(momentum=momentum), learning_rate, None)
