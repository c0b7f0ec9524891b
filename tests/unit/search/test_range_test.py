"""The rule of the learning-rate range test."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.search.range_test import FALL, Good, good_range, rates_to_test
from tasks.training.optimizers import LEARNING_RATES

RATES = [0.001, 0.01, 0.1, 1.0, 10.0]


@pytest.mark.parametrize(
    ("losses", "good"),
    [
        ([1.0, 0.43, 0.2, 0.4, None], Good(0.1, 0.01, 1.0)),  # 70% of the largest fall is good enough
        ([1.0, 0.45, 0.2, 0.45, 0.2], Good(0.1, 0.01, 1.0)),  # a range of one rate reaches to its neighbours
        ([1.0, 0.9, 0.8, 0.5, 0.0], Good(10.0, 1.0, 10.0)),
        ([None, 1.0, 0.5, None, None], Good(0.1, 0.01, 1.0)),
        ([1.0, 1.0, 1.1, 5.0, None], None),
        ([None, None, None, None, None], None),
    ],
)
def test_the_stretch_of_good_rates_around_the_best(losses: list[float | None], good: Good | None) -> None:
    assert good_range(RATES, losses) == good


@given(st.lists(st.none() | st.floats(0, 10), min_size=5, max_size=5))
def test_the_best_rate_lies_in_the_range_and_all_between_fell_well(losses: list[float | None]) -> None:
    good = good_range(RATES, losses)
    if good is None:
        return
    start = next(loss for loss in losses if loss is not None)
    falls = {rate: start - loss for rate, loss in zip(RATES, losses, strict=True) if loss is not None}
    assert good.low <= good.best <= good.high
    assert falls[good.best] == max(falls.values())
    inside = [rate for rate in RATES if good.low < rate < good.high]
    assert all(falls.get(rate, -math.inf) >= FALL * falls[good.best] for rate in inside)


def test_it_reaches_further_down_for_a_longer_training() -> None:
    assert good_range(RATES, [1.0, 0.43, 0.2, 0.4, None], longer=10.0) == Good(0.1, 0.001, 1.0)


@pytest.mark.parametrize("name", LEARNING_RATES)
def test_rates_reach_a_decade_beyond_the_usual_range(name: str) -> None:
    low, high = LEARNING_RATES[name]
    rates = rates_to_test(low, high)
    assert rates == sorted(set(rates))
    assert rates[0] == pytest.approx(low / 10) and rates[-1] == pytest.approx(high * 10)
