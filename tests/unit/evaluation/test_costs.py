"""The interval of the cost of a case. How often it holds: `python -m tests.bench.costs`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.evaluation.costs import per_case
from tasks.evaluation.intervals import NoInterval
from tasks.evaluation.means import mae
from tasks.evaluation.metrics import COST, METRICS
from tasks.evaluation.shares import clopper_pearson


def of(own: list[float], *possible: float) -> np.ndarray:
    """Costs of rows of which each might have cost the `possible` too."""
    return np.column_stack([own, np.tile(possible, (len(own), 1))])


def interval(costs: np.ndarray, groups: np.ndarray | None = None) -> tuple[float, float]:
    return per_case(np.zeros(len(costs)), costs, 0.95, groups)


def test_one_cost_is_a_share_times_it() -> None:
    low, high = interval(of([5.0] * 3 + [0.0] * 37, 0, 5))
    assert (low, high) == pytest.approx(tuple(5 * end for end in clopper_pearson(3, 40, 0.95)))


def test_a_dear_mistake_that_was_not_seen_still_counts() -> None:
    costs = [1.0] * 4 + [0.0] * 36
    cheap, dear = interval(of(costs, 0, 1)), interval(of(costs, 0, 1, 50))
    unseen = 50 * clopper_pearson(0, 40, 0.95)[1]
    assert dear[0] == cheap[0]
    assert dear[1] == pytest.approx(0.1 + np.hypot(cheap[1] - 0.1, unseen))


@given(st.lists(st.sampled_from([-4.0, 0.0, 1.0]), min_size=2, max_size=40), st.floats(0.1, 10), st.floats(-5, 5))
def test_the_unit_and_the_zero_of_costs_do_not_matter(own: list[float], unit: float, zero: float) -> None:
    costs = of(own, -4, 0, 1)
    found, other = interval(costs), interval(costs * unit + zero)
    assert other == pytest.approx(tuple(end * unit + zero for end in found), abs=1e-9)
    mean = METRICS[COST].over_rows(np.zeros(len(costs)), costs, 0.95)
    assert mean.low <= mean.mean <= mean.high


def test_gains_are_losses_the_other_way_round() -> None:
    rng = np.random.default_rng(0)
    costs = of(list(rng.choice([0.0, 1.0, 7.0], 50)), 0, 1, 7)
    low, high = interval(costs)
    assert interval(-costs) == pytest.approx((-high, -low))


def test_amounts_are_means_as_errors_are() -> None:
    rng = np.random.default_rng(0)
    amounts = rng.lognormal(3, 1, 200) * (rng.random(200) < 0.5)
    assert interval(np.column_stack([amounts, amounts * 2])) == mae(np.zeros(200), amounts, 0.95, None)
    both = np.where(rng.random(200) < 0.5, amounts, -amounts / 2)
    low, high = interval(both[:, None])
    assert low < both.mean() < high


def test_few_rows_that_cost_anything_say_nothing_of_amounts() -> None:
    amounts = np.r_[np.linspace(1, 2, 9), np.zeros(100)]
    with pytest.raises(NoInterval, match="9 test rows cost anything"):
        interval(amounts[:, None])


def test_rows_of_one_group_say_less() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 10)
    own = np.where(rng.random(20)[groups] < 0.3, 5.0, 0.0)
    low, high = interval(of(list(own), 0, 5))
    wide = interval(of(list(own), 0, 5), groups)
    assert wide[0] < low and wide[1] > high
