"""Successive halving: many settings begin, the worse stop at rungs, the rest go on (Jamieson & Talwalkar 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.search import sequences
from tasks.search.method import Method, Observation
from tasks.search.points import possible
from tasks.search.space import Setting, Space

KEPT = 3
"""One of so many settings goes on at each rung (eta)."""
MOST_RUNGS = 4


@dataclass(frozen=True)
class Rung:
    """`settings` train until `epochs` epochs are done, counted from their beginning."""

    settings: int
    epochs: int


def rungs(trials: int, epochs: int) -> list[Rung]:
    """The rungs with the most settings that spend no more epochs than `trials` settings trained for `epochs` each.

    The last rung is the full training. Settings that go on do not begin again, so a rung costs only the epochs since
    the one before.

    >>> [(rung.settings, rung.epochs) for rung in rungs(27, 9)]
    [(107, 1), (35, 3), (11, 9)]
    """
    count = 1
    while count < MOST_RUNGS and KEPT**count <= epochs:
        count += 1
    ends = [-(-epochs // KEPT ** (count - 1 - index)) for index in range(count)]
    begun = trials
    while epochs_of(_rungs(begun + 1, ends)) <= trials * epochs:
        begun += 1
    return _rungs(begun, ends)


def _rungs(begun: int, ends: list[int]) -> list[Rung]:
    return [Rung(max(1, begun // KEPT**index), end) for index, end in enumerate(ends)]


def epochs_of(ladder: Sequence[Rung]) -> int:
    """The epochs that all rungs cost; each costs the epochs since the one before."""
    before = [0, *(rung.epochs for rung in ladder)]
    return sum(rung.settings * (rung.epochs - start) for rung, start in zip(ladder, before, strict=False))


def _all_at_once(space: Space, trials: int) -> list[int]:
    return [possible(space, trials)]


def suggest(space: Space, observations: Sequence[Observation], count: int, trials: int, seed: int) -> list[Setting]:
    """Random settings; what tells this method from `random` is how they are trained."""
    return sequences.RANDOM.suggest(space, observations, count, trials, seed)


SUCCESSIVE_HALVING = Method(
    "successive halving",
    "many random settings begin, the best third of them goes on at each rung",
    _all_at_once,
    suggest,
    adapts=True,
    training="rungs",
)
