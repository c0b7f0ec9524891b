"""Averages of weights: a trial is evaluated with the average and keeps it, instead of the weights that its steps move.

To add one: a keyword-only factory that returns an `Averaging`, and a line in `AVERAGINGS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from tasks.ranges import Fraction

STATISTICS_ROWS = 8192
"""The most training rows from which batch normalisation's statistics are computed again for an average, at each
evaluation. One number for all trials, so that a trial's results do not depend on its stack."""

MOST_ENDS = 100
"""The most ends of epochs whose weights are held at a time: each is one more copy of the network."""

Ends = Annotated[int, Field(ge=1, le=MOST_ENDS)]


@dataclass(frozen=True)
class Averaging:
    """Which average of its weights a trial takes. At most one field is set.

    Args:
        decay: The decay of an exponential moving average over all steps.
        start: Share of the epochs after which the weights at the end of each epoch are averaged.
        last: How many of the latest ends of epochs are averaged.
    """

    decay: float | None = None
    start: float | None = None
    last: int | None = None

    @property
    def averages(self) -> bool:
        return (self.decay, self.start, self.last) != (None, None, None)

    @property
    def in_steps(self) -> bool:
        """Whether the average is updated step by step, by the shares of `retained`."""
        return self.decay is not None or self.start is not None

    def copies(self, epochs: int) -> int:
        """How many copies of the network's weights the average needs."""
        return min(self.last, epochs) if self.last else int(self.in_steps)

    def before(self, epochs: int) -> int:
        """Number of epochs before the first one whose end is averaged."""
        return math.floor((self.start or 0.0) * epochs)

    def retained(self, epochs: int, steps_per_epoch: int) -> np.ndarray:
        """The share of the old average in the new one, for each step; the rest is the weights: float64 `[steps]`.

        With a share of 0 the average equals the present weights, so a trial without an average has 0 at every step.
        """
        steps = epochs * steps_per_epoch
        if self.decay is not None:
            return np.where(np.arange(steps) == 0, 0.0, self.decay)  # as Keras: it begins with the first step's weights
        if self.start is None:
            return np.zeros(steps)
        done = np.arange(1, steps + 1)
        ends = done // steps_per_epoch - self.before(epochs)  # how many are averaged, this one included
        kept = np.where(done % steps_per_epoch == 0, 1 - 1 / np.maximum(ends, 1), 1.0)
        return np.where(ends >= 1, kept, 0.0)


def none() -> Averaging:
    """The weights as the last step left them."""
    return Averaging()


def ema(*, decay: Fraction = 0.999) -> Averaging:
    """Exponential moving average of the weights after each step, `average = decay * average + (1 - decay) * w` (Polyak
    & Juditsky 1992; Tarvainen & Valpola 2017), as Keras's `use_ema`: it begins with the weights after the first step.

    It looks back over about 1 / (1 - decay) steps: with fewer steps than that in a run, take a smaller decay.
    """
    return Averaging(decay=decay)


def swa(*, start: Fraction = 0.75) -> Averaging:
    """Stochastic weight averaging (Izmailov et al. 2018): the mean of the weights at the end of each epoch after the
    share `start` of the epochs; before that the weights as they stand. The paper has a high, constant learning rate."""
    return Averaging(start=start)


def lawa(*, last: Ends = 5) -> Averaging:
    """Latest weight averaging (Kaddour 2022, "Stop Wasting My Time!"): the mean of the weights at the ends of the
    latest `last` epochs, or of all epochs so far while there are fewer."""
    return Averaging(last=last)


AVERAGINGS: dict[str, Callable[..., Averaging]] = {"none": none, "ema": ema, "swa": swa, "lawa": lawa}
