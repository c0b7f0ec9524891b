"""The bench of intervals: how it counts, and with few draws what it finds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from tasks.evaluation.intervals import Interval
from tasks.evaluation.metrics import METRICS
from tests.bench import coverage
from tests.bench.coverage import MEASURED, MOST_FALSE, MOST_FALSE_ENUMERATED, cell, drawn, enumerated, tasks
from tests.bench.populations import POPULATIONS


def test_a_cell_counts_passes_at_the_truth_and_on_its_safe_side():
    intervals = [Interval(0.5, 0.4, 0.6), Interval(0.7, 0.6, 0.8), Interval(0.9, 0.8, 1.0), Interval(0.9, None, None)]
    found = cell("accuracy", "made up", 10, 0.55, intervals, None)
    assert (found.false, found.coverage, found.answered) == (0.5, pytest.approx(1 / 3), 0.75)
    assert (found.one, found.two) == (0.5, 0.75)  # thresholds of 0.45 and 0.35
    assert found.missed == ["false passes", "coverage"]


def test_where_less_is_better_the_upper_end_passes():
    intervals = [Interval(1.0, 0.9, 1.1), Interval(2.0, 1.9, 2.1)]
    found = cell("rmse", "made up", 10, 2.0, intervals, np.array([0.25, 0.75]))
    assert (found.false, found.coverage, found.two) == (0.25, 0.75, 1.0)


@pytest.mark.parametrize("name", coverage.ENUMERATED)
def test_no_share_passes_falsely_in_more_than_a_fortieth(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(coverage, "COUNTS", (1, 4, 25, 100))
    cells = list(enumerated(name))
    assert len(cells) == 4 * len(coverage.SHARES)
    assert all(each.false <= MOST_FALSE_ENUMERATED and not each.missed for each in cells)


def test_enumeration_finds_what_once_was_wrong():
    """A bootstrap interval of precision that counted other rows: 1 of 4 passed for 0.9."""
    intervals = [Interval(hits / 4, 0.95 if hits == 4 else 0.0, 1.0) for hits in range(5)]
    found = cell("precision", "binomial", 4, 0.9, intervals, binom.pmf(np.arange(5), 4, 0.9))
    assert found.false == pytest.approx(0.9**4)
    assert "false passes" in found.missed


@pytest.mark.parametrize("name", MEASURED)
def test_every_metric_has_a_population_and_holds_on_a_small_one(name: str):
    todo = [task for task in tasks([name]) if task[2] == 300]
    assert todo, f"a population for {name} in tests/bench/populations.py"
    for task in (todo[0], todo[-1]):
        found = drawn(task, draws=100)
        assert found.false <= 3 * MOST_FALSE, found  # 15 of 100: more than chance explains


@pytest.mark.parametrize("population", POPULATIONS, ids=lambda each: each.name)
def test_a_population_has_the_truth_that_it_says(population):
    target, prediction, _ = population.draw(np.random.default_rng(0), 50_000)
    for name in population.metrics:
        found = METRICS[name].function(target, prediction)
        near_0 = 0.04 if name in ("mcc", "calibration_error") else None
        assert found == pytest.approx(population.truth(name), rel=0.1 if name in ("rmse", "r2") else 0.06, abs=near_0)
