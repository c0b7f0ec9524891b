"""Intervals of areas under curves of ranked rows: ROC AUC and PR AUC.

On few rows each known interval covers too rarely somewhere: an interval from an estimated variance where the area is
near 1, an interval from a formula where the scores do not fit its assumptions. So the wider of two is taken at each end
(`tests.bench.coverage`). With fewer than 30 rows of either class there is no interval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tasks.evaluation.clusters import design_effect, fewest, quantile
from tasks.evaluation.intervals import Array, NoInterval
from tasks.evaluation.shares import scored

FEWEST_OF_EITHER = 30
"""Fewest rows of the class, and of the other classes, for an interval; with groups, fewest groups that hold one."""

PR_FACTOR = 1.1
"""Factor by which the interval of PR AUC is widened."""


def roc_auc(target: np.ndarray, prediction: Array, confidence: float, groups: np.ndarray | None) -> tuple[float, float]:
    """The wider of logit-DeLong and Newcombe's method 5 at each end; the same for the mean over three classes or more.

    DeLong et al. (1988) for the variance, on the logit scale by the delta method; Newcombe (2006, Stat. Med. 25:559),
    method 5. The ends of a macro average by method 5 are the averages of the classes' ends, as if these moved together.
    """
    return _area(target, prediction, confidence, groups, _roc, _newcombe)


def pr_auc(target: np.ndarray, prediction: Array, confidence: float, groups: np.ndarray | None) -> tuple[float, float]:
    """The wider of two logit intervals at each end, with their half-width times 1.1.

    One uses the variance of a share over as many rows as there are positives (Boyd et al. 2013), the other the variance
    of average precision linearised in the rows' weights (the infinitesimal jackknife, Efron & Tibshirani 1993, ch. 21).
    """
    return _area(target, prediction, confidence, groups, _average_precision, _boyd, PR_FACTOR)


def _area(
    target: np.ndarray,
    prediction: Array,
    confidence: float,
    groups: np.ndarray | None,
    linearised: Callable[[np.ndarray, Array], tuple[float, Array]],
    formula: Callable[[float, float, float, float], tuple[float, float]],
    factor: float = 1.0,
) -> tuple[float, float]:
    z = factor * quantile(confidence, len(target), groups)
    areas, influences, ends = [], [], []
    for positive, score in _one_vs_rest(target, prediction, groups):
        area, influence = linearised(positive, score)
        effect = design_effect(influence, groups)
        areas.append(area)
        influences.append(influence)
        ends.append(formula(area, positive.sum() / effect, (~positive).sum() / effect, z))
    area, influence = float(np.mean(areas)), np.mean(influences, axis=0)
    low, high = np.mean(ends, axis=0)
    if 0 < area < 1:
        error = np.sqrt(float(influence @ influence) * design_effect(influence, groups))
        from_variance = _logit(area, error, z)
        low, high = min(low, from_variance[0]), max(high, from_variance[1])
    return float(low), float(high)


def _one_vs_rest(
    target: np.ndarray, prediction: Array, groups: np.ndarray | None
) -> Iterator[tuple[np.ndarray, Array]]:
    """Which rows are of the class, and their scores: of the positive class, or of each of three or more."""
    classes = prediction.shape[1]
    for k in scored(classes):
        positive = target == k
        few = min(fewest(positive, groups), fewest(~positive, groups))
        if few < FEWEST_OF_EITHER:
            what = "rows" if groups is None else "groups with rows"
            of = "the rarer" if classes == 2 else "one"
            raise NoInterval(f"{of} class has {few} test {what}, and {FEWEST_OF_EITHER} are needed")
        yield positive, prediction[:, k]


def _logit(area: float, error: float, z: float) -> tuple[float, float]:
    """The interval of an area in (0, 1) with standard error `error`, symmetrical on the logit scale."""
    ends = np.log(area / (1 - area)) + np.array([-z, z]) * error / (area * (1 - area))
    low, high = 1 / (1 + np.exp(-ends))
    return float(low), float(high)


def _roc(positive: np.ndarray, score: Array) -> tuple[float, Array]:
    """ROC AUC, and the influence of each row on it: the sum of its squares is DeLong's variance."""
    m, n = int(positive.sum()), int((~positive).sum())
    ours, theirs = np.sort(score[positive]), np.sort(score[~positive])
    # For each row: the share of rows of the other class that are ranked on the right side of it; ties count half.
    won = np.empty(len(score))
    won[positive] = _below(theirs, score[positive]) / n
    won[~positive] = 1 - _below(ours, score[~positive]) / m
    area = float(won[positive].mean())
    size = np.where(positive, np.sqrt(m * (m - 1.0)), np.sqrt(n * (n - 1.0)))
    return area, (won - area) / size


def _below(ordered: Array, values: Array) -> Array:
    """How many of `ordered` are below each of `values`, plus half of those equal."""
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2


def _newcombe(area: float, positives: float, negatives: float, z: float) -> tuple[float, float]:
    """The two areas that lie z standard errors from `area`; each standard error is computed at that end (Newcombe 2006,
    method 5)."""
    mean = (positives + negatives) / 2 - 1

    def reach(true: float) -> float:
        spread = 1 + mean * (1 - true) / (2 - true) + mean * true / (1 + true)
        return z * float(np.sqrt(max(true * (1 - true) * spread / (positives * negatives), 0.0)))

    low = _root(lambda true: area - true - reach(true), 0.0, area)
    high = _root(lambda true: area - true + reach(true), area, 1.0)
    return low, high


def _root(falling: Callable[[float], float], low: float, high: float) -> float:
    """The root, to 1e-12, of a function that falls from at least 0 at `low` to at most 0 at `high`."""
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return (low + high) / 2


def _average_precision(positive: np.ndarray, score: Array) -> tuple[float, Array]:
    """Average precision, and its derivative by each row's weight `[rows]`.

    With hits H and predicted N at each row's threshold and n positives, AP = sum(y H / N) / n. A row's weight counts in
    its own term, and in H and N of every row at or below its threshold.
    """
    order = np.argsort(-score, kind="stable")
    ranked, y = score[order], positive[order].astype(np.float64)
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    sizes = np.diff(np.r_[starts, len(y)])
    hits = np.add.reduceat(y, starts)
    predicted = np.cumsum(sizes)
    share = np.cumsum(hits) / predicted
    total = float(y.sum())
    area = float(hits @ share) / total
    # Sums from each threshold down: how much one more hit, or one more row, changes the terms there.
    gained = np.cumsum((hits / predicted)[::-1])[::-1]
    lost = np.cumsum((hits * share / predicted)[::-1])[::-1]
    derivative = y * np.repeat(share - area + gained, sizes) - np.repeat(lost, sizes)
    influence = np.empty(len(y))
    influence[order] = derivative / total
    return area, influence


def _boyd(area: float, positives: float, negatives: float, z: float) -> tuple[float, float]:
    """The logit interval of Boyd et al. (2013): the variance is area (1 - area) / positives.

    At 0 and 1 the logit is infinite, so the area is moved inside by half a positive, as is done for a share (Haldane
    1956).
    """
    inside = float(np.clip(area, 0.5 / positives, 1 - 0.5 / positives))
    low, high = _logit(inside, float(np.sqrt(inside * (1 - inside) / positives)), z)
    return (low, high) if area < 1 else (low, 1.0)
