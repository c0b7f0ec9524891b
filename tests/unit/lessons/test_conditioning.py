"""The rates of descent and momentum, against their closed forms and against a matrix that is not diagonal."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.lessons.conditioning import measure, rates
from tasks.lessons.descent import steps_of
from tasks.training.optimizers import OPTIMIZERS
from tests.lessons import lesson_of


@pytest.mark.parametrize("k", [1.5, 7.0, 50.0, 2500.0])
@pytest.mark.parametrize("method", ["sgd", "momentum"])
@pytest.mark.parametrize("weights", [2, 25])
def test_a_rate_is_that_of_theory(method: str, k: float, weights: int) -> None:
    assert np.log(measure(method, k, weights, 1.0).rate) == pytest.approx(np.log(rates(k)[method]), rel=0.02)


def test_half_of_the_best_step_has_its_own_rate() -> None:
    assert measure("sgd", 100.0, 5, 0.5).rate == pytest.approx(1 - 1 / 101, rel=1e-4)


def test_to_turn_the_axes_changes_nothing() -> None:
    curvatures = np.array([1.0, 4.0, 30.0])
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    start, rate = np.ones((1, 3)), 2 / 31
    straight = steps_of(OPTIMIZERS["momentum"](), lambda w: curvatures * w, start, rate)
    turned = steps_of(OPTIMIZERS["momentum"](), lambda w: w @ (turn * curvatures) @ turn.T, start @ turn.T, rate)
    for _ in range(50):
        np.testing.assert_allclose(np.linalg.norm(next(turned)), np.linalg.norm(next(straight)), rtol=1e-9)


def test_where_the_steps_are_too_long_the_lesson_says_so() -> None:
    lesson = lesson_of("conditioning", step=1.1)
    assert not lesson.appeared
    assert lesson.headline.startswith("The effect did not appear: 18 of 18")
    assert "grew instead of shrinking" in lesson.lead
    assert None in [check.measured for check in lesson.checks]
