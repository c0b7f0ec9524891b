"""ROC and precision-recall curves against scikit-learn's, and what their bands must keep; how often they hold is
measured by `tests.bench.curves`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from tasks.evaluation.ranking import mean_of, precision_recall, roc
from tasks.evaluation.shares import clopper_pearson


def ranked(rows: int, positives: int, *, seed: int = 0, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    positive = np.arange(rows) < positives
    score = positive + rng.normal(size=rows)
    return positive, np.round(score, 1 if ties else 12)


@st.composite
def parts(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    rows = draw(st.integers(2, 60))
    return ranked(rows, draw(st.integers(1, rows - 1)), seed=draw(st.integers(0, 99)), ties=draw(st.booleans()))


@given(parts())
@settings(deadline=None)
def test_curves_and_areas_are_scikit_learns(part: tuple[np.ndarray, np.ndarray]):
    positive, score = part
    curve = roc(positive, score, 0.95)
    rate, found, _ = roc_curve(positive, score, drop_intermediate=False)
    # Where scikit-learn's curve rises straight up, the upper end is meant.
    last = np.searchsorted(rate, curve.x, "right") - 1
    corner = np.isclose(rate[last], curve.x)
    assert curve.y[corner] == pytest.approx(found[last][corner])
    assert curve.area == pytest.approx(roc_auc_score(positive, score))
    curve = precision_recall(positive, score, 0.95)
    precision, recall, _ = precision_recall_curve(positive, score)
    for x, y in zip(curve.x, curve.y, strict=True):
        # Of the thresholds that find as many, the highest: scikit-learn lists them last.
        place = np.flatnonzero(recall[:-1] >= x - 1e-9)[-1] if x > 0 else len(recall) - 2
        assert y == pytest.approx(precision[place])
    assert curve.area == pytest.approx(average_precision_score(positive, score))


@pytest.mark.parametrize("curve", [roc, precision_recall])
@given(parts(), st.sampled_from([None, 2, 5]))
@settings(deadline=None)
def test_a_band_holds_its_curve_and_stays_within_0_and_1(curve, part: tuple[np.ndarray, np.ndarray], size: int | None):
    positive, score = part
    groups = None if size is None else (np.arange(len(score)) // size).astype(str)
    found = curve(positive, score, 0.95, groups)
    assert found.x[0] == 0 and found.x[-1] == 1 and (np.diff(found.x) > 0).all()
    assert len(found.x) <= 200
    assert (found.low >= 0).all() and (found.high <= 1 + 1e-12).all()
    assert (found.low <= found.y + 1e-12).all() and (found.y <= found.high + 1e-12).all()


@pytest.mark.parametrize("curve", [roc, precision_recall])
def test_a_band_is_wider_for_more_confidence_fewer_rows_and_rows_in_groups(curve):
    def width(rows: int, confidence: float, groups: np.ndarray | None = None) -> float:
        found = curve(*ranked(rows, rows // 3), confidence, groups)
        return float(np.mean(found.high - found.low))

    assert width(300, 0.99) > width(300, 0.9)
    assert width(100, 0.95) > width(1000, 0.95)
    together = np.repeat(np.arange(60), 5)
    positive = np.arange(300) % 60 < 20
    score = np.tile(np.random.default_rng(0).normal(size=60), 5) + np.tile(positive[:60], 5)
    alike = np.tile(np.arange(60), 5)  # five rows of a group have one score
    grouped, alone = (curve(positive, score, 0.95, groups) for groups in (alike, None))
    assert np.mean(grouped.high - grouped.low) > np.mean(alone.high - alone.low)
    assert len(together) == len(alike)


def test_where_one_rate_is_certain_the_band_is_the_other_ones_exact_interval():
    """A million negatives leave no doubt of the false positive rate: what is left is Clopper and Pearson's."""
    score = np.r_[np.full(12, 2.0), np.full(8, 0.0), np.ones(1_000_000)]
    positive = np.arange(len(score)) < 20
    found = roc(positive, score, 0.95)
    low, high = clopper_pearson(12, 20, 0.95)
    middle = np.searchsorted(found.x, 0.5)
    assert found.low[middle] == pytest.approx(low, abs=0.01)
    assert found.high[middle] == pytest.approx(high, abs=0.01)


def test_rows_of_one_group_say_nothing():
    positive, score = ranked(100, 40)
    for curve in (roc, precision_recall):
        found = curve(positive, score, 0.95, np.full(100, "lucas"))
        inside = (found.x > 0) & (found.x < 1)
        assert (found.low[inside] == 0).all() and (found.high[inside] == 1).all()


def test_the_macro_average_is_the_mean_at_each_place():
    curves = [roc(*ranked(200, count, seed=count), 0.95) for count in (20, 60, 100)]
    mean = mean_of(curves)
    assert mean.area == pytest.approx(np.mean([curve.area for curve in curves]))
    at = [curve.y[np.searchsorted(curve.x, 0.25)] for curve in curves]
    assert mean.y[25] == pytest.approx(np.mean(at))
    assert ((mean.low <= mean.y) & (mean.y <= mean.high)).all()


def test_many_rows_take_no_long_time_and_few_points():
    positive, score = ranked(200_000, 1_000)
    found = precision_recall(positive, score, 0.95)
    assert len(found.x) <= 200
    narrow = found.high - found.low
    assert narrow[np.searchsorted(found.x, 0.5)] < 0.05
