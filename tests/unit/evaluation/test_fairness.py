"""Fairness differences: fairlearn's figures, and bounds that hold them."""

from __future__ import annotations

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame, demographic_parity_difference, equalized_odds_difference, selection_rate
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.evaluation.fairness import FAIRNESS, ODDS, PARITY, gap
from tasks.evaluation.shares import clopper_pearson


def drawn(seed: int, slices: int, rows: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    of_slice = rng.integers(0, slices, rows)
    actual = rng.random(rows) < 0.4
    predicted = rng.random(rows) < np.where(actual, 0.8, 0.2) - 0.05 * of_slice
    return actual, predicted, of_slice


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("slices", [2, 5])
def test_the_estimates_are_fairlearns(seed: int, slices: int) -> None:
    actual, predicted, of_slice = drawn(seed, slices)
    theirs = {
        PARITY: demographic_parity_difference(actual, predicted, sensitive_features=of_slice),
        ODDS: equalized_odds_difference(actual, predicted, sensitive_features=of_slice),
    }
    for name, expected in theirs.items():
        assert gap(name, actual, predicted, of_slice, 0.95).interval.mean == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("slices", [2, 4])
def test_the_bounds_hold_fairlearns_bootstrap(slices: int) -> None:
    """The bootstrap of the largest difference is biased upward, as that is: its lower end lies above ours."""
    actual, predicted, of_slice = drawn(0, slices)
    frame = MetricFrame(
        metrics=selection_rate,
        y_true=actual,
        y_pred=predicted,
        sensitive_features=of_slice,
        n_boot=200,
        ci_quantiles=[0.025, 0.975],
        random_state=0,
    )
    theirs = frame.difference_ci()
    ours = gap(PARITY, actual, predicted, of_slice, 0.95).interval
    assert ours.low is not None and ours.low <= theirs[0] and ours.high is not None and ours.high >= theirs[1]


def test_the_bounds_are_those_of_the_exact_ends() -> None:
    """The upper end errs with two of the ends, the lower one with any of them."""
    of_slice = np.repeat([0, 1, 2], 50)
    predicted = np.concatenate([np.arange(50) < hits for hits in (10, 20, 40)])
    found = gap(PARITY, predicted, predicted, of_slice, 0.95)
    assert (found.highest, found.lowest, found.rate) == (2, 0, "selection rate")
    above = clopper_pearson(40, 50, 1 - 0.05 / 2)[1] - clopper_pearson(10, 50, 1 - 0.05 / 2)[0]
    below = clopper_pearson(40, 50, 1 - 0.05 / 6)[0] - clopper_pearson(10, 50, 1 - 0.05 / 6)[1]
    assert (found.interval.low, found.interval.high) == pytest.approx((below, above))


def test_a_slice_without_positives_leaves_the_true_positive_rate_open() -> None:
    actual, predicted, of_slice = drawn(0, 2)
    actual &= of_slice == 0
    found = gap(ODDS, actual, predicted, of_slice, 0.95)
    assert found.rate == "false positive rate"
    assert found.interval.high > 0.7  # whatever the true positive rate there is


@pytest.mark.parametrize("name", FAIRNESS)
def test_one_slice_is_nothing_to_compare(name: str) -> None:
    found = gap(name, np.array([True, False]), np.array([True, True]), np.array([3, 3]), 0.95)
    assert np.isnan(found.interval.mean) and found.interval.low is None
    assert found.interval.reason == "nothing to compare: all test rows are of one slice"


def test_rows_in_groups_are_worth_less() -> None:
    actual, predicted, of_slice = drawn(1, 2)
    alone = gap(PARITY, actual, predicted, of_slice, 0.95).interval
    actual, predicted, of_slice = np.repeat(actual, 5), np.repeat(predicted, 5), np.repeat(of_slice, 5)
    alike = gap(PARITY, actual, predicted, of_slice, 0.95).interval
    grouped = gap(PARITY, actual, predicted, of_slice, 0.95, groups=np.repeat(np.arange(400), 5)).interval
    assert alike.high < grouped.high
    assert grouped.high == pytest.approx(alone.high, abs=0.01)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 6), st.sampled_from(sorted(FAIRNESS)))
def test_bounds_hold_the_estimate_and_names_of_slices_do_not_matter(seed: int, slices: int, name: str) -> None:
    actual, predicted, of_slice = drawn(seed, slices, 60)
    found = gap(name, actual, predicted, of_slice, 0.95).interval
    assert 0 <= found.low <= found.mean <= found.high <= 1
    renamed = gap(name, actual, predicted, 7 - of_slice, 0.95).interval
    assert (renamed.low, renamed.mean, renamed.high) == pytest.approx((found.low, found.mean, found.high))
