"""Every augmenter of the table, and every Albumentations transform that can be had by its name."""

from __future__ import annotations

import inspect
import json
import pickle
import random
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest

from tasks.augmentation import library
from tasks.augmentation.augmenter import Augmenter, Facts
from tasks.augmentation.table import AUGMENTERS, augmenter
from tasks.spec.entries import bind

N = 12
SEEDS = np.random.default_rng(7).integers(0, 2**63, N).astype(np.uint64)
STRENGTHS = {
    "rotation": {"degrees": 0.0},
    "translation": {"share": 0.0},
    "scaling": {"share": 0.0},
    "crop": {"share": 0.0},
    "brightness_contrast": {"brightness": 0.0, "contrast": 0.0},
    "noise": {"std": 0.0},
    "blur": {"sigma": 0.0},
    "cutout": {"share": 0.0},
    "gaussian_noise": {"std": 0.0},
}
"""The parameters with which an augmenter leaves everything as it is."""


def images(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    values = np.random.default_rng(1).random((N, *shape), np.float32)
    return (values * 255).astype(np.uint8) if dtype == "uint8" else values


def examples(kind: str) -> list[Any]:
    """Values of a kind, in each of the forms that augmenters must take."""
    if kind == "image":
        return [images((10, 12, 1), "uint8"), images((16, 16, 3), "uint8"), images((16, 16, 3), "float32")]
    if kind == "table":
        table = np.random.default_rng(2).normal(5, 3, (N, 4))
        table[3, 1] = table[5, 2] = np.nan
        return [table]
    raise AssertionError(f"no examples of {kind}")


def facts_of(kind: str, values: Any) -> Facts:
    return Facts(kind, values.shape[1:], values.dtype.name)  # type: ignore[arg-type]


CASES = [
    pytest.param(made, values, id=f"{name}-{values.shape[-1]}-{values.dtype}")
    for name, made in ((name, factory()) for name, factory in AUGMENTERS.items())
    if made.kind in ("image", "table")
    for values in examples(made.kind)
]


def by_name() -> list[Any]:
    needed = inspect.Parameter.empty
    more = ("CropAndPad", "LongestMaxSize", "SmallestMaxSize")  # want one argument out of several
    slow = ("Superpixels",)
    return [
        pytest.param(name, marks=pytest.mark.slow) if name in slow else name
        for name in library.names()
        if name not in more and not any(value is needed for value in library.defaults(name).values())
    ]


def check(made: Augmenter, values: np.ndarray) -> np.ndarray:
    """What holds for every augmenter; returns what it made."""
    ready = made.learn(values) if made.learn else made
    before, state, numpy_state = values.copy(), random.getstate(), np.random.get_state()  # noqa: NPY002
    result = ready.apply(values, SEEDS)
    np.testing.assert_array_equal(values, before)
    assert random.getstate() == state
    assert str(np.random.get_state()) == str(numpy_state)  # noqa: NPY002
    assert result.shape == values.shape and result.dtype == values.dtype
    if made.kind == "image" and values.dtype != np.uint8:
        assert result.min() >= 0 and result.max() <= 1
    pieces = [ready.apply(values[start : start + 5], SEEDS[start : start + 5]) for start in range(0, N, 5)]
    np.testing.assert_array_equal(np.concatenate(pieces), result)
    backwards = ready.apply(values[::-1], SEEDS[::-1])
    np.testing.assert_array_equal(backwards[::-1], result)
    return result


@pytest.mark.parametrize(("made", "values"), CASES)
class TestEveryAugmenter:
    def test_keeps_what_it_must(self, made: Augmenter, values: np.ndarray) -> None:
        assert made.why_not(facts_of(made.kind, values)) is None
        check(made, values)

    def test_another_seed_gives_another_result(self, made: Augmenter, values: np.ndarray) -> None:
        ready = made.learn(values) if made.learn else made
        assert not np.array_equal(ready.apply(values, SEEDS), ready.apply(values, SEEDS + np.uint64(1)), equal_nan=True)

    def test_can_be_pickled(self, made: Augmenter, values: np.ndarray) -> None:
        ready = made.learn(values) if made.learn else made
        again = pickle.loads(pickle.dumps(ready))
        np.testing.assert_array_equal(again.apply(values, SEEDS), ready.apply(values, SEEDS))


@pytest.mark.parametrize("name", AUGMENTERS)
def test_parameters_are_complete_plain_json(name: str) -> None:
    made = AUGMENTERS[name]()
    assert made.name == name
    assert made.parameters == json.loads(json.dumps(made.parameters)) == bind(AUGMENTERS[name], name, {})


@pytest.mark.parametrize("name", AUGMENTERS)
def test_has_a_summary_of_one_line(name: str) -> None:
    assert (AUGMENTERS[name].__doc__ or "").split("\n")[0].endswith(".")


@pytest.mark.parametrize("name", STRENGTHS)
def test_strength_0_changes_nothing(name: str) -> None:
    made = augmenter(name, STRENGTHS[name])
    assert isinstance(made, Augmenter)
    for values in examples(made.kind):
        np.testing.assert_array_equal(check(made, values), values)


@pytest.mark.parametrize("name", by_name())
def test_albumentations_by_name(name: str) -> None:
    made = library.transform(name, {})
    again = library.transform(name, json.loads(json.dumps(made.parameters)))
    assert again.parameters == made.parameters
    for values in examples("image"):
        if made.why_not(facts_of("image", values)) is None:
            check(made, values)


def test_two_processes_give_the_same_bytes() -> None:
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        for case in CASES:
            made, values = case.values
            ready = made.learn(values) if made.learn else made
            halves = [pool.submit(ready.apply, values[half], SEEDS[half]) for half in (slice(0, 6), slice(6, N))]
            joined = np.concatenate([half.result() for half in halves])
            assert joined.tobytes() == ready.apply(values, SEEDS).tobytes(), made.name


def test_opencv_s_own_generator_is_left_as_it_was() -> None:
    import cv2

    def drawn() -> np.ndarray:
        cv2.randn(numbers := np.zeros(4), 0, 1)
        return numbers

    cv2.setRNGSeed(5)
    expected = [drawn(), drawn()]
    cv2.setRNGSeed(5)
    first = drawn()
    library.transform("AdditiveNoise", {"noise_type": "gaussian", "p": 1.0}).apply(images((8, 8, 1), "uint8"), SEEDS)
    np.testing.assert_array_equal([first, drawn()], expected)
