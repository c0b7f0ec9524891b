"""Intervals against closed forms, and how often they cover the truth (small seeded simulations)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tasks.evaluation.intervals import (
    RESAMPLES,
    Interval,
    difference_interval,
    over_seeds,
    percentile,
    resample,
)
from tasks.evaluation.metrics import METRICS, Metric
from tasks.records.estimate import Estimate

ACCURACY, RMSE = METRICS["accuracy"], METRICS["rmse"]


def _right(correct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A target and probabilities that are right where `correct`."""
    target = np.arange(len(correct)) % 2
    return target, np.eye(2)[np.where(correct, target, 1 - target)]


def bootstrap(
    metric: Metric,
    target: np.ndarray,
    prediction: np.ndarray,
    *,
    confidence: float,
    groups: np.ndarray | None = None,
    resamples: int = RESAMPLES,
) -> Interval:
    """The percentile interval of one metric."""
    statistics = {metric.name: metric.resampled(target, prediction)}
    drawn = resample(statistics, len(target), groups=groups, resamples=resamples)
    return percentile(metric.function(target, prediction), drawn[metric.name], confidence)


def _covers(interval: Interval, truth: float) -> bool:
    assert interval.low is not None and interval.high is not None
    return interval.low <= truth <= interval.high


def test_over_seeds_is_students_t():
    values = np.array([0.80, 0.82, 0.79, 0.81, 0.83])
    low, high = stats.t.interval(0.95, 4, loc=values.mean(), scale=stats.sem(values))
    assert over_seeds(values, 0.95) == Interval(
        pytest.approx(0.81), pytest.approx(low, rel=1e-9), pytest.approx(high, rel=1e-9)
    )


def test_over_seeds_of_one_and_none():
    assert over_seeds(np.array([0.8]), 0.95) == Interval(0.8, None, None)
    assert over_seeds(np.array([]), 0.95).estimate() == Estimate(None)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_over_seeds_covers_at_the_nominal_rate(seeds: int):
    rng = np.random.default_rng(0)
    intervals = [over_seeds(rng.normal(size=seeds), 0.95) for _ in range(2000)]
    covered = np.mean([_covers(interval, 0.0) for interval in intervals])
    assert 0.935 < covered < 0.965


def test_bootstrap_of_accuracy_is_near_its_normal_interval():
    target, prediction = _right(np.arange(2000) < 1600)
    interval = bootstrap(ACCURACY, target, prediction, confidence=0.95)
    half = 1.96 * np.sqrt(0.8 * 0.2 / 2000)
    assert interval.mean == 0.8
    assert interval.low == pytest.approx(0.8 - half, abs=0.002)
    assert interval.high == pytest.approx(0.8 + half, abs=0.002)


def test_bootstrap_covers_about_as_often_as_said():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        target, prediction = _right(rng.random(100) < 0.8)
        interval = bootstrap(ACCURACY, target, prediction, confidence=0.95, resamples=300)
        covered += _covers(interval, 0.8)
    assert 0.90 < covered / 400 < 0.98


