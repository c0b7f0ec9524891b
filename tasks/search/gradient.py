"""Descends along hypergradients: finds the next setting from settings with known derivatives of the validation loss.

The rule is Rprop (Riedmiller & Braun 1993) with backtracking, on scales on which hyperparameters act evenly. It uses
only the signs of the derivatives. Their size says little, since they grow without bound where training is chaotic (Metz
et al. 2021, "Gradients are Not All You Need"), and a search has too few steps to learn their scale.

A hyperparameter moves on a logarithmic scale: a learning rate is better or worse by a factor. Momentum and the decay
rates move on the logarithmic scale of `1 - value`: `1 / (1 - momentum)` multiplies the learning rate and is the number
of steps that are remembered, so both move alike. Unlike the logit, this scale reaches 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FACTOR = 3.0
"""The factor by which a step changes a hyperparameter at first and at most (for momentum, by which it changes
`1 - momentum`)."""

SHRINK, GROW = 0.5, 1.2
"""Factors by which a hyperparameter's step, on its scale, gets shorter or longer: Rprop's values."""

RETREAT = 10.0
"""The learning rate is divided by this as long as every training so far has diverged."""

LEARNING_RATE = "learning_rate"
DECAY_RATES = frozenset({"momentum", "beta_1", "beta_2", "rho"})

Bounds = Mapping[str, tuple[float, float]]
"""Name to the range that a hyperparameter stays in, both ends included: above 0, or of `DECAY_RATES` in `[0, 1)`."""


@dataclass(frozen=True)
class Tried:
    """A setting that was trained.

    Args:
        values: By name.
        loss: Loss of the validation rows, without penalties: with them, less l2 would look better whatever it does to
            the predictions. Not finite where training diverged, or where the loss is so much worse than that of one
            answer for all rows that its derivatives mean nothing.
        gradients: Derivatives of that loss by the values.
    """

    values: Mapping[str, float]
    loss: float
    gradients: Mapping[str, float]


def next_setting(history: Sequence[Tried], bounds: Bounds) -> dict[str, float]:
    """Returns the setting to try after `history`, which begins at one starting point. The rule is deterministic.

    From the best setting so far, each hyperparameter goes against the sign of its derivative, by a factor of 3 at
    first. After a setting that was no better, it goes back to the best one. From there it goes half the way to that
    setting in those hyperparameters whose derivatives changed sign (in all of them, if none did, or after a
    divergence), and all the way in the others. A step that was halved stays halved. It grows by a fifth, to a factor of
    3 at most, whenever a better setting is found and the sign has not changed.

    A divergence also lowers the learning rate below the best setting's, unless the step from there had raised it. Where
    every training has diverged, the learning rate falls to a tenth; where it is not searched, all hyperparameters go
    halfway to their lower ends.

    Args:
        history: In the order in which they were tried; at least one.
        bounds: The bounds of the searched hyperparameters. Settings stay within them.
    """
    best: Tried | None = None
    steps = dict.fromkeys(bounds, math.log(FACTOR))
    ahead: dict[str, float] = {}
    for tried in history:
        trained = _trained(tried, bounds)
        if trained and (best is None or tried.loss < best.loss):
            if best is not None:
                steps = {
                    name: min(GROW * step, math.log(FACTOR)) if not _flipped(name, best, tried) else SHRINK * step
                    for name, step in steps.items()
                }
            best = tried
            ahead = {name: -math.copysign(steps[name], best.gradients[name]) for name in bounds if best.gradients[name]}
        elif best is not None:
            flipped = {name for name in bounds if trained and _flipped(name, best, tried)} or set(bounds)
            steps = {name: SHRINK * step if name in flipped else step for name, step in steps.items()}
            ahead = {name: SHRINK * move if name in flipped else move for name, move in ahead.items()}
            if not trained and LEARNING_RATE in bounds and ahead.get(LEARNING_RATE, 0.0) <= 0:
                ahead[LEARNING_RATE] = ahead.get(LEARNING_RATE, 0.0) - math.log(FACTOR)
    if best is not None:
        return _moved(best.values, ahead, bounds)
    last = history[-1].values
    if LEARNING_RATE in bounds:
        return _moved(last, {LEARNING_RATE: -math.log(RETREAT)}, bounds)
    return _moved(
        last, {name: (_place(name, bounds[name][0]) - _place(name, last[name])) / 2 for name in bounds}, bounds
    )


def _trained(tried: Tried, bounds: Bounds) -> bool:
    known = all(math.isfinite(tried.gradients.get(name, math.nan)) for name in bounds)
    return known and math.isfinite(tried.loss)


def _flipped(name: str, one: Tried, other: Tried) -> bool:
    return math.copysign(1.0, one.gradients[name]) * other.gradients[name] < 0


def _moved(values: Mapping[str, float], moves: Mapping[str, float], bounds: Bounds) -> dict[str, float]:
    """A setting moved on its scales, within bounds."""
    there = {name: _value(name, _place(name, values[name]) + moves.get(name, 0.0)) for name in bounds}
    return {name: min(max(there[name], low), high) for name, (low, high) in bounds.items()}


def _place(name: str, value: float) -> float:
    """Where a value is on its scale, which rises with it."""
    return -math.log1p(-value) if name in DECAY_RATES else math.log(value)


def _value(name: str, place: float) -> float:
    return -math.expm1(-place) if name in DECAY_RATES else math.exp(place)
