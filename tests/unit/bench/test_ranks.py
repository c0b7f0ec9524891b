"""The ranks of optimizers over data sets."""

from __future__ import annotations

import numpy as np

from tests.bench.ranks import PUBLISHED, intervals, mean_ranks, table


def scores(noise: float, sets: int = 6) -> list[np.ndarray]:
    """The first recipe is the best by 1, the next by another 1."""
    rng = np.random.default_rng(0)
    return [-np.arange(7.0)[:, None] + noise * rng.normal(size=(7, 10)) for _ in range(sets)]


def test_what_is_clear_is_ranked_in_order_without_doubt() -> None:
    np.testing.assert_array_equal(mean_ranks(scores(0.01)), np.arange(1, 8))
    np.testing.assert_array_equal(intervals(scores(0.01)), np.stack([np.arange(1, 8)] * 2, axis=1))


def test_noise_makes_intervals_wide_and_ties_share_a_rank() -> None:
    ends = intervals(scores(100.0))
    assert (ends[:, 1] - ends[:, 0] > 1).all() and (ends >= 1).all() and (ends <= 7).all()
    np.testing.assert_array_equal(mean_ranks([np.zeros((7, 10))]), np.full(7, 4.0))


def test_the_table_has_the_published_ranks_beside() -> None:
    one = {"metric": "accuracy", "scores": dict(zip(PUBLISHED, scores(0.01)[0].tolist(), strict=True)), "wall": 3.0}
    said = table({"wine": one | {"seconds": dict.fromkeys(PUBLISHED, 1.0)}})
    assert "| Muon + EMA | 1.00 | 1.0 to 1.0 | 4.65 | 1 |" in said and "wine 3 s" in said
