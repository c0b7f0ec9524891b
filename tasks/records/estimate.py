"""A figure with its interval, as stored in verdict.json and its parts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A number with its interval, in the number's own unit. None where it is not known. One seed has no interval."""

    mean: float | None
    low: float | None = None
    high: float | None = None

    def flipped(self) -> Estimate:
        """The same difference with the two sides exchanged."""
        # 0 - x, because minus 0.0 would be written as -0.0.
        mean, low, high = (None if end is None else 0 - end for end in (self.mean, self.low, self.high))
        return Estimate(mean, high, low)
