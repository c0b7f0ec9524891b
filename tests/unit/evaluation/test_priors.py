"""Figures at other class shares than those of the rows, against rows that have these shares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.choice import corrected
from tasks.evaluation.metrics import CLASSIFICATION, COST, METRICS, metrics_for
from tasks.evaluation.priors import weights


def rows(classes: int, count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(classes)
    target = rng.integers(0, classes, count)
    target[:classes] = np.arange(classes)
    return target, rng.dirichlet(np.ones(classes), count)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("positive", [None, 0])
@pytest.mark.parametrize("name", [name for name in metrics_for(CLASSIFICATION) if name != COST])
def test_a_figure_is_that_of_rows_repeated_until_they_have_the_shares(
    name: str, positive: int | None, classes: int
) -> None:
    target, prediction = rows(classes)
    times = np.array([1, 3, 7])[target]
    counts = np.bincount(target, times, minlength=classes)
    metric, prior = METRICS[name], counts / counts.sum()
    repeated = metric.function(np.repeat(target, times), np.repeat(prediction, times, axis=0), positive)
    assert metric.function(target, prediction, positive, prior) == pytest.approx(repeated)


@pytest.mark.parametrize("name", [name for name in metrics_for(CLASSIFICATION) if name != COST])
def test_at_the_rows_own_shares_a_figure_is_the_same_and_its_interval_no_wider_than_twice(name: str) -> None:
    target, prediction = rows(2, 400)
    prior = np.bincount(target) / len(target)
    metric = METRICS[name]
    plain, found = metric.over_rows(target, prediction, 0.95), metric.over_rows(target, prediction, 0.95, prior=prior)
    assert found.mean == pytest.approx(plain.mean)
    if found.low is None or found.high is None or plain.low is None or plain.high is None:
        assert found.reason == "with given class shares no interval is known"
        return
    assert 0.5 < (found.high - found.low) / (plain.high - plain.low) < 2


def test_what_speaks_of_each_class_alone_is_the_same_at_all_shares() -> None:
    target, prediction = rows(2)
    for name in ("recall", "balanced_accuracy", "roc_auc"):
        plain = METRICS[name].over_rows(target, prediction, 0.95, positive=0)
        moved = METRICS[name].over_rows(target, prediction, 0.95, positive=0, prior=(0.9, 0.1))
        assert (moved.low, moved.high) == (plain.low, plain.high) and moved.mean == pytest.approx(plain.mean)


def test_a_class_without_rows_leaves_the_figure_and_takes_the_interval() -> None:
    target, prediction = np.zeros(40, np.int64), np.tile([0.7, 0.3], (40, 1))
    found = METRICS["accuracy"].over_rows(target, prediction, 0.95, prior=(0.5, 0.5))
    assert found.mean == 1 and found.low is None and "no test row is of 1 of the 2 classes" in (found.reason or "")


@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=8), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_corrected_probabilities_are_those_at_the_real_share(
    positive: list[float], trained: float, real: float
) -> None:
    """By Bayes' rule, from the ratio of the likelihoods."""
    p = np.array(positive)
    ratio = p / (1 - p) * (1 - trained) / trained
    expected = ratio * real / (ratio * real + 1 - real)
    factors = ((1 - real) / (1 - trained), real / trained)
    found = corrected(np.column_stack([1 - p, p]), factors)
    np.testing.assert_allclose(found, np.column_stack([1 - expected, expected]), atol=1e-12)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=20))
def test_weights_give_the_classes_that_occur_their_shares(target: list[int]) -> None:
    prior = np.array([0.7, 0.2, 0.1])
    found = weights(np.array(target), prior)
    share = np.bincount(target, found, minlength=3) / len(target)
    wanted = np.where(np.bincount(target, minlength=3) > 0, prior, 0)
    np.testing.assert_allclose(share, wanted / wanted.sum())
