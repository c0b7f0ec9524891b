"""The interval of the difference of two models on the same rows."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.evaluation.differences import left_out, widened, widening
from tasks.evaluation.intervals import RESAMPLES, Interval, NoInterval
from tasks.evaluation.judged_rows import JudgedRows
from tasks.evaluation.metrics import METRICS
from tests.bench.paired import judged, percentile_alone, sure


def found(rows: JudgedRows, metric: str) -> Interval:
    return rows.differences("one", {"other": "other"}, METRICS[metric], RESAMPLES)["other"]


def test_without_each_row_a_mean_is_that_of_the_others() -> None:
    values = np.random.default_rng(0).normal(size=7)
    without = left_out(lambda weights: weights @ values / weights.sum(axis=1), 7, None)
    np.testing.assert_allclose(without, [np.delete(values, each).mean() for each in range(7)])
    groups = np.array(list("aabbbcc"))
    by_group = left_out(lambda weights: weights @ values / weights.sum(axis=1), 7, groups)
    np.testing.assert_allclose(by_group, [values[groups != each].mean() for each in "abc"])


def test_many_rows_are_left_out_in_blocks() -> None:
    values = np.random.default_rng(0).normal(size=1_750)
    without = left_out(lambda weights: weights @ values / weights.sum(axis=1), 1_750, None)
    assert without.shape == (500,)
    np.testing.assert_allclose(without[3], values[np.arange(1_750) % 500 != 3].mean())
    error = np.sqrt(499 / 500 * np.square(without - without.mean()).sum())
    assert error == pytest.approx(values.std() / np.sqrt(1_750), rel=0.1)


def test_the_interval_of_normal_differences_is_students() -> None:
    values = np.random.default_rng(3).normal(size=200)
    without = (values.sum() - values) / 199
    interval = widened(Interval(values.mean(), values.mean(), values.mean()), without, 1.0, 0.95)
    half = 1.97 * values.std(ddof=1) / np.sqrt(200)
    assert interval.low == pytest.approx(values.mean() - half, abs=0.2 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.2 * half)


def test_a_model_as_good_as_the_constant_answer_is_seldom_called_better() -> None:
    """Its rare large losses are missing in most small test parts."""
    rng = np.random.default_rng(0)
    ours, usual = 0, 0
    for _ in range(100):
        rows = judged(sure(0.1, 1.0, "log_loss", rng, 60))
        ours += (found(rows, "log_loss").low or 0) > 0
        usual += (percentile_alone(rows, METRICS["log_loss"]).low or 0) > 0
    assert ours <= 5 < usual


@pytest.mark.parametrize(("positives", "answered"), [(4, False), (5, True)])
def test_a_few_rows_of_the_rarest_class_are_needed(positives: int, answered: bool) -> None:
    rng = np.random.default_rng(0)
    target = (np.arange(60) < positives).astype(np.int64)
    one, other = (rng.dirichlet([3, 1], 60) for _ in range(2))
    interval = found(judged((target, one, other)), "log_loss")
    assert (interval.low is not None) == answered
    assert answered or interval.reason == "the rarest class has 4 rows, and 5 are needed to compare"
    assert found(judged((target, one, other)), "accuracy").low is not None


@pytest.mark.parametrize(("rows", "answered"), [(29, False), (30, True)])
def test_a_few_values_are_needed(rows: int, answered: bool) -> None:
    rng = np.random.default_rng(0)
    interval = found(judged((rng.normal(size=rows), rng.normal(size=rows), rng.normal(size=rows))), "rmse")
    assert (interval.low is not None) == answered
    assert answered or interval.reason == "there are 29 rows, and 30 are needed to compare"


def test_groups_count_instead_of_rows() -> None:
    target = np.repeat([0, 1], 50)
    assert widening(target, None, 2) == 1 + 6 / 50
    assert widening(target, np.repeat(np.arange(20), 5), 2) == 1 + 6 / 10
    with pytest.raises(NoInterval, match="4 groups"):
        widening(target, np.r_[np.arange(50), np.arange(50) % 4 + 100], 2)


def test_the_difference_is_antisymmetric_and_contains_the_percentile_interval() -> None:
    rng = np.random.default_rng(1)
    target = rng.integers(2, size=200)
    one, other = (rng.dirichlet([1, 1], 200) for _ in range(2))
    forth, back = found(judged((target, one, other)), "roc_auc"), found(judged((target, other, one)), "roc_auc")
    assert (forth.mean, forth.low, forth.high) == pytest.approx((-back.mean, -(back.high or 0), -(back.low or 0)))
    usual = percentile_alone(judged((target, one, other)), METRICS["roc_auc"])
    assert forth.low is not None and forth.high is not None and usual.low is not None and usual.high is not None
    assert forth.low <= usual.low < usual.high <= forth.high


def test_equal_answers_differ_by_nothing() -> None:
    rng = np.random.default_rng(2)
    target, same = rng.integers(2, size=100), rng.dirichlet([1, 1], 100)
    assert found(judged((target, same, same)), "log_loss") == Interval(0.0, 0.0, 0.0)


def test_a_difference_in_one_row_alone_stays_finite() -> None:
    rng = np.random.default_rng(2)
    target, one = rng.integers(2, size=100), rng.dirichlet([1, 1], 100)
    other = one.copy()
    other[0] = other[0, ::-1]
    interval = found(judged((target, one, other)), "log_loss")
    assert interval.low is not None and interval.high is not None
    assert -1 < interval.low <= interval.high < 1
