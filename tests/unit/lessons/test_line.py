"""A line by descent against its closed form."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.lessons.line import made, path
from tests.lessons import lesson_of


@pytest.mark.parametrize("origin", [0.0, 20.0, 30.0])
def test_the_closed_form_is_the_least_squares_line(origin: float) -> None:
    births = made(500, origin, seed=1)
    solution, *_ = np.linalg.lstsq(births.inputs, births.pounds, rcond=None)
    np.testing.assert_allclose(births.best, solution, rtol=1e-9)
    np.testing.assert_allclose(births.gradient(births.best[None]), 0, atol=1e-9)


def test_the_gradient_is_that_of_the_mean_squared_error() -> None:
    births, at, small = made(50, 20.0, seed=0), np.array([[5.0, 1.0]]), 1e-6
    differences = [
        (births.rmse(at + small * move)[0] ** 2 - births.rmse(at - small * move)[0] ** 2) / (2 * small)
        for move in np.eye(2)
    ]
    np.testing.assert_allclose(births.gradient(at)[0], differences, rtol=1e-5)


def test_made_births_have_the_figures_of_the_real_ones() -> None:
    births = made(200_000, 20.0, seed=0)
    np.testing.assert_allclose(births.best, [7.11, 0.147], atol=0.03)
    assert births.rmse(births.best[None])[0] == pytest.approx(1.33, abs=0.01)


@pytest.mark.parametrize("length", [0.02, 0.3])
def test_a_fixed_step_is_always_as_long(length: float) -> None:
    steps = np.diff(path(made(100, 20.0, seed=0), length, fixed=True), axis=0)
    np.testing.assert_allclose(np.linalg.norm(steps, axis=1), length)


def test_a_step_of_half_the_inverse_curvature_arrives_at_once_along_it() -> None:
    births = made(300, 27.0, seed=0)
    (_, steep), directions = births.curvatures
    left = (path(births, 1 / steep)[1] - births.best) @ directions
    assert left[1] == pytest.approx(0, abs=1e-9) and abs(left[0]) > 0.01


@pytest.mark.parametrize("change", [{"step": 1.2}, {"origin": 0.0}])
def test_where_the_good_rate_does_not_arrive_the_lesson_says_so(change: dict[str, float]) -> None:
    lesson = lesson_of("line", **change)
    assert not lesson.appeared and lesson.headline.startswith("The effect did not appear: after 60 steps")
