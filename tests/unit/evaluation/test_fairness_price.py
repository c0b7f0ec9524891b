"""What it costs to meet a fairness gate, against all thresholds tried by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tasks.evaluation.decisions import Deciding
from tasks.evaluation.fairness import ODDS, PARITY, difference, gap
from tasks.evaluation.fairness_price import fairness_prices
from tasks.evaluation.judged_rows import Classes, JudgedRows
from tasks.evaluation.slices import Slice, Slicing
from tasks.records.decisions import Costs, Decides

COSTS = Deciding(Decides(rule="cost", costs=Costs(matrix=((0.0, 1.0), (5.0, 0.0)))), 1)


def parts(deciding: Deciding = COSTS) -> tuple[JudgedRows, JudgedRows]:
    """Validation and test rows of two slices, of which one has higher scores."""
    rng = np.random.default_rng(0)
    target, of_row = rng.integers(0, 2, 400), rng.integers(0, 2, 400)
    score = np.clip(rng.normal(0.35 + 0.2 * target + 0.15 * of_row, 0.12), 0, 1)
    slicing = Slicing(("sex",), (Slice(("F",), "F"), Slice(("M",), "M")), of_row)
    made = []
    for rows in (np.arange(200), np.arange(200, 400)):
        prediction = np.column_stack([1 - score[rows], score[rows]])
        answers = {"t": deciding.answers(target[rows], prediction, rows, 0.5)}
        classes = Classes(("no", "yes"), 1, None)
        made.append(JudgedRows(target[rows], None, classes, 0.95, answers, rows, (slicing,), deciding.prior))
    return made[0], made[1]


@pytest.mark.parametrize("metric", [PARITY, ODDS])
@pytest.mark.parametrize("prior", [None, (0.9, 0.1)])
def test_the_threshold_is_the_cheapest_that_meets_the_gate(metric: str, prior: tuple[float, ...] | None) -> None:
    deciding = replace(COSTS, how=replace(COSTS.how, prior=prior))
    val, test = parts(deciding)
    gate = {"metric": metric, "at_most": 0.2, "severity": "warn"}
    (price,) = fairness_prices([gate], "t", val, test, deciding, 0.5, 200)
    score, share = val.answers["t"].prediction[:, 1], prior or np.bincount(val.target) / len(val.target)

    def cost(threshold: float) -> float:
        alarm = score >= threshold
        return share[1] * 5 * float((~alarm[val.target == 1]).mean()) + share[0] * float(alarm[val.target == 0].mean())

    def apart(threshold: float) -> float:
        return difference(metric, val.target == 1, score >= threshold, val.slicings[0].of_row[val.rows])

    tried = [*score, 1.1]
    assert price.threshold is not None and apart(price.threshold) <= 0.2
    assert price.chosen_cost == pytest.approx(cost(price.threshold))
    assert price.chosen_cost == pytest.approx(min(cost(each) for each in tried if apart(each) <= 0.2), abs=0.03)
    assert price.least_cost == pytest.approx(min(map(cost, tried)), abs=0.03)
    assert price.least_cost <= price.chosen_cost
    assert price.more and price.more.mean is not None and price.more.low is not None and price.more.high is not None
    assert price.more.low <= price.more.mean <= price.more.high


def test_the_difference_is_that_of_the_bounds() -> None:
    rng = np.random.default_rng(1)
    actual, predicted, of_row = rng.random(90) < 0.4, rng.random(90) < 0.5, rng.integers(0, 3, 90)
    for name in (PARITY, ODDS):
        found = gap(name, actual, predicted, of_row, 0.95).interval.mean
        assert difference(name, actual, predicted, of_row) == pytest.approx(found)
