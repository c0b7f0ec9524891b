"""The interval of the mean cost of a case.

Where few different costs are possible (`{false_negative: 5, false_positive: 1}`), the mean is a sum of shares of rows,
each times its cost. Each share has its exact interval, and MOVER (Zou & Donner 2008) joins them. So an expensive
mistake that is possible but does not occur in the rows still counts. Costs that differ from row to row (amounts) are
means of values, as errors are; where there are both gains and losses, the difference of two such means.
"""

from __future__ import annotations

import numpy as np

from tasks.evaluation.clusters import fewest
from tasks.evaluation.intervals import Array, NoInterval
from tasks.evaluation.means import ratio_interval
from tasks.evaluation.shares import share_interval

MOST_COSTS = 50
"""Up to this number of different costs, the mean is treated as a sum of shares of rows."""
FEWEST_COSTLY = 10
"""Fewest rows (or groups) with a cost other than 0 for an interval of amounts: fewer say too little about other
rows."""


def per_case(target: np.ndarray, costs: Array, confidence: float, groups: np.ndarray | None) -> tuple[float, float]:
    """The interval of the mean of `costs[:, 0]`.

    Args:
        target: Unused.
        costs: See `decisions.Answers.costs`.
        confidence: In (0, 1).
        groups: The group of each row `[rows]`, or None.

    Raises:
        NoInterval: there are too few rows, or every answer costs the same.
    """
    own = costs[:, 0]
    possible = np.unique(costs)
    if costs.shape[1] > 1 and len(possible) <= MOST_COSTS:
        return _of_shares(own, possible, confidence, groups)
    return _of_amounts(own, confidence, groups)


def of_one_class(target: np.ndarray, costs: Array, confidence: float, groups: np.ndarray | None) -> tuple[float, float]:
    """Like `per_case`, for rows of one class. Where all possible answers for it cost the same, both ends are that
    cost."""
    if np.ptp(costs) == 0:
        return float(costs[0, 0]), float(costs[0, 0])
    return per_case(target, costs, confidence, groups)


def _of_shares(own: Array, possible: Array, confidence: float, groups: np.ndarray | None) -> tuple[float, float]:
    """The interval where costs take few values: each value is the cost of a share of the rows. All costs are measured
    relative to the most common one, since its share follows from the others."""
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
    """The distance from the sum to the end of its interval, from the distances of its terms. Shares of the same rows
    are negatively correlated, so terms of opposite sign are positively correlated, which is counted. Terms of one sign
    are negatively correlated; leaving that out makes the interval wider, which is safe."""
    total = float(distances @ distances)
    odds = np.sqrt(share / np.maximum(1 - share, 1e-12))
    opposite = np.sign(weight)[:, None] * np.sign(weight)[None, :] < 0
    together = np.minimum(np.outer(odds, odds), 1.0) * opposite
    return float(np.sqrt(total + distances @ together @ distances))


def _of_amounts(own: Array, confidence: float, groups: np.ndarray | None) -> tuple[float, float]:
    """The interval for amounts: costs of 0 or more, gains (negative costs), or both."""
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
