"""The alarm rule: distances as scipy has them, thresholds for all columns together, and what never changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tasks.monitoring.alarm import RATE, Distribution, Mean, distances, number_places
from tests.bench.monitor import replays


def distribution(reference: np.ndarray, window: np.ndarray) -> Distribution:
    cells, (before, now) = number_places(reference, window)
    return Distribution(before, now, cells, ordered=True)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=20, max_size=80), st.lists(st.integers(-5, 35), min_size=1, max_size=40))
def test_the_distance_of_few_values_is_that_of_kolmogorov_and_smirnov(before: list[int], now: list[int]) -> None:
    reference, window = np.array(before, np.float64), np.array(now, np.float64)
    found = distances([{"x": distribution(reference, window)}])["x"]
    assert found.value == pytest.approx(stats.ks_2samp(reference, window, method="asymp").statistic, abs=1e-12)
    # It looks at the order of values only.
    assert distances([{"x": distribution(np.exp(reference), np.exp(window))}])["x"] == found


def test_a_constant_column_alarms_where_some_rows_move_either_way() -> None:
    reference, window = np.full(5000, 0.003), np.full(300, 0.003)
    for moved in (-1.0, 1.0):
        changed = window.copy()
        changed[:5] = moved
        found = distances([{"x": distribution(reference, changed)}])["x"]
        assert found.alarms and found.p is None and found.value == pytest.approx(5 / 300)
        changed[1:5] = 0.003  # one new row may always come
        assert not distances([{"x": distribution(reference, changed)}])["x"].alarms
    assert not distances([{"x": distribution(reference, window)}])["x"].alarms


def test_more_columns_and_fewer_rows_take_more() -> None:
    rng = np.random.default_rng(0)
    reference, window = rng.normal(size=(2000, 12)), rng.normal(size=(400, 12))

    def threshold(columns: int, rows: int) -> float:
        measures = {place: distribution(reference[:, place], window[:rows, place]) for place in range(columns)}
        return distances([measures])[0].threshold

    assert threshold(1, 400) < threshold(12, 400) < threshold(12, 50)


def test_a_mean_may_count_on_one_side_only() -> None:
    rng = np.random.default_rng(0)
    errors = (rng.random(2000) < 0.3).astype(np.float64)
    worse, better = np.repeat([1.0, 0.0], 200), np.zeros(400)
    found = {name: distances([{"errors": Mean(errors, each, one_sided=True)}])["errors"] for name, each in
             (("worse", worse), ("better", better))}  # fmt: skip
    assert found["worse"].alarms and found["better"].value == 0 and not found["better"].alarms
    assert distances([{"errors": Mean(errors, better)}])["errors"].alarms


def test_what_a_window_lacks_alarms_not() -> None:
    reference = np.random.default_rng(0).normal(size=500)
    found = distances([{"x": distribution(reference, np.full(20, np.nan))}, {}])["x"]
    assert np.isnan(found.value) and not found.alarms


@pytest.mark.slow
def test_series_alarm_at_the_stated_rate() -> None:
    """The benchmark has more replays; of 40 at 1%, more than 3 come with a probability below 0.001."""
    assert RATE == 0.01
    assert replays("AR(1), 0.9", 0.0, 40, seed=3).alarms <= 3
    assert replays("AR(1), 0.9", 2.0, 5, seed=3).alarms == 5
