"""Gradient search: from a few starting points, along the derivatives of the validation loss (`gradient`)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tasks.search import gradient, sequences
from tasks.search.method import Method, Observation
from tasks.search.space import Range, Setting, Space

STEPS = 5
"""The fewest settings of one descent, where there are trials for more than one descent."""
STARTS = 8
"""The most descents side by side."""


def starts(trials: int) -> int:
    return max(1, min(STARTS, trials // STEPS))


def batches(space: Space, trials: int) -> list[int]:
    """A step of every descent is one batch."""
    side_by_side = starts(trials)
    full, rest = divmod(trials, side_by_side)
    return [side_by_side] * full + ([rest] if rest else [])


def suggest(space: Space, observations: Sequence[Observation], count: int, trials: int, seed: int) -> list[Setting]:
    """Quasi-random starting points, then each descent's next setting."""
    side_by_side = starts(trials)
    if not observations:
        return sequences.QUASI_RANDOM.suggest(space, observations, count, trials, seed)
    return [_next(space, observations[start::side_by_side]) for start in range(count)]


def _next(space: Space, observations: Sequence[Observation]) -> Setting:
    names = {_followed(dimension.name): dimension.name for dimension in space}
    bounds = {
        _followed(dimension.name): (dimension.over.low, dimension.over.high)
        for dimension in space
        if isinstance(dimension.over, Range)
    }
    history = [
        gradient.Tried(
            {_followed(name): value for name, value in each.setting.items()},
            math.inf if each.loss is None else each.loss,
            each.gradients,
        )
        for each in observations
    ]
    return {names[name]: value for name, value in gradient.next_setting(history, bounds).items()}


def _followed(name: str) -> str:
    """The trainer's name of a dimension: `adam.beta_1` is `beta_1`."""
    return name.rpartition(".")[2]


GRADIENT = Method(
    "hypergradients",
    "descents along hypergradients, from quasi-random starting points",
    batches,
    suggest,
    adapts=True,
    training="gradients",
)
