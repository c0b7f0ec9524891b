"""The corrected resampled t interval, and comparisons by fold with the same correction."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from tasks.evaluation.comparison import CANNOT_TELL, WORSE, compare_with_each
from tasks.evaluation.intervals import over_folds, over_seeds


def test_it_is_nadeau_and_bengios() -> None:
    values = np.random.default_rng(0).normal(0.8, 0.05, 50)
    found = over_folds(values, 1 / 4, 0.95)
    half = student.ppf(0.975, 49) * values.std(ddof=1) * np.sqrt(1 / 50 + 1 / 4)
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half))


def test_without_anything_shared_it_is_students() -> None:
    values = np.array([0.8, 0.82, 0.79, 0.9])
    assert over_folds(values, 0.0, 0.9) == over_seeds(values, 0.9)


def test_repeats_hardly_narrow_it() -> None:
    values = np.random.default_rng(1).normal(0, 1, 5)
    some, many = (over_folds(np.tile(values, times), 1 / 4, 0.95) for times in (40, 4000))
    assert many.high - many.low > 0.97 * (some.high - some.low)


def test_a_comparison_that_seeds_would_decide_is_open_between_folds() -> None:
    rng = np.random.default_rng(2)
    one = {fold: float(value) for fold, value in enumerate(rng.normal(0.0, 1.0, 50))}
    other = {fold: value + 0.45 + float(rng.normal(0, 1)) for fold, value in one.items()}
    free, shared = (
        compare_with_each(one, {"b": other}, sign=1, confidence=0.95, shared=shared)["b"] for shared in (0.0, 1 / 4)
    )
    assert (free.answer, shared.answer) == (WORSE, CANNOT_TELL)
    assert shared.difference == free.difference
    d = np.array([one[fold] - other[fold] for fold in one])
    half = student.ppf(0.975, 49) * d.std(ddof=1) * np.sqrt(1 / 50 + 1 / 4)
    assert shared.high == pytest.approx(d.mean() + half)
    assert shared.p == pytest.approx(2 * student.sf(abs(d.mean()) / (d.std(ddof=1) * np.sqrt(1 / 50 + 1 / 4)), 49))
    assert (shared.smallest_difference or 0) / (free.smallest_difference or 1) == pytest.approx(np.sqrt(13.5), rel=1e-6)
