"""What is searched: dimensions with ranges or choices, some of them only where others have certain values.

A *setting* is one point: a value for each dimension that is active in it. A space keeps parents before those that
depend on them, so a setting can be drawn in order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Setting = dict[str, Any]
"""Name to value, plain JSON, for each dimension that is active."""


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included.

    Args:
        log: Drawn evenly on a logarithmic scale; `low` is then above zero.
        integer: Whole numbers only.
        step: From `low` in such steps; None: any number between. Not on a logarithmic scale.
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False
    step: float | None = None

    def points(self) -> list[float] | None:
        """Every value in order, or None where there are too many to count. Steps of 0.1 come to 0.3, as one writes it,
        not to 0.30000000000000004."""
        if self.step is None and not (self.integer and not self.log):
            return None
        step = self.step or 1
        count = math.floor((self.high - self.low) / step + 1e-9) + 1
        points = [self.low + index * step for index in range(count)]
        return [point if isinstance(point, int) else float(f"{point:.12g}") for point in points]

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
    """

    name: str
    over: Range | Choices
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    shapes: bool = False
    owned: bool = False

    def active(self, setting: Setting) -> bool:
        return all(name in setting and setting[name] in values for name, values in self.when.items())


Space = tuple[Dimension, ...]
