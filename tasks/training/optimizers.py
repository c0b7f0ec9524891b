"""The table of optimizers: pure functions over arrays, most of them equal to the Keras optimizer of their name.

An update takes and returns arrays; trials stacked along leading axes are updated at once, each with hyperparameters of
its own, because these are inputs and not constants. `xp` is the array namespace (tensorflow, or numpy in tests), so
this module needs neither, and the names and ranges here are known before TensorFlow is loaded.

The order of operations is Keras's, and so is its rounding: Keras casts some hyperparameters through float32 even when
weights are float64 (`rounded`). `1 - beta` is an input of its own, since computing it from a float32 beta loses
digits that training then amplifies.

To add one: write its update and a keyword-only factory that returns an `Optimizer` (what Keras lacks goes in
`later_optimizers`), put it in `OPTIMIZERS`, and say in `LEARNING_RATES` where its learning rate is searched. The
contract test over the table compares it with Keras step by step.
"""

from __future__ import annotations

from collections.abc import Callable

from tasks.ranges import Fraction, NonNegative, Positive
from tasks.training.by_array import adafactor, lamb
from tasks.training.later_optimizers import adabelief, adan, ademamix, adopt, nadamw, radam, signum
from tasks.training.muon import muon
from tasks.training.optimizer import Optimizer, no_slots, one_slot, rounded, three_slots, two_slots
from tasks.training.prodigy import prodigy
from tasks.training.schedule_free import schedule_free_adamw, schedule_free_sgd
from tasks.training.wrappers import cautious_of, sam_of


def _sgd(xp, w, g, slots, lr, t, p):
    return w - g * lr, slots


def sgd(*, learning_rate: Positive = 0.01) -> Optimizer:
    """Stochastic gradient descent: `w -= lr * g` (Robbins & Monro 1951)."""
    return Optimizer(_sgd, no_slots, {}, learning_rate, "SGD")


def _momentum(xp, w, g, slots, lr, t, p):
    (m,) = slots
    m = m * p["momentum"] - g * lr
    return w + m, (m,)


def momentum(*, learning_rate: Positive = 0.01, momentum: Fraction = 0.9) -> Optimizer:
    """Heavy ball (Polyak 1964): `m = momentum * m - lr * g; w += m`."""
    inputs = {"momentum": rounded(momentum)}
    return Optimizer(_momentum, one_slot, inputs, learning_rate, "SGD", {"momentum": momentum})


def _nesterov(xp, w, g, slots, lr, t, p):
    (m,) = slots
    m = m * p["momentum"] - g * lr
    return w + (m * p["momentum"] - g * lr), (m,)


def nesterov(*, learning_rate: Positive = 0.01, momentum: Fraction = 0.9) -> Optimizer:
    """Nesterov's accelerated gradient in the form of Sutskever et al. (2013):
    `m = momentum * m - lr * g; w += momentum * m - lr * g`."""
    inputs = {"momentum": rounded(momentum)}
    arguments = {"momentum": momentum, "nesterov": True}
    return Optimizer(_nesterov, one_slot, inputs, learning_rate, "SGD", arguments)


def _adagrad(xp, w, g, slots, lr, t, p):
    (accumulator,) = slots
    accumulator = accumulator + xp.square(g)
    return w - (lr * g) / xp.sqrt(accumulator + p["epsilon"]), (accumulator,)


def _adagrad_slots(xp, w, p):
    return (xp.zeros_like(w) + p["initial_accumulator_value"],)


def adagrad(
    *, learning_rate: Positive = 0.001, initial_accumulator_value: NonNegative = 0.1, epsilon: Positive = 1e-7
) -> Optimizer:
    """Adagrad (Duchi et al. 2011): `a += g^2; w -= lr * g / sqrt(a + epsilon)`."""
    inputs = {"initial_accumulator_value": rounded(initial_accumulator_value), "epsilon": epsilon}
    arguments = {"initial_accumulator_value": initial_accumulator_value, "epsilon": epsilon}
    return Optimizer(_adagrad, _adagrad_slots, inputs, learning_rate, "Adagrad", arguments)


def _adadelta(xp, w, g, slots, lr, t, p):
    squares, deltas = slots
    squares = p["rho"] * squares + p["one_minus_rho"] * xp.square(g)
    delta = -(xp.sqrt(deltas + p["epsilon"]) * g / xp.sqrt(squares + p["epsilon"]))
    deltas = p["rho"] * deltas + p["one_minus_rho"] * xp.square(delta)
    return w + lr * delta, (squares, deltas)


