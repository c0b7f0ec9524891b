"""Intervals of areas: their parts against closed forms and published values, and where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from tasks.evaluation import areas
from tasks.evaluation.metrics import METRICS

ROC, PR = METRICS["roc_auc"], METRICS["pr_auc"]


def _scores(rows: int = 200, share: float = 0.3, decimals: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = (np.arange(rows) < share * rows).astype(int)
    score = np.round(1 / (1 + np.exp(-1.5 * target - rng.normal(size=rows))), decimals)
    return target, np.column_stack([1 - score, score])


@pytest.mark.parametrize("decimals", [8, 1])
def test_delong_against_all_pairs(decimals: int):
    """Variances of the shares of pairs won, by positive and by negative; ties are half a win."""
    target, prediction = _scores(decimals=decimals)
    positive, score = target == 1, prediction[:, 1]
    area, influence = areas._roc(positive, score)
    wins = np.sign(score[positive][:, None] - score[~positive]) / 2 + 0.5
    m, n = wins.shape
    variance = wins.mean(axis=1).var(ddof=1) / m + wins.mean(axis=0).var(ddof=1) / n
    assert area == pytest.approx(roc_auc_score(target, score))
    assert influence @ influence == pytest.approx(variance)


def test_newcombes_method_5_solves_its_equation():
    """Each end lies z standard errors away, taken at the end, with (m + n) / 2 - 1 for m - 1 and n - 1."""
    for end, sign in zip(areas._newcombe(0.9, 20, 50, 1.96), (-1, 1), strict=True):
        spread = 1 + 34 * (1 - end) / (2 - end) + 34 * end / (1 + end)
        assert end == pytest.approx(0.9 + sign * 1.96 * (end * (1 - end) * spread / 1000) ** 0.5, abs=1e-9)


def test_newcombes_method_5_at_the_bounds():
    low, high = areas._newcombe(1.0, 30, 30, 1.96)
    assert 0.8 < low < 0.95
    assert high == pytest.approx(1.0)
    assert areas._newcombe(0.0, 30, 30, 1.96) == pytest.approx((0.0, 1 - low))


@pytest.mark.parametrize("decimals", [8, 1])
def test_average_precisions_influence_is_its_derivative_by_weights(decimals: int):
    target, prediction = _scores(60, decimals=decimals)
    area, influence = areas._average_precision(target == 1, prediction[:, 1])
    assert area == pytest.approx(average_precision_score(target, prediction[:, 1]))
    step = 1e-6 * np.eye(60)
    values = PR.resampled(target, prediction)
    np.testing.assert_allclose((values(1 + step) - values(1 - step)) / 2e-6, influence, atol=1e-8)


@pytest.mark.parametrize("metric", [ROC, PR])
@pytest.mark.parametrize("rows", [(29, 100), (100, 29)])
def test_fewer_than_30_rows_of_either_class_are_too_few(metric, rows: tuple[int, int]):
    target = np.repeat([1, 0], rows)
    score = np.random.default_rng(0).random(len(target))
    found = metric.over_rows(target, np.column_stack([1 - score, score]), 0.95)
    assert np.isfinite(found.mean)
    assert (found.low, found.reason) == (None, "the rarer class has 29 test rows, and 30 are needed")


@pytest.mark.parametrize("metric", [ROC, PR])
def test_a_perfect_ranking_is_no_proof(metric):
    target = np.repeat([1, 0], [40, 100])
    found = metric.over_rows(target, np.eye(2)[target], 0.95)
    assert (found.mean, found.high) == (1.0, 1.0)
    assert 0.75 < found.low < 0.99


@pytest.mark.parametrize("metric", [ROC, PR])
def test_more_confidence_and_fewer_rows_widen(metric):
    target, prediction = _scores(300)
    usual, sure = (metric.over_rows(target, prediction, confidence) for confidence in (0.9, 0.99))
    assert sure.low < usual.low < usual.mean < usual.high < sure.high
    fewer = metric.over_rows(target[::2], prediction[::2], 0.9)
    assert fewer.high - fewer.low > usual.high - usual.low


@pytest.mark.parametrize("metric", [ROC, PR])
def test_groups_of_one_row_are_rows_and_copies_count_once(metric):
    target, prediction = _scores(300)
    plain = metric.over_rows(target, prediction, 0.95)
    names = np.array([f"row {i}" for i in range(300)])
    alone = metric.over_rows(target, prediction, 0.95, names)
    assert (alone.low, alone.high) == pytest.approx((plain.low, plain.high), rel=1e-9)
    copied = metric.over_rows(np.repeat(target, 4), np.repeat(prediction, 4, axis=0), 0.95, np.repeat(names, 4))
    assert (copied.low, copied.high) == pytest.approx((plain.low, plain.high), abs=0.005)


def test_three_classes_alike_have_the_area_of_their_mean():
    rng = np.random.default_rng(0)
    target = np.arange(300) % 3
    prediction = rng.dirichlet(np.ones(3), 300) + 0.5 * np.eye(3)[target]
    prediction /= prediction.sum(axis=1, keepdims=True)
    found = ROC.over_rows(target, prediction, 0.95)
    of_each = [ROC.over_rows(target, prediction, 0.95, positive=k) for k in range(3)]
    assert found.mean == pytest.approx(np.mean([each.mean for each in of_each]))
    assert found.low >= np.mean([each.low for each in of_each]) - 1e-9  # no wider than if the classes moved together
    rare = ROC.over_rows(np.minimum(target, 1) + (np.arange(300) == 0) * 2, prediction, 0.95)
    assert rare.reason == "one class has 1 test rows, and 30 are needed"
