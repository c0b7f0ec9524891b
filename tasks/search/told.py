"""What a search method is: it asks for settings in batches and is told how they did."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tasks.search.space import Setting, Space


@dataclass(frozen=True)
class Told:
    """One tried setting.

    Args:
        score: Greater is better; None: it diverged.
        loss: Of the validation rows, where `gradients` are known; None: it diverged, or they are not.
        gradients: Of that loss, by the name of what it was differentiated by.
    """

    setting: Setting
    score: float | None
    loss: float | None = None
    gradients: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Method:
    """A search method. Both functions are pure: the same arguments give the same result in every process.

    Args:
        summary: One line, for `bakeoff list searchers`.
        batches: `(space, trials)` to how many settings each batch asks for. Their sum is `trials`, or less where the
            space has fewer settings.
        ask: `(space, told, count, trials, seed)` to the next `count` settings, where `told` is everything tried so
            far in the order in which it was asked.
    """

    summary: str
    batches: Callable[[Space, int], list[int]]
    ask: Callable[[Space, Sequence[Told], int, int, int], list[Setting]]


def even_batches(trials: int, largest: int) -> list[int]:
    """As few batches as hold `trials` settings when none has more than `largest`; they differ by one at most."""
    number = -(-trials // largest)
    return [trials // number + (place < trials % number) for place in range(number)]
