"""Class weights and resampling."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from tasks.augmentation.imbalance import class_weights, resample, resampled_rows

targets = st.lists(st.integers(0, 5), min_size=1, max_size=60).map(np.array)


@given(targets)
def test_weights_are_scikit_learn_s_balanced_ones(target: np.ndarray) -> None:
    weights = class_weights(target, 7)
    present = np.unique(target)
    np.testing.assert_allclose(weights[present], compute_class_weight("balanced", classes=present, y=target))
    assert weights.shape == (7,) and (np.delete(weights, present) == 0).all()
    np.testing.assert_allclose(weights[target].mean(), 1)


@given(targets, st.integers(0, 5))
def test_every_class_becomes_as_large_as_the_largest_and_every_row_stays(target: np.ndarray, seed: int) -> None:
    rows = resample(target, seed)
    assert rows.dtype == np.int64 and (np.diff(rows) >= 0).all()
    counts, before = np.bincount(target[rows]), np.bincount(target)
    assert (counts[before > 0] == before.max()).all()
    often = np.bincount(rows, minlength=len(target))
    for each in np.unique(target):
        assert often[target == each].min() >= 1 and np.ptp(often[target == each]) <= 1
    np.testing.assert_array_equal(rows, resample(target, seed))


def test_seeds_repeat_other_rows() -> None:
    target = np.repeat([0, 1], [40, 15])
    drawn = [np.bincount(resample(target, seed), minlength=55) for seed in range(4)]
    assert len({tuple(often) for often in drawn}) == 4
    assert all((often[:40] == 1).all() for often in drawn), "the largest class is as it was"


def test_no_rows_stay_no_rows() -> None:
    assert len(resample(np.zeros(0, np.int64), 0)) == 0


@given(targets, st.integers(0, 5))
def test_the_number_of_positions_is_known_before_they_are_drawn(target: np.ndarray, seed: int) -> None:
    """The plan counts on it. A class between others may have no rows."""
    assert resampled_rows(target) == len(resample(target, seed))
    assert resampled_rows(np.array([0, 2, 2])) == 4 and resampled_rows(np.zeros(0, np.int64)) == 0
