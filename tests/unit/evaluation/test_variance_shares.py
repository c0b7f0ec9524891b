"""What makes a fold's score differ: another split, or another seed."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.evaluation.variance_shares import variance_shares


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
