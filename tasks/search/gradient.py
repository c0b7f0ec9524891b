"""Descending hypergradients: which setting to try after those of which the validation loss's derivatives are known.

The rule is Rprop (Riedmiller & Braun 1993) on scales on which hyperparameters act evenly. It goes by the signs of the
derivatives alone: how large they are says little, since they grow without bound where training is chaotic (Metz et al.
2021, "Gradients are Not All You Need"), and a search has a handful of steps, too few to learn their scale.

A hyperparameter moves on a logarithmic scale: a learning rate is better or worse by a factor. Momentum and the decay
rates move on that of `1 - value`: `1 / (1 - momentum)` multiplies the learning rate and is the number of steps that are
remembered, so both move alike. Unlike the logit, this scale reaches 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FACTOR = 3.0
"""What a step changes a hyperparameter by at first and at most (of momentum, what is left of it to 1)."""

SHRINK, GROW = 0.5, 1.2
"""Of a hyperparameter's step, on its scale, where its derivative changed its sign, and where it did not; Rprop's."""

RETREAT = 10.0
"""What the learning rate is divided by where nothing has been trained without divergence yet."""

LEARNING_RATE = "learning_rate"
DECAY_RATES = frozenset({"momentum", "beta_1", "beta_2", "rho"})

Bounds = Mapping[str, tuple[float, float]]
"""Name to the range that a hyperparameter stays in, both ends included: above 0, or of `DECAY_RATES` in `[0, 1)`."""


@dataclass(frozen=True)
class Tried:
    """A setting that was trained.

    Args:
        values: By name.
        gradients: Derivatives of the validation loss by the values; one that is not finite, or none at all, where it
            diverged.
    """

    values: Mapping[str, float]
    gradients: Mapping[str, float]

    def trained(self, names: Bounds) -> bool:
        return all(math.isfinite(self.gradients.get(name, math.nan)) for name in names)


def next_setting(history: Sequence[Tried], bounds: Bounds) -> dict[str, float]:
    """The setting to try after `history`, which begins at one starting point; no chance is in it.

    Each hyperparameter goes against the sign of its derivative, by a factor of 3 at first; the step is halved where the
    sign has changed since the last setting that trained, and grows by a fifth, to a factor of 3 at most, where not.

    After a divergence the way there is halved, again and again while it diverges, with a learning rate below that of
    the setting that trained if the way did not raise it; steps are halved too. Where nothing has trained yet, the
    learning rate falls to a tenth, or, where it is not searched, all go halfway to the lower end.

    Args:
        history: In the order in which they were tried; at least one.
        bounds: Of what is searched. Settings stay within.
    """
    last = history[-1]
    good = [tried for tried in history if tried.trained(bounds)]
    if last.trained(bounds):
        steps = _steps(history, bounds)
        moves = {name: -math.copysign(steps[name], last.gradients[name]) for name in bounds if last.gradients[name]}
        # `gradients` are by the value; both scales rise with it, so the sign is the scale's as well
        return _moved(last.values, moves, bounds)
    if good:
        return _halfway(good[-1].values, last.values, bounds)
    if LEARNING_RATE in bounds:
        return _moved(last.values, {LEARNING_RATE: -math.log(RETREAT)}, bounds)
    return _halfway({name: low for name, (low, _) in bounds.items()}, last.values, bounds)


def _steps(history: Sequence[Tried], bounds: Bounds) -> dict[str, float]:
    """The size of each hyperparameter's next step on its scale."""
    most = math.log(FACTOR)
    steps = dict.fromkeys(bounds, most)
    before: Mapping[str, float] = {}
    for tried in history:
        if not tried.trained(bounds):
            steps = {name: SHRINK * step for name, step in steps.items()}
            continue
        for name in bounds:
            agreement = tried.gradients[name] * math.copysign(1.0, before[name]) if before else 0.0
            if agreement < 0:
                steps[name] *= SHRINK
            elif agreement > 0:
                steps[name] = min(GROW * steps[name], most)
        before = tried.gradients
    return steps


def _halfway(good: Mapping[str, float], diverged: Mapping[str, float], bounds: Bounds) -> dict[str, float]:
    """Between a setting and one that diverged; where that did not raise the learning rate, below the former's."""
    moves = {name: 0.5 * (_place(name, diverged[name]) - _place(name, good[name])) for name in bounds}
    if moves.get(LEARNING_RATE, 1.0) <= 0:
        moves[LEARNING_RATE] -= math.log(FACTOR)
    return _moved(good, moves, bounds)


def _moved(values: Mapping[str, float], moves: Mapping[str, float], bounds: Bounds) -> dict[str, float]:
    """A setting moved on its scales, within bounds."""
    there = {name: _value(name, _place(name, values[name]) + moves.get(name, 0.0)) for name in bounds}
    return {name: min(max(there[name], low), high) for name, (low, high) in bounds.items()}


def _place(name: str, value: float) -> float:
    """Where a value is on its scale, which rises with it."""
    return -math.log1p(-value) if name in DECAY_RATES else math.log(value)


def _value(name: str, place: float) -> float:
    return -math.expm1(-place) if name in DECAY_RATES else math.exp(place)