def adadelta(*, learning_rate: Positive = 0.001, rho: Fraction = 0.95, epsilon: Positive = 1e-7) -> Optimizer:
    """Adadelta (Zeiler 2012). The paper has no learning rate (it is 1); Keras's default is 0.001, and so is ours."""
    inputs = {"rho": rho, "one_minus_rho": 1 - rho, "epsilon": epsilon}
    return Optimizer(_adadelta, two_slots, inputs, learning_rate, "Adadelta", {"rho": rho, "epsilon": epsilon})


def _rmsprop(xp, w, g, slots, lr, t, p):
    (velocity,) = slots
    velocity = p["rho"] * velocity + p["one_minus_rho"] * xp.square(g)
    return w - lr * g / xp.sqrt(velocity + p["epsilon"]), (velocity,)


def _rmsprop_momentum(xp, w, g, slots, lr, t, p):
    velocity, m = slots
    velocity = p["rho"] * velocity + p["one_minus_rho"] * xp.square(g)
    m = p["momentum"] * m + lr * g / xp.sqrt(velocity + p["epsilon"])
    return w - m, (velocity, m)


def _rmsprop_centered(xp, w, g, slots, lr, t, p):
    velocity, m, average = slots
    velocity = p["rho"] * velocity + p["one_minus_rho"] * xp.square(g)
    average = p["rho"] * average + p["one_minus_rho"] * g
    m = p["momentum"] * m + lr * g / xp.sqrt(velocity - xp.square(average) + p["epsilon"])
    return w - m, (velocity, m, average)


def rmsprop(
    *,
    learning_rate: Positive = 0.001,
    rho: Fraction = 0.9,
    momentum: Fraction = 0.0,
    epsilon: Positive = 1e-7,
    centered: bool = False,
) -> Optimizer:
    """RMSprop (Tieleman & Hinton 2012): `v = rho * v + (1 - rho) * g^2; w -= lr * g / sqrt(v + epsilon)`, with momentum
    on the step, and v centered by the mean gradient (Graves 2013) where asked."""
    inputs = {"rho": rho, "one_minus_rho": 1 - rho, "epsilon": epsilon}
    if centered:
        update, slots = _rmsprop_centered, three_slots
    elif momentum:
        update, slots = _rmsprop_momentum, two_slots
    else:
        update, slots = _rmsprop, one_slot
    if centered or momentum:
        inputs["momentum"] = momentum
    arguments = {"rho": rho, "momentum": momentum, "epsilon": epsilon, "centered": centered}
    return Optimizer(update, slots, inputs, learning_rate, "RMSprop", arguments)


def _adam(xp, w, g, slots, lr, t, p):
    m, v = slots
    m, v, alpha = _adam_moments(xp, g, m, v, lr, t, p)
    return w - m * alpha / (xp.sqrt(v) + p["epsilon"]), (m, v)


def _amsgrad(xp, w, g, slots, lr, t, p):
    m, v, highest = slots
    m, v, alpha = _adam_moments(xp, g, m, v, lr, t, p)
    highest = xp.maximum(highest, v)
    return w - m * alpha / (xp.sqrt(highest) + p["epsilon"]), (m, v, highest)


def _adam_moments(xp, g, m, v, lr, t, p):
    alpha = lr * xp.sqrt(1 - xp.pow(p["beta_2"], t)) / (1 - xp.pow(p["beta_1"], t))
    m = m + (g - m) * p["one_minus_beta_1"]
    v = v + (xp.square(g) - v) * p["one_minus_beta_2"]
    return m, v, alpha


def _adam_inputs(beta_1: float, beta_2: float, epsilon: float) -> dict[str, float]:
    return {
        "beta_1": rounded(beta_1),
        "beta_2": rounded(beta_2),
        "one_minus_beta_1": 1 - beta_1,
        "one_minus_beta_2": 1 - beta_2,
        "epsilon": epsilon,
    }