def test_clustered_bootstrap_covers_where_the_plain_one_does_not():
    """40 groups of 10 rows that are all right or all wrong: 40 independent facts, not 400."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 10)
    covered = {"plain": 0, "clustered": 0}
    for _ in range(200):
        target, prediction = _right((rng.random(40) < 0.7)[groups])
        for name, by in (("plain", None), ("clustered", groups)):
            interval = bootstrap(ACCURACY, target, prediction, confidence=0.95, groups=by, resamples=200)
            covered[name] += _covers(interval, 0.7)
    assert covered["plain"] / 200 < 0.6
    assert covered["clustered"] / 200 > 0.88


def test_one_group_alone_has_no_interval():
    target, prediction = _right(np.arange(20) % 3 > 0)
    interval = bootstrap(ACCURACY, target, prediction, confidence=0.95, groups=np.full(20, "lucas"))
    assert (interval.low, interval.high) == (None, None)
    assert interval.mean == pytest.approx(13 / 20)


def test_groups_of_one_row_are_rows():
    target, prediction = _right(np.random.default_rng(0).random(80) < 0.7)
    names = np.array([f"row {i:03d}" for i in range(80)])
    plain = bootstrap(ACCURACY, target, prediction, confidence=0.9)
    assert bootstrap(ACCURACY, target, prediction, confidence=0.9, groups=names) == plain


def test_bootstrap_repeats_and_follows_its_seed():
    target, prediction = _right(np.random.default_rng(0).random(300) < 0.7)
    one = resample({"a": ACCURACY.resampled(target, prediction)}, 300, seed=1)["a"]
    again = resample({"a": ACCURACY.resampled(target, prediction)}, 300, seed=1)["a"]
    other = resample({"a": ACCURACY.resampled(target, prediction)}, 300, seed=2)["a"]
    assert len(one) == 1000
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_resamples_do_not_depend_on_the_chunks(monkeypatch: pytest.MonkeyPatch):
    target, prediction = _right(np.random.default_rng(0).random(50) < 0.7)
    whole = bootstrap(ACCURACY, target, prediction, confidence=0.95)
    monkeypatch.setattr("tasks.evaluation.intervals._CELLS", 170)
    assert bootstrap(ACCURACY, target, prediction, confidence=0.95) == whole


def paired(metric: Metric, target: np.ndarray, one: np.ndarray, other: np.ndarray, confidence: float) -> Interval:
    """How much better the first of two predictions is, from the same resamples of the rows."""
    drawn = resample({"a": metric.resampled(target, one), "b": metric.resampled(target, other)}, len(target))
    estimates = metric.function(target, one), metric.function(target, other)
    return difference_interval(metric, estimates, (drawn["a"], drawn["b"]), confidence)


def test_paired_difference_is_narrower_than_unpaired():
    rng = np.random.default_rng(0)
    target = rng.normal(size=400)
    shared = rng.normal(size=400)
    good, worse = target + shared, target + 1.1 * shared
    difference = paired(RMSE, target, good, worse, 0.95)
    alone = bootstrap(RMSE, target, good, confidence=0.95)
    assert difference.mean == pytest.approx(0.1 * np.sqrt((shared**2).mean()))
    assert 0 < difference.low < difference.mean < difference.high  # positive: a smaller error is better
    assert difference.high - difference.low < 0.2 * (alone.high - alone.low)


def test_paired_difference_is_antisymmetric():
    rng = np.random.default_rng(1)
    target = rng.integers(2, size=200)
    one, other = (rng.dirichlet([1, 1], 200) for _ in range(2))
    forth = paired(METRICS["roc_auc"], target, one, other, 0.9)
    back = paired(METRICS["roc_auc"], target, other, one, 0.9)
    assert (forth.mean, forth.low, forth.high) == pytest.approx((-back.mean, -back.high, -back.low))


def test_identical_predictions_differ_by_nothing():
    target, prediction = _right(np.arange(50) < 40)
    difference = paired(ACCURACY, target, prediction, prediction, 0.95)
    assert difference == Interval(0.0, 0.0, 0.0)


def test_an_interval_that_ends_at_0_ends_there_exactly():
    """0.3 - (0.1 + 0.2) is not 0, and must not make one model better."""
    estimates = np.array([0.3]), np.array([0.1 + 0.2])
    interval = difference_interval(ACCURACY, (0.4, 0.3), estimates, 0.95)
    assert (interval.low, interval.high) == (0.0, 0.0)


def test_an_undefined_metric_has_no_interval():
    target, prediction = np.zeros(20, dtype=int), np.tile([0.9, 0.1], (20, 1))
    interval = bootstrap(METRICS["roc_auc"], target, prediction, confidence=0.95)
    assert interval.estimate() == Estimate(None)


def test_undefined_resamples_are_left_out():
    """One positive among 10 rows: a third of the resamples have none."""
    target = np.array([1] + [0] * 9)
    prediction = np.column_stack([np.linspace(0.9, 0.1, 10), np.linspace(0.1, 0.9, 10)])
    interval = bootstrap(METRICS["pr_auc"], target, prediction, confidence=0.95)
    assert 0 < interval.low <= interval.high <= 1


def test_percentile_of_known_values():
    assert percentile(50.0, np.arange(101.0), 0.9) == Interval(50.0, pytest.approx(5.0), pytest.approx(95.0))


def test_an_interval_over_seeds_is_cut_at_the_metrics_bounds() -> None:
    from tasks.evaluation.metrics import METRICS

    wide = over_seeds(np.array([0.9, 1.0]), 0.95)
    assert wide.high > 1
    assert wide.within(*METRICS["accuracy"].bounds).high == 1
    assert wide.within(*METRICS["r2"].bounds).low == wide.low
    assert METRICS["rmse"].bounds == (0, np.inf)


def test_what_strict_json_cannot_hold_becomes_none():
    assert Interval(np.float64("nan"), -np.inf, np.float64(0.5)).estimate() == Estimate(None, None, 0.5)
    assert type(Interval(np.float64(0.5), None, None).estimate().mean) is float
