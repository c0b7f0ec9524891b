"""Learning-rate schedules: pure functions from step to a factor of the learning rate, tabulated before training.

A stack takes its learning rates as an array, one a step and trial, so every schedule shares one compiled program. Only
`plateau` depends on what training finds; it acts after evaluations through a further factor.

To add one: write a keyword-only factory that returns a `Schedule` and put it in `SCHEDULES`. `warmup` must be among its
parameters; the contract tests do the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tasks.ranges import Count, Fraction, Growth, NonNegative, Positive, Share, Whole

Factor = Callable[[np.ndarray, int, int], np.ndarray]
"""`(step float64 [n] from 0, steps in all, steps an epoch) -> factor float64 [n]`."""


@dataclass(frozen=True)
class Plateau:
    """As keras.callbacks.ReduceLROnPlateau on the validation loss; `patience` and `cooldown` count evaluations, and
    `min_factor` is min_lr over the learning rate."""

    factor: float
    patience: int
    min_delta: float
    cooldown: int
    min_factor: float


@dataclass(frozen=True)
class Schedule:
    """A learning rate over the course of training.

    Args:
        factor: The factor of the learning rate after the warm-up; it counts steps from the warm-up's end.
        warmup: Share of all steps, in `[0, 1)`, over which the learning rate rises linearly from 0.
        plateau: How the learning rate answers a validation loss that no longer falls, or None.
    """

    factor: Factor
    warmup: float = 0.0
    plateau: Plateau | None = None

    def learning_rates(self, learning_rate: float, steps: int, steps_per_epoch: int) -> np.ndarray:
        """The learning rate of every step, float64 `[steps]`, before any plateau."""
        step = np.arange(steps, dtype=np.float64)
        warm = round(self.warmup * steps)
        after = self.factor(np.maximum(step - warm, 0.0), max(steps - warm, 1), steps_per_epoch)
        rise = step / max(warm, 1)
        return learning_rate * np.where(step < warm, rise, after)


def constant(*, warmup: Fraction = 0.0) -> Schedule:
    """The learning rate stays as it is."""
    return Schedule(lambda step, steps, epoch: np.ones_like(step), warmup)


def time_based(*, decay_rate: Positive = 0.1, decay_steps: Count | None = None, warmup: Fraction = 0.0) -> Schedule:
    """`1 / (1 + decay_rate * step / decay_steps)`, as keras InverseTimeDecay. decay_steps None: one epoch."""
    return Schedule(lambda step, steps, epoch: 1 / (1 + decay_rate * step / (decay_steps or epoch)), warmup)


def step(*, decay_rate: Share = 0.5, decay_steps: Count | None = None, warmup: Fraction = 0.0) -> Schedule:
    """`decay_rate ^ floor(step / decay_steps)`, as keras ExponentialDecay with staircase. decay_steps None: a third of
    the run. Keras 3.15.1, compiled, drops one step late; here each drop comes at its step."""
    return Schedule(
        lambda step, steps, epoch: decay_rate ** np.floor(step / (decay_steps or max(steps // 3, 1))), warmup
    )


def exponential(*, decay_rate: Share = 0.9, decay_steps: Count | None = None, warmup: Fraction = 0.0) -> Schedule:
    """`decay_rate ^ (step / decay_steps)`, as keras ExponentialDecay. decay_steps None: one epoch."""
    return Schedule(lambda step, steps, epoch: decay_rate ** (step / (decay_steps or epoch)), warmup)


def polynomial(
    *, power: Positive = 1.0, alpha: Fraction = 0.0, decay_steps: Count | None = None, warmup: Fraction = 0.0
) -> Schedule:
    """Falls to `alpha` of the learning rate: `(1 - alpha) * (1 - step / decay_steps)^power + alpha`, as keras
    PolynomialDecay. decay_steps None: the whole run."""

    def factor(step: np.ndarray, steps: int, epoch: int) -> np.ndarray:
        progress = np.minimum(step / (decay_steps or steps), 1.0)
        return (1 - alpha) * (1 - progress) ** power + alpha

    return Schedule(factor, warmup)


def cosine(*, alpha: Fraction = 0.0, decay_steps: Count | None = None, warmup: Fraction = 0.0) -> Schedule:
    """Falls to `alpha` of the learning rate along half a cosine (Loshchilov & Hutter 2017, eq. 5), as keras
    CosineDecay. decay_steps None: the whole run."""

    def factor(step: np.ndarray, steps: int, epoch: int) -> np.ndarray:
        progress = np.minimum(step / (decay_steps or steps), 1.0)
        return (1 - alpha) * 0.5 * (1 + np.cos(np.pi * progress)) + alpha

    return Schedule(factor, warmup)


def cosine_restarts(
    *,
    first_decay_steps: Count | None = None,
    t_mul: Growth = 2.0,
    m_mul: Share = 1.0,
    alpha: Fraction = 0.0,
    warmup: Fraction = 0.0,
) -> Schedule:
    """Cosine with warm restarts (SGDR, Loshchilov & Hutter 2017), as keras CosineDecayRestarts: each period is `t_mul`
    times as long as the last and starts `m_mul` times as high. first_decay_steps None: a seventh of the run (so that
    three periods fill it at t_mul = 2)."""

    def factor(step: np.ndarray, steps: int, epoch: int) -> np.ndarray:
        completed = step / (first_decay_steps or max(steps // 7, 1))
        if t_mul == 1.0:
            period = np.floor(completed)
            progress = completed - period
        else:
            period = np.floor(np.log(1 - completed * (1 - t_mul)) / np.log(t_mul))
            progress = (completed - (1 - t_mul**period) / (1 - t_mul)) / t_mul**period
        return (1 - alpha) * 0.5 * m_mul**period * (1 + np.cos(np.pi * progress)) + alpha

    return Schedule(factor, warmup)


def one_cycle(*, peak: Share = 0.3, start: Share = 0.04, end: Fraction = 0.0001, warmup: Fraction = 0.0) -> Schedule:
    """One-cycle (Smith & Topin 2018) with cosine arms: from `start` of the learning rate up to all of it at share
    `peak` of the run, then down to `end` of it. The recipe's learning rate is the highest one."""

    def arm(low: float, high: float, progress: np.ndarray) -> np.ndarray:
        return high + (low - high) * 0.5 * (1 + np.cos(np.pi * progress))

    def factor(step: np.ndarray, steps: int, epoch: int) -> np.ndarray:
        top = peak * steps
        up = arm(start, 1.0, np.minimum(step / top, 1.0))
        down = arm(1.0, end, np.clip((step - top) / max(steps - top, 1.0), 0.0, 1.0))
        return np.where(step < top, up, down)

    return Schedule(factor, warmup)


