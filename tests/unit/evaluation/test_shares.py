"""Exact intervals of shares, against SciPy's binomial test; what lies behind them is measured by the bench."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from tasks.evaluation.metrics import METRICS
from tasks.evaluation.shares import clopper_pearson, effective_rows

ACCURACY, PRECISION, RECALL, F1 = (METRICS[name] for name in ("accuracy", "precision", "recall", "f1"))


def _exact(hits: int, rows: int, confidence: float = 0.95) -> Any:
    found = binomtest(hits, rows).proportion_ci(confidence, method="exact")
    return pytest.approx((found.low, found.high), abs=1e-12)


def _two(hits: int, missed: int, false: int, rest: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Two classes with so many true positives, false negatives, false positives and true negatives."""
    target = np.repeat([1, 1, 0, 0], [hits, missed, false, rest])
    return target, np.eye(2)[np.repeat([1, 0, 1, 0], [hits, missed, false, rest])]


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.51, 0.999))
def test_is_the_exact_binomial_interval(counts: tuple[int, int], confidence: float):
    assert clopper_pearson(*counts, confidence) == _exact(*counts, confidence)


def test_accuracy_counts_rows():
    target, prediction = _two(40, 10, 5, 45)
    found = ACCURACY.over_rows(target, prediction, 0.95)
    assert (found.mean, (found.low, found.high)) == (0.85, _exact(85, 100))


def test_recall_counts_the_positives_and_precision_what_is_predicted_positive():
    target, prediction = _two(1, 6, 3)
    recall, precision = (metric.over_rows(target, prediction, 0.95) for metric in (RECALL, PRECISION))
    assert (recall.low, recall.high) == _exact(1, 7)
    assert (precision.low, precision.high) == _exact(1, 4)
    assert precision.high < 0.9  # 1 of 4 must not pass for 0.9


def test_f1_comes_from_the_jaccard_index():
    found = F1.over_rows(*_two(30, 6, 4), 0.9)
    low, high = clopper_pearson(30, 40, 0.9)
    assert found.mean == pytest.approx(60 / 70)
    assert (found.low, found.high) == pytest.approx((2 * low / (1 + low), 2 * high / (1 + high)))


def test_the_positive_class_may_be_another_than_the_last():
    target, prediction = _two(45, 5, 8, 12)
    found = RECALL.over_rows(target, prediction, 0.95, positive=0)
    assert (found.low, found.high) == _exact(12, 20)


def test_precision_of_nothing_is_undefined():
    found = PRECISION.over_rows(*_two(0, 5, 0), 0.95)
    assert np.isnan(found.mean)
    assert (found.low, found.high, found.reason) == (None, None, "no test row is predicted positive")


def test_recall_of_nothing_is_undefined():
    assert RECALL.over_rows(*_two(0, 0, 3), 0.95).reason == "no test row is positive"


def test_f1_without_a_hit_is_0_and_has_an_interval():
    found = F1.over_rows(*_two(0, 5, 0), 0.95)
    assert (found.mean, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(2 * (1 - 0.025**0.2) / (2 - 0.025**0.2))


def test_a_macro_mean_of_equal_classes_is_mover():
    """Three classes of 20, 15 right in each: the mean's distances are the classes' over the root of 3, times 1.1."""
    target = np.repeat([0, 1, 2], 20)
    predicted = np.where(np.arange(60) % 20 < 15, target, (target + 1) % 3)
    low, high = clopper_pearson(15, 20, 0.95)
    factor = 1.1 / 3**0.5
    for metric in (RECALL, PRECISION):
        found = metric.over_rows(target, np.eye(3)[predicted], 0.95)
        assert (found.low, found.high) == pytest.approx((0.75 - factor * (0.75 - low), 0.75 + factor * (high - 0.75)))


def test_a_macro_mean_needs_each_class():
    target = np.arange(30) % 3
    found = PRECISION.over_rows(target, np.eye(3)[np.minimum(target, 1)], 0.95)
    assert (found.low, found.reason) == (None, "no test row is predicted of 1 of the 3 classes")


# --- groups -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", [ACCURACY, PRECISION, RECALL, F1])
def test_groups_of_one_row_are_rows(metric):
    rng = np.random.default_rng(0)
    target, prediction = rng.integers(2, size=80), rng.dirichlet([1, 1], 80)
    plain = metric.over_rows(target, prediction, 0.9)
    alone = metric.over_rows(target, prediction, 0.9, groups=np.array([f"row {i}" for i in range(80)]))
    assert (alone.low, alone.high) == pytest.approx((plain.low, plain.high), rel=1e-9)


def test_with_groups_a_macro_means_classes_may_move_together():
    rng = np.random.default_rng(0)
    target, prediction, groups = rng.integers(3, size=90), rng.dirichlet(np.ones(3), 90), np.arange(90) // 3
    found = RECALL.over_rows(target, prediction, 0.9, groups)
    of_each = [RECALL.over_rows(target, prediction, 0.9, groups, positive=k) for k in range(3)]
    assert found.low == pytest.approx(np.mean([each.low for each in of_each]))
    assert found.high == pytest.approx(np.mean([each.high for each in of_each]))


def test_all_right_in_few_groups_counts_the_groups():
    target, prediction = np.arange(60) % 2, np.eye(2)[np.arange(60) % 2]
    found = ACCURACY.over_rows(target, prediction, 0.95, groups=np.arange(60) % 5)
    assert found.low == pytest.approx(0.025 ** (1 / 5))


def test_groups_that_are_right_or_wrong_as_a_whole_count_once():
    hit = np.repeat(np.arange(40) < 30, 10)
    assert effective_rows(hit, np.repeat(np.arange(40), 10)) == pytest.approx(39.1, abs=0.1)


def test_one_group_alone_has_no_interval():
    target = np.arange(20) % 2
    found = ACCURACY.over_rows(target, np.eye(2)[target], 0.95, groups=np.full(20, "lucas"))
    assert (found.mean, found.low, found.high) == (1.0, None, None)
    assert found.reason == "its rows are all of one group"
