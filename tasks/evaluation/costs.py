"""The interval of the mean cost of a case.

Where few different costs are possible (`{false_negative: 5, false_positive: 1}`), the mean is a sum of shares of rows,
each times its cost. Each share has its exact interval, and MOVER (Zou & Donner 2008) joins them: so a mistake that is
dear, possible and not seen in the rows still counts. Costs that differ from row to row (amounts) are means of values,
as errors are; of gains and losses together, the difference of two such means.
"""

from __future__ import annotations

import numpy as np

from tasks.evaluation.clusters import fewest
from tasks.evaluation.intervals import Array, NoInterval
from tasks.evaluation.means import ratio_interval
from tasks.evaluation.shares import share_interval

MOST_COSTS = 50
"""Different costs that count as shares of rows."""
FEWEST_COSTLY = 10
"""Rows (or groups) with a cost that is not 0 which an interval of amounts takes: fewer say nothing of the others."""


def per_case(target: np.ndarray, costs: Array, confidence: float, groups: np.ndarray | None) -> tuple[float, float]:
    """The interval of the mean of `costs[:, 0]`.

    Args:
        target: Not looked at.
        costs: As `decisions.Answers.costs`.
        confidence: In (0, 1).
        groups: The group of each row `[rows]`, or None.

    Raises:
        NoInterval: the rows do not suffice.
    """
    own = costs[:, 0]
    possible = np.unique(costs)
    if costs.shape[1] > 1 and len(possible) <= MOST_COSTS:
        return _of_shares(own, possible, confidence, groups)
    return _of_amounts(own, confidence, groups)


def of_one_class(target: np.ndarray, costs: Array, confidence: float, groups: np.ndarray | None) -> tuple[float, float]:
    """As `per_case`, of rows of one class. Where all of its answers cost the same, that is their mean."""
    if np.ptp(costs) == 0:
        return float(costs[0, 0]), float(costs[0, 0])
    return per_case(target, costs, confidence, groups)


def _of_shares(own: Array, possible: Array, confidence: float, groups: np.ndarray | None) -> tuple[float, float]:
    """Of costs of which each is that of some share of the rows. All are counted from the commonest one, whose share
    follows from the others'."""
    counts = np.array([(own == cost).sum() for cost in possible])
    base = possible[counts.argmax()]
    rest = possible[possible != base]
    if not len(rest):
        raise NoInterval("every answer costs the same")
    weight = rest - base
    share = np.array([(own == cost).mean() for cost in rest])
    ends = np.array([share_interval(own == cost, confidence, groups) for cost in rest])
    down = np.where(weight > 0, share - ends[:, 0], ends[:, 1] - share) * weight * np.sign(weight)
    up = np.where(weight > 0, ends[:, 1] - share, share - ends[:, 0]) * weight * np.sign(weight)
    mean = float(base + share @ weight)
    return mean - _joined(down, weight, share), mean + _joined(up, weight, share)


def _joined(distances: Array, weight: Array, share: Array) -> float:
    """The distance of the sum to its end, from those of its terms. Shares of the same rows exclude each other, so terms
    of opposite sign vary together; that terms of one sign vary against each other is left out, on the safe side."""
    total = float(distances @ distances)
    odds = np.sqrt(share / np.maximum(1 - share, 1e-12))
    opposite = np.sign(weight)[:, None] * np.sign(weight)[None, :] < 0
    together = np.minimum(np.outer(odds, odds), 1.0) * opposite
    return float(np.sqrt(total + distances @ together @ distances))


def _of_amounts(own: Array, confidence: float, groups: np.ndarray | None) -> tuple[float, float]:
    """Of costs that are 0 or more, of gains, or of both."""
    costly = fewest(own != 0, groups)
    if costly < FEWEST_COSTLY:
        what = "rows" if groups is None else "groups with rows"
        raise NoInterval(f"{costly} test {what} cost anything, and {FEWEST_COSTLY} are needed")
    ones = np.ones(len(own))
    losses, gains = np.maximum(own, 0), np.maximum(-own, 0)
    if not gains.any():
        return ratio_interval(losses, ones, confidence, groups)
    if not losses.any():
        low, high = ratio_interval(gains, ones, confidence, groups)
        return -high, -low
    loss, gain = (ratio_interval(each, ones, confidence, groups) for each in (losses, gains))
    mean = float(own.mean())
    down = np.hypot(losses.mean() - loss[0], gain[1] - gains.mean())
    up = np.hypot(loss[1] - losses.mean(), gains.mean() - gain[0])
    return mean - float(down), mean + float(up)
