"""The operating point of the shipped model: its threshold, the uncertainty of it, and its cost compared with other
ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tasks.evaluation.baselines import CONSTANT_ANSWERS
from tasks.evaluation.decisions import Deciding
from tasks.evaluation.judged_rows import JudgedRows
from tasks.evaluation.metrics import COST, METRICS
from tasks.records.estimate import Estimate
from tasks.records.verdict import CurvePoint, OperatingPoint, PointCost

FEW_POSITIVES = 5
"""With fewer positive rows than this in the validation part, the interval of a threshold says little. At 50 rows with
2% positives it holds the best threshold in 52% of cases instead of 95% (`tests.bench.costs`)."""

_POINTS = 101
"""Most points of the curve of cost over threshold."""


def operating_point(
    trial: str,
    name: str,
    val: JudgedRows,
    test: JudgedRows,
    deciding: Deciding,
    thresholds: Mapping[str, float],
    baselines: Mapping[str, str],
) -> OperatingPoint:
    """The operating point of a model of two classes.

    Args:
        trial: The shipped trial.
        name: Name of the shipped model.
        val: The validation rows with the answers of it and of the other seeds of its recipe.
        test: The test rows with the answers of it and of the baselines.
        deciding: Turns predictions into answers.
        thresholds: Trial to its threshold.
        baselines: Name to trial.
    """
    if trial not in thresholds:
        return OperatingPoint(threshold=0.5)
    how = deciding.how
    low, high = (None, None) if how.rule == "fixed" else _moves(val, deciding, test.confidence)
    point = OperatingPoint(
        threshold=thresholds[trial],
        low=low,
        high=high,
        how=how.chosen,
        positives=int((val.target == deciding.positive).sum()),
    )
    if how.costs is None:
        return point
    return replace(
        point,
        costs=_costs(trial, name, test, deciding, thresholds, baselines),
        curve=_curve(trial, test, deciding),
    )


def _moves(val: JudgedRows, deciding: Deciding, confidence: float) -> tuple[float, float]:
    """The interval that holds the middle `confidence` of the thresholds chosen on resamples of the validation rows,
    pooled over the seeds."""
    target = val.target.astype(np.int64)
    moved = [deciding.moves(target, answers.prediction, val.rows, val.groups) for answers in val.answers.values()]
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(moved), [tail, 1 - tail])
    return float(low), float(high)


def _costs(
    trial: str,
    name: str,
    test: JudgedRows,
    deciding: Deciding,
    thresholds: Mapping[str, float],
    baselines: Mapping[str, str],
) -> list[PointCost]:
    positive = test.classes.name
    at_own = "at its threshold" if test.folds is None else "each fold at its threshold"
    ways = [(f"{name}, {at_own}", trial, thresholds[trial]), (f"{name}, at one half", trial, 0.5)]
    ways += [
        (f"{each}, {at_own}", other, thresholds[other])
        for each, other in baselines.items()
        if other in thresholds and other != trial and each not in CONSTANT_ANSWERS
    ]
    ways += [(f"{positive} for every row", trial, 0.0), (f"{positive} for no row", trial, np.inf)]
    found = [
        PointCost(name=way, threshold=_told(threshold), cost=_cost(of, threshold, test, deciding))
        for way, of, threshold in ways
    ]
    if test.folds is not None:  # where every fold has a threshold of its own
        own = {f"{name}, {at_own}": test.of_procedure.interval(trial, METRICS[COST])}
        own |= {f"{each}, {at_own}": test.interval(other, METRICS[COST]) for each, other in baselines.items()}
        found = [
            replace(each, threshold=None, cost=own[each.name].estimate()) if each.name in own else each
            for each in found
        ]
    best = replace(deciding, how=replace(deciding.how, rule="cost")).threshold(
        test.target.astype(np.int64), test.answers[trial].prediction, test.rows
    )
    if best is not None:
        mean = _cost(trial, best, test, deciding).mean
        found.append(PointCost(name=f"{name}, best in hindsight", threshold=best, cost=Estimate(mean, None, None)))
    return found


def _told(threshold: float) -> float | None:
    """The threshold to report; None where every row, or no row, is predicted positive whatever its probability."""
    return threshold if 0 < threshold < np.inf else None


def _cost(trial: str, threshold: float, test: JudgedRows, deciding: Deciding) -> Estimate:
    target = test.target.astype(np.int64)
    answers = deciding.answers(target, test.answers[trial].prediction, test.rows, threshold)
    metric = METRICS[COST]
    return metric.over_rows(target, answers.read_by(metric), test.confidence, test.groups, prior=test.prior).estimate()


def _curve(trial: str, test: JudgedRows, deciding: Deciding) -> list[CurvePoint]:
    """The cost at thresholds that are evenly spaced, and at quantiles of the probabilities."""
    assert deciding.positive is not None
    probability = test.answers[trial].prediction[:, deciding.positive]
    even = np.linspace(0, 1, _POINTS // 2 + 1)
    grid = np.unique(np.round(np.r_[even, np.quantile(probability, even)], 6))
    return [CurvePoint(threshold=float(each), cost=_cost(trial, float(each), test, deciding)) for each in grid]