def adam(
    *,
    learning_rate: Positive = 0.001,
    beta_1: Fraction = 0.9,
    beta_2: Fraction = 0.999,
    epsilon: Positive = 1e-7,
    amsgrad: bool = False,
) -> Optimizer:
    """Adam (Kingma & Ba 2015, with the efficient order of section 2); AMSGrad (Reddi et al. 2018) where asked."""
    update, slots = (_amsgrad, three_slots) if amsgrad else (_adam, two_slots)
    arguments = {"beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon, "amsgrad": amsgrad}
    return Optimizer(update, slots, _adam_inputs(beta_1, beta_2, epsilon), learning_rate, "Adam", arguments)


def adamw(
    *,
    learning_rate: Positive = 0.001,
    weight_decay: NonNegative = 0.004,
    beta_1: Fraction = 0.9,
    beta_2: Fraction = 0.999,
    epsilon: Positive = 1e-7,
) -> Optimizer:
    """AdamW (Loshchilov & Hutter 2019): decoupled weight decay before Adam's step, `w -= lr * weight_decay * w`."""
    arguments = {"beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}
    inputs = _adam_inputs(beta_1, beta_2, epsilon)
    return Optimizer(_adam, two_slots, inputs, learning_rate, "AdamW", arguments, weight_decay)


def _adamax(xp, w, g, slots, lr, t, p):
    m, u = slots
    m = m + (g - m) * p["one_minus_beta_1"]
    u = xp.maximum(p["beta_2"] * u, xp.abs(g))
    return w - lr * m / ((1 - xp.pow(p["beta_1"], t)) * (u + p["epsilon"])), (m, u)


def adamax(
    *,
    learning_rate: Positive = 0.001,
    beta_1: Fraction = 0.9,
    beta_2: Fraction = 0.999,
    epsilon: Positive = 1e-7,
) -> Optimizer:
    """Adamax (Kingma & Ba 2015, section 7): Adam with the infinity norm."""
    inputs = {"beta_1": rounded(beta_1), "one_minus_beta_1": 1 - beta_1, "beta_2": beta_2, "epsilon": epsilon}
    arguments = {"beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}
    return Optimizer(_adamax, two_slots, inputs, learning_rate, "Adamax", arguments)


def _nadam(xp, w, g, slots, lr, t, p):
    m, v, product = slots
    now = p["beta_1"] * (1.0 - 0.5 * xp.pow(p["decay"], t))
    after = p["beta_1"] * (1.0 - 0.5 * xp.pow(p["decay"], t + 1))
    product = product * p["exact_beta_1"] * (1.0 - 0.5 * xp.pow(p["exact_decay"], t))
    m = m + (g - m) * (1 - p["beta_1"])
    v = v + (xp.square(g) - v) * (1 - p["beta_2"])
    m_hat = after * m / (1 - product * after) + (1 - now) * g / (1 - product)
    v_hat = v / (1 - xp.pow(p["beta_2"], t))
    return w - m_hat * lr / (xp.sqrt(v_hat) + p["epsilon"]), (m, v, product)


def _nadam_slots(xp, w, p):
    return (xp.zeros_like(w), xp.zeros_like(w), xp.ones_like(p["beta_1"]))


def nadam(
    *,
    learning_rate: Positive = 0.001,
    beta_1: Fraction = 0.9,
    beta_2: Fraction = 0.999,
    epsilon: Positive = 1e-7,
) -> Optimizer:
    """Nadam (Dozat 2016): Adam with Nesterov momentum and Keras's momentum schedule, `beta_1 * (1 - 0.5 * 0.96^t)`."""
    inputs = {
        "beta_1": rounded(beta_1),
        "beta_2": rounded(beta_2),
        "decay": rounded(0.96),
        "exact_beta_1": beta_1,
        "exact_decay": 0.96,
        "epsilon": epsilon,
    }
    arguments = {"beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}
    return Optimizer(_nadam, _nadam_slots, inputs, learning_rate, "Nadam", arguments)


def _lion(xp, w, g, slots, lr, t, p):
    (m,) = slots
    w = w - lr * xp.sign(m * p["beta_1"] + g * (1.0 - p["beta_1"]))
    return w, (m * p["beta_2"] + g * (1.0 - p["beta_2"]),)


def lion(*, learning_rate: Positive = 0.001, beta_1: Fraction = 0.9, beta_2: Fraction = 0.99) -> Optimizer:
    """Lion (Chen et al. 2023): `w -= lr * sign(beta_1 * m + (1 - beta_1) * g)`."""
    inputs = {"beta_1": rounded(beta_1), "beta_2": rounded(beta_2)}
    return Optimizer(_lion, one_slot, inputs, learning_rate, "Lion", {"beta_1": beta_1, "beta_2": beta_2})


def _ftrl(xp, w, g, slots, lr, t, p):
    accumulator, linear = slots
    held = lr <= 0  # such as a warm-up's first learning rate: the rule divides by it
    rate = xp.where(held, xp.ones_like(lr), lr)
    root, after = xp.sqrt(accumulator), xp.sqrt(accumulator + xp.square(g))
    new_linear = linear + (g - (after - root) / rate * w)
    quadratic = after / rate + 2 * (p["l2_regularization_strength"] + p["beta"] / (2.0 * rate))
    limit = p["l1_regularization_strength"]
    clipped = xp.maximum(xp.minimum(new_linear, limit), -limit)
    new = (clipped - new_linear) / quadratic
    return xp.where(held, w, new), (
        xp.where(held, accumulator, accumulator + xp.square(g)),
        xp.where(held, linear, new_linear),
    )


def _ftrl_slots(xp, w, p):
    return (xp.zeros_like(w) + p["initial_accumulator_value"], xp.zeros_like(w))


def ftrl(
    *,
    learning_rate: Positive = 0.001,
    initial_accumulator_value: NonNegative = 0.1,
    l1_regularization_strength: NonNegative = 0.0,
    l2_regularization_strength: NonNegative = 0.0,
    beta: NonNegative = 0.0,
) -> Optimizer:
    """FTRL-Proximal (McMahan et al. 2013, algorithm 1), which sets weights that l1 outweighs to exactly 0.

    Its state starts as if all weights were 0: the initial weights are forgotten within the first steps, in Keras as
    well. So use it for linear models; the hidden units of a network stay alike. Keras's l2 counts twice the paper's.
    """
    strengths = {
        "initial_accumulator_value": initial_accumulator_value,
        "l1_regularization_strength": l1_regularization_strength,
        "l2_regularization_strength": l2_regularization_strength,
        "beta": beta,
    }
    inputs = {**strengths, "initial_accumulator_value": rounded(initial_accumulator_value)}
    return Optimizer(_ftrl, _ftrl_slots, inputs, learning_rate, "Ftrl", strengths)


def _random_search(xp, w, g, slots, lr, t, p):
    return w - g * lr, slots


def random_search(*, learning_rate: Positive = 0.01) -> Optimizer:
    """Local random search (Matyas 1965): each step draws a normal direction for all weights and goes `learning_rate`
    along it if that lowers the batch's loss, else stays. The baseline that gradients must beat; no Keras twin."""
    return Optimizer(_random_search, no_slots, {}, learning_rate, None, searches=True)


def _along_last_step(w, g, slots):
    return (g * slots[0],)


def _learned_slots(xp, w, p):
    return (xp.zeros_like(w), xp.zeros_like(p["hyper_rate"]))


def _sgd_hd(xp, w, g, slots, lr, t, p):
    _, learned = slots
    learned = learned + p["hyper_rate"] * p["totals"][0]
    direction = g * (lr / p["learning_rate"])
    return w - direction * (p["learning_rate"] + learned), (direction, learned)


def sgd_hd(*, learning_rate: Positive = 0.01, hyper_rate: NonNegative = 0.001) -> Optimizer:
    """SGD whose learning rate descends its own hypergradient (Baydin et al. 2018, algorithm 4):
    `lr += hyper_rate * g . g_before; w -= lr * g`. One learning rate for all weights; `learning_rate` is its start.

    The paper's hyper_rate for its two MNIST models is 0.001; 0 is plain SGD. A schedule's factor multiplies the learned
    rate, so it is part of the step that the hypergradient is taken of; decoupled weight decay follows the schedule
    alone. `learning_rate` in the curves is the schedule's, not the learned one. No Keras twin.
    """
    return Optimizer(_sgd_hd, _learned_slots, {"hyper_rate": hyper_rate}, learning_rate, None, summed=_along_last_step)


def _adam_hd(xp, w, g, slots, lr, t, p):
    _, learned, m, v = slots
    learned = learned + p["hyper_rate"] * p["totals"][0]
    m, v, alpha = _adam_moments(xp, g, m, v, lr / p["learning_rate"], t, p)
    direction = m * alpha / (xp.sqrt(v) + p["epsilon"])
    return w - direction * (p["learning_rate"] + learned), (direction, learned, m, v)


def _adam_hd_slots(xp, w, p):
    return (*_learned_slots(xp, w, p), *two_slots(xp, w, p))


def adam_hd(
    *,
    learning_rate: Positive = 0.001,
    hyper_rate: NonNegative = 1e-7,
    beta_1: Fraction = 0.9,
    beta_2: Fraction = 0.999,
    epsilon: Positive = 1e-7,
) -> Optimizer:
    """Adam whose learning rate descends its own hypergradient (Baydin et al. 2018, algorithm 5):
    `lr += hyper_rate * g . s_before; w -= lr * s` with Adam's step `s`. `learning_rate` is its start.

    The paper's hyper_rate for its two MNIST models is 1e-7; 0 is Adam. Schedules as in `sgd_hd`. No Keras twin.
    """
    inputs = {"hyper_rate": hyper_rate, **_adam_inputs(beta_1, beta_2, epsilon)}
    return Optimizer(_adam_hd, _adam_hd_slots, inputs, learning_rate, None, summed=_along_last_step)


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "adagrad": adagrad,
    "adadelta": adadelta,
    "rmsprop": rmsprop,
    "adam": adam,
    "adamw": adamw,
    "adamax": adamax,
    "nadam": nadam,
    "lion": lion,
    "ftrl": ftrl,
    "nadamw": nadamw,
    "ademamix": ademamix,
    "adan": adan,
    "adopt": adopt,
    "adabelief": adabelief,
    "radam": radam,
    "signum": signum,
    "schedule_free_sgd": schedule_free_sgd,
    "schedule_free_adamw": schedule_free_adamw,
    "muon": muon,
    "lamb": lamb,
    "adafactor": adafactor,
    "prodigy": prodigy,
    "random_search": random_search,
    "sgd_hd": sgd_hd,
    "adam_hd": adam_hd,
}

OPTIMIZERS |= {"cautious": cautious_of(OPTIMIZERS), "sam": sam_of(OPTIMIZERS)}

MISSING: dict[str, str] = {
    "shampoo": "needs roots of a matrix for each weight and trial (Gupta et al. 2018); an update is elementwise",
    "soap": "needs eigenvectors of a matrix for each weight and trial (Vyas et al. 2024); an update is elementwise",
}
"""Optimizers that are asked for and can't be stacked, with the reason."""

LEARNING_RATES: dict[str, tuple[float, float]] = {
    "sgd": (1e-4, 1.0),
    "momentum": (1e-4, 1.0),
    "nesterov": (1e-4, 1.0),
    "adagrad": (1e-4, 1.0),
    "adadelta": (1e-4, 10.0),
    "rmsprop": (1e-5, 0.1),
    "adam": (1e-5, 0.1),
    "adamw": (1e-5, 0.1),
    "adamax": (1e-5, 0.1),
    "nadam": (1e-5, 0.1),
    "lion": (1e-6, 0.01),
    "ftrl": (1e-4, 1.0),
    "nadamw": (1e-5, 0.1),
    "ademamix": (1e-5, 0.1),
    "adan": (1e-5, 0.1),
    "adopt": (1e-5, 0.1),
    "adabelief": (1e-5, 0.1),
    "radam": (1e-5, 0.1),
    "signum": (1e-6, 0.01),
    "schedule_free_sgd": (1e-3, 10.0),
    "schedule_free_adamw": (1e-5, 0.1),
    "muon": (1e-5, 0.1),
    "lamb": (1e-5, 0.1),
    "adafactor": (1e-4, 1.0),
    "prodigy": (0.1, 10.0),
    "random_search": (1e-4, 1.0),
    "sgd_hd": (1e-4, 1.0),
    "adam_hd": (1e-5, 0.1),
    "cautious": (1e-5, 0.1),
    "sam": (1e-5, 0.1),
}
"""Where a search looks for an optimizer's learning rate, on a logarithmic scale, unless the spec says.

Four decades, as in Schmidt et al. (2021, "Descending through a Crowded Valley"), who draw it from 1e-4 to 1. That range
is kept where a step is proportional to the gradient. Where each weight's step is about the learning rate itself (Adam
and its relatives), a rate of 1 is far too large for weights of about 0.1: the range is one decade lower. Lion's step is
the learning rate exactly, and its authors advise 3 to 10 times less than for AdamW (Chen et al. 2023): another decade
lower, as for Signum, whose step is a sign too. FTRL's step is Adagrad's. Adadelta's rate is 1 in its paper, so its
range goes past 1. So does that of Schedule-Free SGD, whose paper takes 10 to 50 times SGD's rate. Adafactor's rate is a
share of the weights, 0.01 at most in its paper. Prodigy's multiplies the step size that it finds itself: one decade up
and down. Every default lies within its range.
"""
