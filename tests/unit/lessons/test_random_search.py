"""Random search down a bowl against its exact theory."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.lessons.random_search import chance, descend, expected_steps, search
from tests.lessons import lesson_of


@pytest.mark.parametrize(("weights", "distance"), [(2, 0.2), (10, 0.5), (40, 0.3)])
def test_the_chance_that_a_step_helps_is_what_sampling_says(weights: int, distance: float) -> None:
    rng = np.random.default_rng(0)
    place = np.zeros(weights)
    place[0] = distance
    steps = 0.2 / np.sqrt(weights) * rng.normal(size=(100_000, weights))
    share = float((np.linalg.norm(place + steps, axis=1) < distance).mean())
    assert share == pytest.approx(chance(weights, distance, 0.2), abs=4 * np.sqrt(share / 100_000))


def test_with_many_weights_the_chance_falls_exponentially() -> None:
    chances = [chance(weights, 0.2, 0.2) for weights in (100, 110, 120)]
    growth = -np.diff(np.log(chances)) / 10
    np.testing.assert_allclose(growth, 1 / 8, rtol=0.05)


@pytest.mark.parametrize("weights", [2, 10, 30])
def test_the_expected_steps_are_those_of_many_searches(weights: int) -> None:
    steps, missed = search(weights, 0.2, 1000, seed=5)
    error = steps.std() / np.sqrt(len(steps))
    assert not missed
    assert steps.mean() == pytest.approx(expected_steps(weights, 0.2), abs=4 * error)


def test_searches_are_the_same_again() -> None:
    np.testing.assert_array_equal(search(5, 0.2, 20, seed=1)[0], search(5, 0.2, 20, seed=1)[0])
    assert search(5, 0.2, 20, seed=1)[0].tolist() != search(5, 0.2, 20, seed=2)[0].tolist()


def test_descent_needs_as_many_steps_whatever_the_number_of_weights() -> None:
    assert {descend(weights) for weights in (2, 20, 200)} == {16}


def test_a_search_that_does_not_arrive_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.lessons.random_search._MOST", 50)
    lesson = lesson_of("random_search", weights=[2, 20, 30], searches=20)
    assert "searches were given up after 50 steps" in lesson.lead
    assert [check.met for check in lesson.checks][1:3] == [False, False]


def test_with_few_weights_the_lesson_says_that_the_effect_did_not_appear() -> None:
    lesson = lesson_of("random_search", weights=[2, 4, 6], searches=50)
    assert not lesson.appeared and lesson.headline.startswith("The effect did not appear: random search needs ")
