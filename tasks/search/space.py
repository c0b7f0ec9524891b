"""What is searched: dimensions with ranges or choices, some of them only where others have certain values.

A *setting* is one point: a value for each dimension that is active in it. A space keeps parents before those that
depend on them, so a setting can be drawn in order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

Setting = dict[str, Any]
"""Name to value, plain JSON, for each dimension that is active."""


@dataclass(frozen=True)
class Steps(Sequence[float]):
    """Numbers from `low` on in equal steps, as a list has them, but never written out: there may be many millions.
    They are whole where `low` and `step` are; else three steps of 0.1 give 0.3, not 0.30000000000000004.

    >>> list(Steps(0.1, 0.1, 3)), 0.3 in Steps(0.1, 0.1, 3), 7 in Steps(0, 2, 10**9)
    ([0.1, 0.2, 0.3], True, False)
    """

    low: float
    step: float
    number: int

    def __len__(self) -> int:
        return self.number

    @overload
    def __getitem__(self, place: int) -> float: ...

    @overload
    def __getitem__(self, place: slice) -> list[float]: ...

    def __getitem__(self, place: int | slice) -> float | list[float]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(self.number))]
        if not -self.number <= place < self.number:
            raise IndexError(f"{place} of {self.number} numbers")
        value = self.low + (place + self.number if place < 0 else place) * self.step
        return value if isinstance(value, int) else float(f"{value:.12g}")

    def __contains__(self, value: object) -> bool:
        return self.place(value) is not None

    def place(self, value: object) -> int | None:
        """The position of a value, or None."""
        if not isinstance(value, int | float) or not self.low <= value <= self[-1]:
            return None
        place = min(round((value - self.low) / self.step), self.number - 1)
        return place if self[place] == value else None


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included.

    Args:
        log: Drawn evenly on a logarithmic scale; `low` is then above zero.
        integer: Whole numbers only.
        step: Only numbers in such steps from `low`; None: any number between. Not on a logarithmic scale.
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False
    step: float | None = None

    def points(self) -> Steps | None:
        """Every value in order, or None where there are too many to count."""
        if self.step is None and not (self.integer and not self.log):
            return None
        step = self.step or 1
        return Steps(self.low, step, math.floor((self.high - self.low) / step + 1e-9) + 1)

    def place(self, value: float) -> float:
        """Where a value lies, 0 at `low` and 1 at `high`, on the range's scale.

        >>> Range(0.0001, 1.0, log=True).place(0.01)
        0.5
        """
        if self.high == self.low:
            return 0.5
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Choices:
    """A list of plain JSON values, of which one is chosen; their order means nothing."""

    values: tuple[Any, ...]

    def points(self) -> list[Any]:
        return list(self.values)


@dataclass(frozen=True)
class Dimension:
    """One searched hyperparameter.

    Args:
        name: As the spec names it.
        when: Active only where each of these dimensions, which come before it, is active and has one of these values.
        shapes: Trials that differ in it can't share a stack.
        owned: The range is the optimizer's own, not the author's.
        tested: The range is to be found, or was found, by a range test.
    """

    name: str
    over: Range | Choices
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    shapes: bool = False
    owned: bool = False
    tested: bool = False

    def active(self, setting: Setting) -> bool:
        return all(name in setting and setting[name] in values for name, values in self.when.items())


Space = tuple[Dimension, ...]
