"""Seeds of examples and the numbers made from them."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tasks.augmentation import seeds as seeds_module
from tasks.augmentation.seeds import example_seeds, global_generators_kept, normals, uniforms

ROWS = np.arange(20_000)


def test_the_numbers_are_these_on_every_machine() -> None:
    seeds = example_seeds((0, 1, 2), 3, np.array([0, 1, 2**40]))
    assert seeds.dtype == np.uint64
    assert seeds.tolist() == [13277749315460959461, 13769936530694049145, 15174672481891639965]


@given(seed=st.integers(0, 2**63), copy=st.integers(0, 1000), rows=st.sets(st.integers(0, 2**40), min_size=1))
def test_an_example_s_seed_is_its_own_and_hangs_on_its_row_alone(seed: int, copy: int, rows: set[int]) -> None:
    order = np.array(sorted(rows))
    seeds = example_seeds(seed, copy, order)
    assert len(set(seeds.tolist())) == len(order)
    assert seeds[-1] == example_seeds(seed, copy, order[-1:])[0]
    np.testing.assert_array_equal(example_seeds((seed,), copy, order), seeds)


def test_policy_trial_place_and_copy_each_count() -> None:
    first = example_seeds((0, 0, 0), 0, ROWS)
    others = [example_seeds(parts, copy, ROWS) for parts, copy in [((1, 0, 0), 0), ((0, 1, 0), 0), ((0, 0, 1), 0)]]
    others.append(example_seeds((0, 0, 0), 1, ROWS))
    assert len(np.unique(np.concatenate([first, *others]))) == 5 * len(ROWS)


def test_numbers_are_uniform_normal_and_independent_of_each_other_and_of_the_rows() -> None:
    seeds = example_seeds(0, 0, ROWS)
    numbers = uniforms(seeds, 3)
    assert numbers.min() > 0 and numbers.max() < 1
    for column in numbers.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(column[:-1], column[1:])[0, 1]) < 0.03
    assert np.abs(np.corrcoef(numbers.T) - np.eye(3)).max() < 0.03
    assert stats.kstest(normals(seeds, 1)[:, 0], "norm").pvalue > 1e-3
    np.testing.assert_array_equal(uniforms(seeds, 5)[:, :3], numbers)  # more of them does not change the first


def test_global_generators_come_back_even_after_an_error() -> None:
    python, numpy = random.getstate(), str(np.random.get_state())  # noqa: NPY002
    try:
        with global_generators_kept():
            random.seed(3)
            np.random.seed(3)  # noqa: NPY002
            raise KeyError
    except KeyError:
        pass
    assert random.getstate() == python and str(np.random.get_state()) == numpy  # noqa: NPY002


def test_uniforms_are_half_a_step_off_the_ends_and_centred(monkeypatch: pytest.MonkeyPatch) -> None:
    """0 and 1 never come, whose normal quantiles are infinite."""
    ends = np.array([0, 2**64 - 1], np.uint64)
    monkeypatch.setattr(seeds_module, "_mixed", lambda bits: np.broadcast_to(ends[:, None], bits.shape))
    low, high = uniforms(np.zeros(2, np.uint64), 1)[:, 0]
    assert low == 0.5 / 2**52 and high == 1 - 0.5 / 2**52
    assert np.isfinite(normals(np.zeros(2, np.uint64), 3)).all()
