"""A figure with its interval, as verdict.json and what stands in it hold it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A number with its interval, in its own unit; what is not known is None. One seed has no interval."""

    mean: float | None
    low: float | None = None
    high: float | None = None

    def flipped(self) -> Estimate:
        """The same difference seen from the other side."""
        # 0 - x: minus 0.0 would be written as -0.0.
        mean, low, high = (None if end is None else 0 - end for end in (self.mean, self.low, self.high))
        return Estimate(mean, high, low)
