"""Intervals of means of row values: against Student's t where that holds, their symmetries, and where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tasks.evaluation import means
from tasks.evaluation.metrics import METRICS

RMSE, MAE, R2, LOG_LOSS = (METRICS[name] for name in ("rmse", "mae", "r2", "log_loss"))


def test_a_tame_mean_of_many_rows_is_students_t():
    values = 10 + np.random.default_rng(0).normal(size=2000)
    low, high = stats.t.interval(0.95, 1999, values.mean(), stats.sem(values))
    found = np.array(means.ratio_interval(values, np.ones(2000), 0.95))
    assert means.widening(2000, 0.01) == pytest.approx(1.0125)
    np.testing.assert_allclose(found - values.mean(), np.array([low, high]) - values.mean(), rtol=0.1)


def test_rmse_is_the_root_of_the_mean_square():
    error = np.random.default_rng(0).normal(size=200)
    found = RMSE.over_rows(error, np.zeros(200), 0.95)
    low, high = means.ratio_interval(error**2, np.ones(200), 0.95)
    assert (found.low, found.high) == (low**0.5, high**0.5)
    assert found.low < found.mean < found.high


def test_r2_is_the_ratio_of_two_sums_of_squares():
    rng = np.random.default_rng(0)
    target = rng.normal(5, 2, 200)
    prediction = target + rng.normal(size=200)
    found = R2.over_rows(target, prediction, 0.9)
    low, high = means.ratio_interval((target - prediction) ** 2, (target - target.mean()) ** 2, 0.9)
    assert (found.low, found.high) == (1 - high, 1 - low)


@given(st.floats(1e-6, 1e6), st.integers(0, 5))
@settings(max_examples=20)
def test_the_unit_does_not_matter(unit: float, seed: int):
    error = np.random.default_rng(seed).standard_t(4, 80)
    one, other = (MAE.over_rows(scale * error, np.zeros(80), 0.95) for scale in (1.0, unit))
    assert (other.low, other.high) == pytest.approx((unit * one.low, unit * one.high), rel=1e-9)


@pytest.mark.parametrize(
    ("units", "spread", "factor"), [(100, 0.5, 1.25), (50, 10, 1.5 * (1 + 0.7 + 8 * 0.6**3)), (10**6, 2.7, 1.35)]
)
def test_few_rows_and_heavy_tails_widen(units: int, spread: float, factor: float):
    assert means.widening(units, spread) == pytest.approx(factor, rel=1e-4)


def test_a_mean_square_needs_60_rows():
    error = np.random.default_rng(0).normal(size=59)
    for metric in (RMSE, R2):
        found = metric.over_rows(error, error / 2, 0.95)
        assert np.isfinite(found.mean)
        assert (found.low, found.reason) == (None, "there are 59 test rows, and 60 are needed")
    assert MAE.over_rows(error, error / 2, 0.95).low is not None


def test_a_mean_needs_30_rows_or_groups():
    error = np.random.default_rng(0).normal(size=60)
    found = MAE.over_rows(error[:29], np.zeros(29), 0.95)
    assert (found.low, found.reason) == (None, "there are 29 test rows, and 30 are needed")
    found = MAE.over_rows(error, np.zeros(60), 0.95, np.arange(60) % 29)
    assert (found.low, found.reason) == (None, "there are 29 test groups, and 30 are needed")


def test_log_loss_needs_5_rows_of_the_rarest_class():
    probability = np.random.default_rng(0).dirichlet([2, 2], 100)
    found = LOG_LOSS.over_rows((np.arange(100) < 4).astype(int), probability, 0.95)
    assert (found.low, found.reason) == (None, "the rarest class has 4 test rows, and 5 are needed")
    assert LOG_LOSS.over_rows((np.arange(100) < 5).astype(int), probability, 0.95).low is not None


def test_equal_errors_say_nothing_of_others():
    found = RMSE.over_rows(np.ones(60), np.ones(60), 0.95)
    assert (found.mean, found.low, found.reason) == (0.0, None, "all test rows have the same error")


def test_one_large_error_among_few_rows_says_nothing():
    error = np.r_[np.full(29, 0.001), 50.0]
    found = MAE.over_rows(error, np.zeros(30), 0.95)
    assert (found.low, found.reason) == (None, "a few of the 30 errors outweigh all others")


def test_groups_of_one_row_are_rows_and_copies_count_once():
    error = np.random.default_rng(0).normal(size=100)
    names = np.array([f"row {i:03}" for i in range(100)])
    plain = RMSE.over_rows(error, np.zeros(100), 0.95)
    assert RMSE.over_rows(error, np.zeros(100), 0.95, names) == plain
    copied = RMSE.over_rows(np.repeat(error, 3), np.zeros(300), 0.95, np.repeat(names, 3))
    assert (copied.low, copied.high) == pytest.approx((plain.low, plain.high), rel=1e-9)


def test_one_group_alone_has_no_interval():
    error = np.random.default_rng(0).normal(size=100)
    found = MAE.over_rows(error, np.zeros(100), 0.95, np.full(100, "lucas"))
    assert (found.low, found.reason) == (None, "its rows are all of one group")


def test_many_rows_are_joined_into_blocks_without_a_jump(monkeypatch: pytest.MonkeyPatch):
    error = np.random.default_rng(0).standard_t(5, 1500)
    whole = RMSE.over_rows(error, np.zeros(1500), 0.95)
    monkeypatch.setattr(means, "MOST_UNITS", 500)
    joined = RMSE.over_rows(error, np.zeros(1500), 0.95)
    assert (joined.low, joined.high) == pytest.approx((whole.low, whole.high), rel=0.01)
