"""What makes a fold's score differ: another split, or another seed."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.evaluation.variance_shares import deviation, variance_shares


def made(split: float, seed: float, folds: int = 50, seeds: int = 2) -> np.ndarray:
    rng = np.random.default_rng(0)
    return 0.8 + split * rng.normal(size=(folds, 1)) + seed * rng.normal(size=(folds, seeds))


@pytest.mark.parametrize(("split", "seed"), [(0.05, 0.01), (0.02, 0.02), (0.0, 0.03)])
def test_standard_deviations_of_both_are_found(split: float, seed: float) -> None:
    found = variance_shares("adam", made(split, seed, folds=400), 0.95)
    assert found and (found.folds, found.seeds) == (400, 2)
    assert found.seed == pytest.approx(seed, rel=0.1)
    assert found.split == pytest.approx(split, rel=0.15, abs=0.006)
    share = split**2 / (split**2 + seed**2)
    assert found.share.low is not None and found.share.high is not None
    assert found.share.low <= share <= found.share.high <= 1


def test_fewer_folds_tell_less() -> None:
    widths = []
    for folds in (5, 50):
        found = variance_shares("adam", made(0.02, 0.02, folds), 0.95)
        assert found and found.share.low is not None and found.share.high is not None
        widths.append(found.share.high - found.share.low)
    assert widths[0] > 1.5 * widths[1]


def test_folds_that_lack_a_seed_are_left_out() -> None:
    scores = made(0.02, 0.02, folds=6)
    scores[2, 1] = np.nan
    found = variance_shares("adam", scores, 0.95)
    assert found and found.folds == 5
    assert found == variance_shares("adam", np.delete(scores, 2, axis=0), 0.95)


@pytest.mark.parametrize("scores", [made(0.02, 0.02, seeds=1), made(0.02, 0.02, folds=1), np.full((5, 2), 0.8)])
def test_where_nothing_differs_or_one_seed_was_trained_nothing_is_told(scores: np.ndarray) -> None:
    assert variance_shares("adam", scores, 0.95) is None


def test_seeds_that_agree_leave_all_to_the_split() -> None:
    found = variance_shares("adam", np.repeat([[0.7], [0.8], [0.9]], 2, axis=1), 0.95)
    assert found and found.seed == 0 and found.share.mean == 1


def test_parts_of_a_seed_are_told_apart() -> None:
    rng = np.random.default_rng(1)
    initial, order = 0.03 * rng.normal(size=(2, 4000)), 0.01 * rng.normal(size=(2, 4000))
    scores = (rng.normal(size=4000) + initial + order).T
    found = variance_shares("adam", scores, 0.95, mixed=scores[:, 0] - initial[0] + initial[1])
    assert found and found.initial and found.order
    assert found.initial.mean == pytest.approx(0.03, rel=0.05)
    assert found.order.mean == pytest.approx(0.01, rel=0.05)


@pytest.mark.parametrize("folds", [2, 5, 50])
def test_the_interval_of_a_deviation_holds_as_often_as_it_says(folds: int) -> None:
    rng = np.random.default_rng(folds)
    found = [deviation(np.sqrt(2) * 0.02 * rng.normal(size=folds), 0.9) for _ in range(4000)]
    held = np.mean([each is not None and (each.low or 0) <= 0.02 <= (each.high or 0) for each in found])
    assert held == pytest.approx(0.9, abs=0.02)


def test_folds_without_a_mixed_trial_are_left_out() -> None:
    scores = made(0.02, 0.02, folds=6)
    mixed = np.where(np.arange(6) < 2, np.nan, scores[:, 0] + 0.02)
    found = variance_shares("adam", scores, 0.95, mixed)
    assert found and found.initial and found.initial.mean == pytest.approx(0.02 / np.sqrt(2))
    nothing = variance_shares("adam", scores, 0.95, np.full(6, np.nan))
    assert nothing and nothing.initial is None and nothing.order is None
