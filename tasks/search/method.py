"""What a search method is: it suggests settings in batches and observes how the earlier ones did."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tasks.search.space import Setting, Space


@dataclass(frozen=True)
class Observation:
    """One tried setting.

    Args:
        score: Greater is better; None: it diverged.
        loss: Loss of the validation rows, where `gradients` are known; None: it diverged, or they are not known.
        gradients: Derivatives of that loss, by the name of the hyperparameter.
    """

    setting: Setting
    score: float | None
    loss: float | None = None
    gradients: Mapping[str, float] = field(default_factory=dict)


Training = Literal["whole", "rungs", "gradients"]
"""How a method's trials are trained: to their end; paused at rungs, where the worse ones stop; or to their end together
with the derivatives of the validation loss by what is searched."""


@dataclass(frozen=True)
class Method:
    """A search method. Its functions are pure: the same arguments give the same result in every process.

    Args:
        title: Its name in the report.
        summary: One line, for `bakeoff list searchers`.
        batches: `(space, trials)` to the number of settings in each batch. Their sum is `trials`, or less where the
            space has fewer settings.
        suggest: `(space, observations, count, trials, seed)` to the next `count` settings. `observations` is
            everything tried so far, in the order in which it was suggested.
        adapts: Whether scores decide what is tried, or what is trained to its end. The settings of a search that does
            not adapt may be put in any order.
        listed: Whether each dimension must be a list of values.
        training: How its trials are trained.
    """

    title: str
    summary: str
    batches: Callable[[Space, int], list[int]]
    suggest: Callable[[Space, Sequence[Observation], int, int, int], list[Setting]]
    adapts: bool = False
    listed: bool = False
    training: Training = "whole"


def even_batches(trials: int, largest: int) -> list[int]:
    """The fewest batches that hold `trials` settings, with at most `largest` in each; sizes differ by one at most.

    >>> even_batches(20, 8)
    [7, 7, 6]
    """
    number = -(-trials // largest)
    return [trials // number + (place < trials % number) for place in range(number)]
