"""Thresholds and costs against what they mean, tried one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.evaluation.decisions import Deciding
from tasks.evaluation.metrics import COST, METRICS
from tasks.records.decisions import Costs, Decides, Rule

MATRIX = ((0.0, 1.0), (5.0, 0.0))


def deciding(rule: Rule = "cost", value: float | None = None, **more: object) -> Deciding:
    return Deciding(Decides(rule=rule, value=value, costs=Costs(matrix=MATRIX)), 1, **more)


@st.composite
def two_classes(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Targets and probabilities, of which some are equal."""
    rows = draw(st.integers(1, 12))
    target = draw(st.lists(st.integers(0, 1), min_size=rows, max_size=rows))
    steps = draw(st.lists(st.integers(0, 8), min_size=rows, max_size=rows))
    positive = np.array(steps) / 8
    return np.array(target), np.column_stack([1 - positive, positive])


def every(prediction: np.ndarray) -> np.ndarray:
    """A threshold for each way to divide the rows."""
    return np.r_[np.unique(prediction[:, 1]), 2.0]


def cost_at(own: Deciding, target: np.ndarray, prediction: np.ndarray, threshold: float) -> float:
    answers = own.answers(target, prediction, np.arange(len(target)), threshold)
    return METRICS[COST].function(target, answers.read_by(METRICS[COST]))


@given(two_classes())
def test_no_threshold_costs_less_than_the_chosen_one(rows: tuple[np.ndarray, np.ndarray]) -> None:
    target, prediction = rows
    own = deciding()
    chosen = own.threshold(target, prediction, np.arange(len(target)))
    assert chosen is not None
    least = min(cost_at(own, target, prediction, each) for each in every(prediction))
    assert cost_at(own, target, prediction, chosen) == pytest.approx(least, abs=1e-12)


@given(two_classes(), st.sampled_from([0.0, 0.3, 0.5, 0.9, 1.0]))
def test_limits_are_kept_as_well_as_they_can_be(rows: tuple[np.ndarray, np.ndarray], limit: float) -> None:
    target, prediction = rows
    places = np.arange(len(target))

    def at(threshold: float) -> tuple[int, int]:
        """Positives found, and alarms."""
        alarm = prediction[:, 1] >= threshold
        return int((alarm & (target == 1)).sum()), int(alarm.sum())

    ways = [at(each) for each in every(prediction)]
    positives = int(target.sum())
    hits, alarms = at(deciding("recall_at_least", limit).threshold(target, prediction, places))
    assert hits >= limit * positives - 1e-9
    assert alarms == min(a for h, a in ways if h >= limit * positives - 1e-9)
    hits, alarms = at(deciding("alarms_at_most", limit).threshold(target, prediction, places))
    assert alarms <= limit * len(target) + 1e-9
    assert alarms == max(a for _, a in ways if a <= limit * len(target) + 1e-9)
    hits, alarms = at(deciding("precision_at_least", limit).threshold(target, prediction, places))
    kept = [h for h, a in ways if a and h / a >= limit - 1e-12]
    best = max((h / a for h, a in ways if a), default=0.0)
    assert hits == max(kept) if kept else hits == pytest.approx(best * alarms)


def test_a_fixed_threshold_is_as_given_and_the_class_of_interest_may_be_the_first() -> None:
    target, prediction = np.array([0, 1, 0]), np.array([[0.3, 0.7], [0.2, 0.8], [0.9, 0.1]])
    own = Deciding(Decides(rule="fixed", value=0.25, costs=Costs(matrix=((0, 4), (1, 0)))), 0)
    assert own.threshold(target, prediction, np.arange(3)) == 0.25
    answers = own.answers(target, prediction, np.arange(3), 0.25)
    assert list(answers.decided.argmax(axis=1)) == [0, 1, 0]
    np.testing.assert_array_equal(answers.costs, [[0, 0, 4], [0, 1, 0], [0, 0, 4]])


def test_amounts_differ_from_row_to_row() -> None:
    target, prediction = np.array([1, 1, 0, 0]), np.array([[0.6, 0.4], [0.9, 0.1], [0.4, 0.6], [0.95, 0.05]])
    how = Decides(rule="cost", costs=Costs(matrix=((0, 3), (0, 0)), columns={"1,0": "amount"}))
    own = Deciding(how, 1, {"1,0": np.array([0.0, 10, 100, 7, 1])})
    rows = np.array([1, 2, 3, 4])  # of five in the data set
    np.testing.assert_array_equal(own.of_answers(target, rows), [[10, 0], [100, 0], [0, 3], [0, 3]])
    chosen = own.threshold(target, prediction, rows)
    assert chosen is not None and 0.05 < chosen < 0.1  # one alarm more would cost 3
    costs = own.answers(target, prediction, rows, chosen).costs
    assert costs is not None and list(costs[:, 0]) == [0, 0, 3, 0]


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_of_more_classes_the_one_of_least_expected_cost_is_predicted(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix, prediction = rng.integers(0, 9, (3, 3)), rng.dirichlet([1, 1, 1], 5)
    own = Deciding(Decides(rule="cost", costs=Costs(matrix=matrix.tolist())))
    answers = own.answers(np.zeros(5, np.int64), prediction, np.arange(5), None)
    for row, decided in zip(prediction, answers.decided, strict=True):
        expected = [sum(row[actual] * matrix[actual, k] for actual in range(3)) for k in range(3)]
        assert expected[decided.argmax()] == pytest.approx(min(expected))


def test_errors_of_values_cost_by_their_side() -> None:
    own = Deciding(Decides(costs=Costs(over=1, under=3)))
    answers = own.answers(np.array([10.0, 10.0, 10.0]), np.array([12.0, 9.5, 10.0]), np.arange(3), None)
    assert METRICS[COST].function(np.zeros(3), answers.read_by(METRICS[COST])) == pytest.approx((2 + 1.5) / 3)


def test_without_a_rule_the_likeliest_class_is_predicted_and_nothing_has_a_cost() -> None:
    prediction = np.array([[0.5, 0.5], [0.2, 0.8]])
    own = Deciding(positive=1)
    assert own.threshold(np.array([0, 1]), prediction, np.arange(2)) is None
    answers = own.answers(np.array([0, 1]), prediction, np.arange(2), None)
    assert list(answers.decided.argmax(axis=1)) == [0, 1]
    with pytest.raises(ValueError, match=r"evaluate\.cost"):
        answers.read_by(METRICS[COST])


def test_groups_are_drawn_whole() -> None:
    """Each group knows one class only: a resample of whole groups may miss one."""
    target = np.repeat([0, 1], 60)
    prediction = np.column_stack([1 - (target + 0.5) / 2, (target + 0.5) / 2])
    rows, groups = np.arange(120), np.repeat(np.arange(6), 20)
    alone, together = (deciding().moves(target, prediction, rows, each) for each in (None, groups))
    assert len(set(alone)) == 1 < len(set(together))


def test_thresholds_move_less_the_more_rows_there_are() -> None:
    rng = np.random.default_rng(0)
    spread = []
    for rows in (60, 6_000):
        target = (rng.random(rows) < 0.3).astype(np.int64)
        positive = 1 / (1 + np.exp(-rng.normal(2 * target - 1.5, 1)))
        moves = deciding().moves(target, np.column_stack([1 - positive, positive]), np.arange(rows), None)
        spread.append(np.subtract(*np.quantile(moves, [0.975, 0.025])))
    assert spread[1] < spread[0] / 2
