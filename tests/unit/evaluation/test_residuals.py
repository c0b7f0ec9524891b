"""Residuals along inputs: what goes with them is found, whatever its kind, and chance is not taken for it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from tasks.evaluation.residuals import MISSING, OTHERS, PARTS, VALUES, by_input, epsilon_squared

RNG = np.random.default_rng(0)


def test_a_bend_is_found_that_no_correlation_sees():
    value = RNG.uniform(-1, 1, size=2000)
    residual = value**2 + RNG.normal(scale=0.1, size=2000)
    assert abs(np.corrcoef(value, residual)[0, 1]) < 0.1
    found = by_input("bend", pd.Series(value), residual, 0.95)
    assert found is not None and found.number and found.association > 0.8
    assert len(found.levels) == PARTS
    medians = [level.at or 0.0 for level in found.levels]
    assert medians == sorted(medians)


def test_chance_gives_nothing():
    shares = [epsilon_squared(RNG.normal(size=300), RNG.integers(15, size=300)) for _ in range(200)]
    assert np.mean(shares) < 0.02


def test_it_is_one_less_the_unbiased_variance_within():
    values, codes = np.array([1.0, 2, 3, 7, 8, 9]), np.array([0, 0, 0, 1, 1, 1])
    assert epsilon_squared(values, codes) == pytest.approx(1 - (4 / 4) / (values.var(ddof=1)))


def test_levels_have_students_interval_and_those_without_a_value_one_of_their_own():
    value = np.where(np.arange(500) < 50, np.nan, RNG.normal(size=500))
    residual = RNG.normal(size=500)
    found = by_input("x", pd.Series(value), residual, 0.95)
    assert found is not None and sum(level.rows for level in found.levels) == 500
    last = found.levels[-1]
    assert (last.name, last.at, last.rows) == (MISSING, None, 50)
    expected = ttest_1samp(residual[:50], 0).confidence_interval(0.95)
    assert (last.low, last.high) == pytest.approx((expected.low, expected.high))


def test_rare_values_of_a_category_are_joined():
    named: list[str | None] = [f"v{k}" for k in range(40) for _ in range(40 - k)]
    value = pd.Series([*named, *[None] * 5], dtype=object)
    found = by_input("c", value, RNG.normal(size=len(value)), 0.95)
    names = [level.name for level in found.levels]
    assert names == [*(f"v{k}" for k in range(VALUES)), OTHERS, MISSING]
    assert not found.number and all(level.at is None for level in found.levels)


def test_rows_of_a_group_make_the_interval_of_a_mean_wider():
    value = pd.Series(np.repeat(["a", "b"], 100), dtype=object)
    groups = np.arange(200) // 10
    residual = RNG.normal(size=20)[groups] + RNG.normal(scale=0.1, size=200)
    alone, grouped = (by_input("c", value, residual, 0.95, of).levels[0] for of in (None, groups))
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)
    one = by_input("c", value, residual, 0.95, np.repeat(["x", "y"], 100)).levels[0]
    assert (one.low, one.high) == (None, None)


def test_an_input_that_is_the_same_in_all_rows_is_left_out():
    assert by_input("c", pd.Series([1.0] * 50), RNG.normal(size=50), 0.95) is None
    assert by_input("c", pd.Series([None] * 50, dtype=object), RNG.normal(size=50), 0.95) is None
    few = by_input("c", pd.Series([1.0] * 49 + [2.0]), RNG.normal(size=50), 0.95)
    assert few is None or all(level.rows for level in few.levels)
