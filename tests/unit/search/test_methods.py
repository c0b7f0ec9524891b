"""What each search method does that the others don't."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise
from statistics import median

import numpy as np
import pytest

from tasks.search.method import Observation, even_batches
from tasks.search.methods import METHODS
from tasks.search.points import Settings, inside, key, shape
from tasks.search.space import Choices, Dimension, Range, Setting, Space
from tasks.search.two_stage import narrowed
from tests.bench.search import COMPARED, HARTMANN, RECIPES, accuracy, evaluations, searched

RATE = Dimension("rate", Range(1e-4, 1, log=True))


def suggest(name: str, space: Space, trials: int, seed: int = 0) -> list[Setting]:
    """All settings of a method that learns nothing."""
    return METHODS[name].suggest(space, (), trials, trials, seed)


@pytest.mark.parametrize(
    ("trials", "largest", "sizes"), [(0, 8, []), (8, 8, [8]), (9, 8, [5, 4]), (20, 8, [7, 7, 6]), (3, 8, [3])]
)
def test_batches_are_even(trials: int, largest: int, sizes: list[int]) -> None:
    assert even_batches(trials, largest) == sizes


def test_a_grid_has_every_point_with_equal_shapes_together() -> None:
    space = (
        Dimension("rate", Range(0, 1, step=0.5)),
        Dimension("hidden", Choices(([8], [16])), shapes=True),
        Dimension("batch", Choices((1, 2)), when={"hidden": ([8],)}),
    )
    found = suggest("grid", space, 100)
    every = Settings(space)
    assert sorted(map(key, found)) == sorted(key(every[number]) for number in range(every.number)) and len(found) == 9
    shapes = [key(shape(space, setting)) for setting in found]
    assert sum(one != other for one, other in pairwise(shapes)) == 1


def test_a_sample_of_the_grid_is_drawn_evenly() -> None:
    """Of the 12 settings each is as likely, those under a condition too."""
    space = (
        Dimension("a", Choices(("x", "y", "z"))),
        Dimension("b", Range(1, 10, integer=True), when={"a": ("x",)}),
    )
    counts = Counter(key(setting) for seed in range(1200) for setting in suggest("grid", space, 1, seed))
    assert len(counts) == 12 and min(counts.values()) > 60 and max(counts.values()) < 145


def test_a_grid_needs_points() -> None:
    with pytest.raises(ValueError, match="rate has no list of points"):
        suggest("grid", (RATE,), 5)


def test_a_grid_of_billions_is_sampled_at_once() -> None:
    space = tuple(Dimension(f"d{place}", Range(1, 1000, integer=True)) for place in range(4))
    assert len(suggest("grid", space, 50)) == 50


@pytest.mark.parametrize("name", ["random", "quasi-random"])
def test_draws_are_even_on_each_scale(name: str) -> None:
    space = (
        RATE,
        Dimension("units", Range(1, 64, integer=True, log=True)),
        Dimension("kind", Choices(("a", "b", "c"))),
        Dimension("depth", Range(1, 4, integer=True), when={"kind": ("a", "b")}),
    )
    found = suggest(name, space, 128)
    places = sorted(RATE.over.place(setting["rate"]) for setting in found)
    assert np.abs(np.array(places) - (np.arange(128) + 0.5) / 128).max() < (0.15 if name == "random" else 0.01)
    assert 0.3 < np.mean([setting["units"] < 8 for setting in found]) < 0.7
    kinds = Counter(setting["kind"] for setting in found)
    assert all(28 < kinds[kind] < 58 for kind in "abc")
    depths = Counter(setting["depth"] for setting in found if "depth" in setting)
    assert all(8 < depths[depth] < 35 for depth in (1, 2, 3, 4))


def test_quasi_random_fills_each_power_of_two() -> None:
    """Scrambled Sobol points: of the first 2^m there is one in each of 2^m equal parts of every dimension, and with a
    condition too."""
    space = (RATE, Dimension("kind", Choices(("a", "b"))), Dimension("x", Range(0, 1), when={"kind": ("a",)}))
    found = suggest("quasi-random", space, 64)
    assert sorted(int(64 * RATE.over.place(setting["rate"])) for setting in found) == list(range(64))
    assert Counter(setting["kind"] for setting in found) == {"a": 32, "b": 32}


def test_tpe_asks_in_groups_of_one_shape() -> None:
    seen: list[Observation] = []
    for count in METHODS["tpe"].batches(RECIPES, 32):
        batch = METHODS["tpe"].suggest(RECIPES, seen, count, 32, 0)
        shapes = [key(shape(RECIPES, setting)) for setting in batch]
        assert all(len(set(shapes[start : start + 4])) == 1 for start in (0, 4))
        seen += [Observation(setting, -abs(setting["learning_rate"] - 0.01)) for setting in batch]


def test_tpe_shuns_what_diverged() -> None:
    seen: list[Observation] = []
    for count in METHODS["tpe"].batches((RATE,), 60):
        found = METHODS["tpe"].suggest((RATE,), seen, count, 60, 1)
        seen += [
            Observation(each, None if each["rate"] > 0.01 else -abs(RATE.over.place(each["rate"]) - 0.2))
            for each in found
        ]
    assert np.mean([each.score is None for each in seen[:8]]) > 0.2
    assert np.mean([each.score is None for each in seen[30:]]) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPARED)
def test_what_the_bench_compares_can_be_asked_with_scores_alone(name: str) -> None:
    assert len(searched(METHODS[name], seed=0, trials=20)) == 20
    assert len(searched(METHODS[name], 0, RECIPES, accuracy, trials=20)) == 20


def test_tpe_needs_fewer_evaluations_of_hartmann_than_the_others() -> None:
    needed = {
        name: median(evaluations(searched(METHODS[name], seed, HARTMANN)) for seed in range(5))
        for name in ("random", "quasi-random", "tpe")
    }
    assert needed["tpe"] < 120
    assert needed["tpe"] < min(needed["random"], needed["quasi-random"])


# --- narrowing -----------------------------------------------------------------------------------------------


def observation_of(name: str, scores: dict[float, float | None]) -> list[Observation]:
    return [Observation({name: value}, score) for value, score in scores.items()]


def one(over: Range | Choices, scores: dict) -> Range | Choices:
    """A space of one dimension, narrowed."""
    (dimension,) = narrowed((Dimension("x", over),), observation_of("x", scores))
    return dimension.over


def test_a_range_is_cut_to_the_span_of_the_best_and_a_quarter_more() -> None:
    scores: dict[float, float | None] = {0.3: 9, 0.7: 8, 0.1: 1, 0.2: 2, 0.4: 3, 0.6: 1, 0.8: 0, 0.9: None}
    cut = one(Range(0, 1), scores)
    assert isinstance(cut, Range) and (cut.low, cut.high) == pytest.approx((0.2, 0.8))
    logs = one(Range(1e-5, 1, log=True), {1e-3: 9, 1e-2: 8, 1e-5: 0, 1e-4: 1, 0.1: 0, 1: None})
    assert isinstance(logs, Range) and (logs.low, logs.high) == pytest.approx((10**-3.25, 10**-1.75)) and logs.log


def test_a_cut_is_never_narrower_than_a_tenth() -> None:
    cut = one(Range(0, 10), {5: 9, 5.001: 9, 1: 0, 2: 0, 3: 0, 4: 0, 6: 0, 7: 0})
    assert isinstance(cut, Range) and cut.high - cut.low == pytest.approx(1.001)


def test_a_best_setting_at_the_edge_keeps_the_edge() -> None:
    cut = one(Range(0, 1), {0.96: 9, 0.7: 8, 0.1: 0, 0.2: 0, 0.3: 0, 0.4: 0})
    assert isinstance(cut, Range) and cut.high == 1 and cut.low == pytest.approx(0.635)


def test_a_cut_of_whole_numbers_keeps_to_them() -> None:
    scores: dict[float, float | None] = {4: 9, 6: 8, 2: 0, 8: 0, 10: 0, 12: 0}
    assert one(Range(0, 20, integer=True, step=2), scores) == Range(4, 6, integer=True, step=2)
    cut = one(Range(1, 1024, integer=True, log=True), {8: 9, 32: 8, 1: 0, 2: 0, 500: 0, 600: 0})
    assert cut == Range(6, 45, integer=True, log=True)


def test_choices_keep_those_of_the_best_in_order() -> None:
    space = (Dimension("x", Choices(([1], "b", None, 3))),)
    values = [None, [1], [1], "b", 3, 3, "b", 3]
    seen = [Observation({"x": value}, -float(place)) for place, value in enumerate(values)]
    assert narrowed(space, seen)[0].over == Choices(([1], None))


def test_ties_stay_together_and_what_diverged_stays_out() -> None:
    over = Range(0, 1)
    assert one(over, {0.1: 1, 0.3: 1, 0.5: 1, 0.7: 1, 0.9: 1}) == over
    assert one(over, {0.1: None, 0.3: None, 0.5: 1}) == over
    assert one(over, {0.1: None, 0.9: None}) == over


def test_what_too_few_of_the_best_have_stays_as_it_is() -> None:
    space = (Dimension("kind", Choices(("a", "b"))), Dimension("x", Range(0, 1), when={"kind": ("a",)}))
    seen = [
        Observation({"kind": "b"}, 9.0),
        Observation({"kind": "b"}, 8.0),
        Observation({"kind": "a", "x": 0.5}, 0.0),
    ]
    assert narrowed(space, seen) == (Dimension("kind", Choices(("b",))), space[1])


def test_two_stages_are_random_and_then_inside_the_narrowed_space() -> None:
    method, seen = METHODS["two-stage"], list[Observation]()
    for count in method.batches(RECIPES, 40):
        found = method.suggest(RECIPES, seen, count, 40, 2)
        seen += [Observation(each, -abs(RECIPES[1].over.place(each["learning_rate"]) - 0.7)) for each in found]
    assert [each.setting for each in seen[:20]] == suggest("random", RECIPES, 20, 2)
    within = narrowed(RECIPES, seen[:20])
    assert all(inside(within, each.setting) for each in seen[20:])
    assert not all(inside(within, each.setting) for each in seen[:20])


@pytest.mark.parametrize("seed", range(6))
def test_the_second_stage_goes_on_outside_of_a_narrowed_space_that_is_tried_whole(seed: int) -> None:
    space = (
        Dimension("batch_size", Choices((32, 64, 128)), shapes=True),
        Dimension("layers", Choices((1, 2, 3)), shapes=True),
        Dimension("dropout", Choices((0.1, 0.2))),
    )
    method, seen, scores = METHODS["two-stage"], list[Observation](), random.Random(seed)
    for count in method.batches(space, 18):
        seen += [Observation(each, scores.random()) for each in method.suggest(space, seen, count, 18, seed)]
    assert len({key(each.setting) for each in seen}) == 18