def plateau(
    *,
    factor: Fraction = 0.1,
    patience: Count = 10,
    min_delta: NonNegative = 0.0001,
    cooldown: Whole = 0,
    min_factor: Fraction = 0.0,
    warmup: Fraction = 0.0,
) -> Schedule:
    """Multiplies the learning rate by `factor` when the validation loss has not fallen by `min_delta` for `patience`
    evaluations, as keras.callbacks.ReduceLROnPlateau."""
    rule = Plateau(factor, patience, min_delta, cooldown, min_factor)
    return Schedule(lambda step, steps, epoch: np.ones_like(step), warmup, rule)


def linear_to_zero(*, warmup: Fraction = 0.0) -> Schedule:
    """Falls in a straight line to 0 at the end of the run, after the warm-up: the schedule that Defazio et al. (2023,
    "Optimal Linear Decay Learning Rate Schedules and Further Refinements") derive and recommend."""
    return Schedule(lambda step, steps, epoch: 1 - step / steps, warmup)


def rex(*, warmup: Fraction = 0.0) -> Schedule:
    """REX (Chen et al. 2022, "REX: Revisiting Budgeted Training with an Improved Schedule"): `(1 - t) / (1 - t / 2)`
    at share t of the run, which stays high for longer than a straight line and reaches 0 like it."""
    return Schedule(lambda step, steps, epoch: (1 - step / steps) / (1 - step / (2 * steps)), warmup)


def wsd(*, cooldown: Fraction = 0.2, shape: Literal["linear", "1-sqrt"] = "linear", warmup: Fraction = 0.0) -> Schedule:
    """Warm-up, stable, decay (Hu et al. 2024, "MiniCPM"): the learning rate stays as it is and falls to 0 over the last
    share `cooldown` of the steps after the warm-up, with t from 0 to 1 as `1 - t` or `1 - sqrt(t)` (Hägele et al.
    2024, "Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations"). Without a warm-up, runs of
    different budgets are the same until the shortest one's cooldown: where budgets are compared, these steps are taken
    once."""

    def factor(step: np.ndarray, steps: int, epoch: int) -> np.ndarray:
        start = (1 - cooldown) * steps
        progress = np.clip((step - start) / max(steps - start, 1.0), 0.0, 1.0)
        return 1 - (progress if shape == "linear" else np.sqrt(progress))

    return Schedule(factor, warmup)


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": constant,
    "time_based": time_based,
    "step": step,
    "exponential": exponential,
    "polynomial": polynomial,
    "cosine": cosine,
    "cosine_restarts": cosine_restarts,
    "one_cycle": one_cycle,
    "plateau": plateau,
    "linear_to_zero": linear_to_zero,
    "rex": rex,
    "wsd": wsd,
}
