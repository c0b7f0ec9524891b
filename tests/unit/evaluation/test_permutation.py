"""Permutation importance: exact where a model ignores an input, and seldom wrong about noise."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.evaluation.intervals import Array, Interval
from tasks.evaluation.metrics import METRICS
from tasks.evaluation.permutation import REPEATS, drop


def shuffled(inputs: Array, column: int, rng: np.random.Generator) -> list[Array]:
    found = [inputs.copy() for _ in range(REPEATS)]
    for each in found:
        each[:, column] = rng.permutation(each[:, column])
    return found


def of_linear(
    weights: Array, column: int, rng: np.random.Generator, rows: int = 400, confidence: float = 0.95
) -> Interval:
    """The drop in R squared of a linear model of independent inputs, whose target is the first input and noise."""
    inputs = rng.normal(size=(rows, len(weights)))
    target = inputs[:, 0] + rng.normal(size=rows)
    answers = [each @ weights for each in (inputs, *shuffled(inputs, column, rng))]
    return drop(METRICS["r2"], target, answers[0], answers[1:], confidence)


def test_an_input_that_the_model_ignores_has_a_drop_of_zero() -> None:
    found = of_linear(np.array([1.0, 0.0]), 1, np.random.default_rng(0))
    assert (found.mean, found.low, found.high) == (0.0, 0.0, 0.0)


def test_the_drop_is_what_theory_says() -> None:
    """The squared error grows by twice the input's share of the answers' variance: R squared falls from 1/2 by 1."""
    rng = np.random.default_rng(1)
    found = [of_linear(np.array([1.0]), 0, rng, rows=300) for _ in range(100)]
    assert np.mean([each.mean for each in found]) == pytest.approx(1.0, abs=0.04)
    # Of 100 intervals of a true 95% fewer than 89 hold in 0.4%.
    assert sum((each.low or 0) < 1.0 < (each.high or 0) for each in found) >= 89


def test_an_error_that_grows_is_a_drop_too() -> None:
    rng = np.random.default_rng(2)
    inputs = rng.normal(size=(300, 1))
    answers = [each[:, 0] for each in (inputs, *shuffled(inputs, 0, rng))]
    assert drop(METRICS["rmse"], inputs[:, 0], answers[0], answers[1:], 0.95).mean > 1


def test_noise_that_a_model_uses_is_seldom_taken_for_more() -> None:
    """An overfitted weight on noise neither helps nor hurts on new rows on average: 20 inputs, looked at together."""
    rng = np.random.default_rng(3)
    weights = np.concatenate([[1.0], rng.normal(scale=0.2, size=20)])
    alarms = 0
    for _ in range(20):
        found = [of_linear(weights, 1 + at, rng, rows=200, confidence=1 - 0.05 / 20) for at in range(20)]
        # What noise adds to the error stays when it is shuffled.
        alarms += any(each.low is not None and each.low > 0 for each in found)
    assert alarms <= 3  # of 20; of a true rate of 5% more happen in under 2%


def test_rows_of_one_group_count_together() -> None:
    rng = np.random.default_rng(4)
    inputs = rng.normal(size=(300, 1))
    target = inputs[:, 0] + rng.normal(size=300)
    answers = [each[:, 0] for each in (inputs, *shuffled(inputs, 0, rng))]
    one = drop(METRICS["mae"], target, answers[0], answers[1:], 0.95, groups=np.zeros(300))
    assert one.low is None and np.isfinite(one.mean)
