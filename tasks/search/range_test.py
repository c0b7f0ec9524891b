"""The learning-rate range test: finds by short trainings which rates lower the loss well.

Smith (2015, "Cyclical Learning Rates for Training Neural Networks", section 3.3; 2017) raises the rate during one short
training and takes the stretch between where the loss begins to fall and where it stops falling. Here each rate has
trainings of its own from the same start, since a stack of them costs little more than one. So a rate's loss does not
depend on what lower rates did before it, and several seeds show the part of chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

RATES_A_DECADE = 5
BEYOND = 10.0
"""The tested rates reach this factor below and above the range in which an optimizer is usually searched."""
FALL = 0.7
"""A rate is good where the loss falls by at least this share of the largest fall of any rate. The value was chosen with
`python -m tests.bench.lr_range`."""


@dataclass(frozen=True)
class Good:
    """The rate of the least loss, and the range around it in which the loss falls well."""

    best: float
    low: float
    high: float


def rates_to_test(low: float, high: float) -> list[float]:
    """`RATES_A_DECADE` evenly on a logarithmic scale, from a tenth of `low` to ten times `high`, three digits each.

    >>> rates_to_test(0.01, 0.1)[:7]
    [0.001, 0.00158, 0.00251, 0.00398, 0.00631, 0.01, 0.0158]
    """
    number = round(RATES_A_DECADE * math.log10(BEYOND**2 * high / low))
    return [float(f"{low / BEYOND * 10 ** (place / RATES_A_DECADE):.3g}") for place in range(number + 1)]


def good_range(rates: Sequence[float], losses: Sequence[float | None], longer: float = 1.0) -> Good | None:
    """Finds the unbroken stretch of good rates around the best one. The fall is counted from the loss of the lowest
    rate that did not diverge, which hardly moves the weights.

    A short training flatters high rates (Wu et al. 2018, "Understanding Short-Horizon Bias"): in one that is n times as
    long, a rate n times lower moves the weights as far. So the range reaches n times further down.

    Args:
        rates: Rising.
        losses: The loss after training at each rate; None: it diverged.
        longer: How many times as long as the test the whole training is.

    Returns:
        None where no rate's loss is below that of the lowest.
    """
    start = next((loss for loss in losses if loss is not None), None)
    if start is None:
        return None
    falls = [-math.inf if loss is None else start - loss for loss in losses]
    best = max(range(len(rates)), key=falls.__getitem__)
    if falls[best] <= 0:
        return None
    low = high = best
    while low > 0 and falls[low - 1] >= FALL * falls[best]:
        low -= 1
    while high < len(rates) - 1 and falls[high + 1] >= FALL * falls[best]:
        high += 1
    # A range of one rate reaches to its neighbours.
    ends = (low, high) if low < high else (max(low - 1, 0), min(high + 1, len(rates) - 1))
    return Good(rates[best], float(f"{rates[ends[0]] / longer:.3g}"), rates[ends[1]])
