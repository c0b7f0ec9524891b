"""What holds for every metric of the table; a new entry is tested without a line added."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.evaluation.metrics import METRICS, Metric, check_metric, default_metrics, metrics_for

ROWS = 60
TASKS = ("classification", "regression")


def _example(metric: Metric, seed: int = 0, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    if metric.reads == "cost":  # of each row its own, and what other answers would have cost
        return np.zeros(ROWS), rng.choice([0.0, 1.0, 5.0], (ROWS, 1 + classes))
    if "regression" in metric.tasks:
        target = rng.normal(10, 3, ROWS)
        return target, target + rng.normal(size=ROWS)
    return rng.integers(classes, size=ROWS), rng.dirichlet(np.ones(classes), ROWS)


def _perfect(metric: Metric, target: np.ndarray) -> np.ndarray:
    if metric.reads == "cost":
        return np.zeros((ROWS, 4))
    return target.copy() if "regression" in metric.tasks else np.eye(3)[target]


every_metric = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)


@every_metric
def test_is_described(metric: Metric):
    assert METRICS[metric.name] is metric
    assert metric.title and metric.range
    assert metric.tasks and metric.tasks <= set(TASKS)
    assert metric.sign == (1 if metric.greater_is_better else -1)


@every_metric
@pytest.mark.parametrize("classes", [2, 3])
def test_weights_are_repeated_rows(metric: Metric, classes: int):
    target, prediction = _example(metric, classes=classes)
    counts = np.random.default_rng(1).integers(0, 4, size=(5, ROWS))
    values = metric.resampled(target, prediction)(counts.astype(float))
    assert values.shape == (5,)
    for value, count in zip(values, counts, strict=True):
        again = metric.function(np.repeat(target, count), np.repeat(prediction, count, axis=0))
        assert value == pytest.approx(again, rel=1e-12)


@every_metric
def test_does_not_depend_on_the_order_of_rows(metric: Metric):
    target, prediction = _example(metric)
    order = np.random.default_rng(2).permutation(ROWS)
    shuffled = metric.function(target[order], prediction[order])
    assert shuffled == pytest.approx(metric.function(target, prediction), rel=1e-12)


@every_metric
def test_perfect_predictions_are_best(metric: Metric):
    target, prediction = _example(metric)
    best = metric.function(target, _perfect(metric, target))
    assert metric.sign * best > metric.sign * metric.function(target, prediction)
    assert best == pytest.approx(1.0 if metric.greater_is_better else 0.0, abs=1e-12)


@every_metric
def test_predictions_that_are_not_finite_give_nan(metric: Metric):
    target, prediction = _example(metric)
    for bad in (np.nan, np.inf):
        prediction[3] = bad
        assert np.isnan(metric.function(target, prediction))


@every_metric
def test_no_rows_give_nan(metric: Metric):
    target, prediction = _example(metric)
    assert np.isnan(metric.function(target[:0], prediction[:0]))


@every_metric
def test_a_resample_without_weight_gives_nan(metric: Metric):
    target, prediction = _example(metric)
    assert np.isnan(metric.resampled(target, prediction)(np.zeros((1, ROWS)))).all()


@every_metric
def test_wrong_shapes_are_a_defect(metric: Metric):
    target, prediction = _example(metric)
    with pytest.raises(ValueError, match=f"{metric.name}.*do not fit"):
        metric.function(target[:-1], prediction)
    with pytest.raises(ValueError, match="do not fit"):
        metric.function(target, prediction[:, None])


@pytest.mark.parametrize("task", TASKS)
def test_defaults_are_metrics_of_the_task(task: str):
    assert set(default_metrics(task)) <= set(metrics_for(task))
    for name in metrics_for(task):
        check_metric(name, task)
