"""Calibration bins, the expected calibration error, and what chance makes of it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from tasks.evaluation.calibration import calibration_error, error_by_chance, reliability


def test_bins_hold_every_row_once_with_the_exact_interval():
    rng = np.random.default_rng(0)
    probability = np.r_[rng.random(500), 0.0, 1.0]
    hit = rng.random(502) < probability
    bins = reliability(probability, hit, 0.95)
    assert sum(each.rows for each in bins) == 502 and len(bins) == 10
    for each in bins:
        exact = binomtest(round(each.observed * each.rows), each.rows).proportion_ci(method="exact")
        assert (each.low, each.high) == pytest.approx((exact.low, exact.high))


def test_rows_of_one_group_have_no_interval():
    (found,) = reliability(np.full(10, 0.45), np.arange(10) < 5, 0.95, np.full(10, "a"))
    assert (found.low, found.high, found.observed) == (None, None, 0.5)


def test_the_error_is_the_mean_gap_between_bins():
    probability = np.r_[np.full(30, 0.95), np.full(10, 0.35)]
    hit = np.r_[np.arange(30) < 24, np.arange(10) < 5]  # 80% where 95% is said, 50% where 35% is
    assert calibration_error(probability, hit) == pytest.approx(0.75 * 0.15 + 0.25 * 0.15)


@pytest.mark.parametrize("rows", [50, 1000])
def test_right_probabilities_stay_below_what_chance_makes(rows: int):
    """In 95% of cases: of 400 test parts 20 are expected above; 35 would be more than chance explains."""
    rng = np.random.default_rng(1)
    probability = rng.beta(2, 1, size=rows)
    limit = error_by_chance(probability, 0.95)
    above = sum(calibration_error(probability, rng.random(rows) < probability) > limit for _ in range(400))
    assert 8 <= above <= 35


def test_overconfidence_goes_beyond_chance():
    rng = np.random.default_rng(2)
    probability = rng.uniform(0.5, 1, size=2000)
    hit = rng.random(2000) < 0.5 + (probability - 0.5) / 2
    assert calibration_error(probability, hit) > 2 * error_by_chance(probability, 0.95)
