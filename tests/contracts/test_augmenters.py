"""Every augmenter of the table, and every Albumentations transform that can be had by its name."""

from __future__ import annotations

import inspect
import json
import pickle
import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest

from tasks.augmentation import library
from tasks.augmentation.augmenter import Augmenter
from tasks.augmentation.table import AUGMENTERS, augmenter
from tasks.dataset import Facts
from tasks.spec.entries import bind
from tests.small_wordnet import installed_wordnet

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
    "pitch": {"semitones": 0.0},
    "speed": {"share": 0.0},
    "sound_noise": {"std": 0.0},
    "time_shift": {"share": 0.0},
    "sound_masking": {"share": 0.0},
    "loudness": {"decibels": 0.0},
}
"""The parameters with which an augmenter leaves everything as it is."""
RATE = 8_000
TEXTS = [
    "The quick brown fox jumps over the lazy dog near the river bank.",
    "Please receive your beautiful prize because it is definitely free!",
    "Where were you yesterday evening? I believe we had a meeting, honestly.",
    "She will probably write a letter tomorrow, and I might separate the rest.",
    "Ok",
    "?!",
    "A very large company bought the little house with a big garden today.",
    "Überall stehen schöne Bäume im Garten und blühen.",
    "Number 12345 costs £99.50 which is really expensive for a small car.",
    "The government said that the weather would change until the weekend.",
    "line one\nline two",
    " spaced  out ",
]


@pytest.fixture(scope="module", autouse=True)
def wordnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with installed_wordnet(tmp_path_factory.mktemp("wordnet")):
        yield


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
    if kind == "text":
        return [list(TEXTS)]
    if kind == "audio":
        angle = 2 * np.pi * np.arange(4_000) / RATE * np.linspace(200, 900, N)[:, None]
        return [(0.5 * np.sin(angle)).astype(np.float32)]
    raise AssertionError(f"no examples of {kind}")


def facts_of(kind: str, values: Any) -> Facts:
    if isinstance(values, list):
        return Facts("text", (), "str")
    rate = RATE if kind == "audio" else None
    return Facts(kind, values.shape[1:], values.dtype.name, rate)


def form_of(values: Any) -> str:
    return "texts" if isinstance(values, list) else f"{values.shape[-1]}-{values.dtype}"


def same(one: Any, other: Any) -> bool:
    return one == other if isinstance(one, list) else np.array_equal(one, other, equal_nan=True)


def joined(parts: list[Any]) -> Any:
    return [text for part in parts for text in part] if isinstance(parts[0], list) else np.concatenate(parts)


CASES = [
    pytest.param(made, values, id=f"{name}-{form_of(values)}")
    for name, made in ((name, factory()) for name, factory in AUGMENTERS.items())
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


def check(made: Augmenter, values: Any) -> Any:
    """What holds for every augmenter; returns what it made."""
    ready = made.learn(values) if made.learn else made
    before, state, numpy_state = values.copy(), random.getstate(), np.random.get_state()  # noqa: NPY002
    result = ready.apply(values, SEEDS)
    assert same(values, before)
    assert random.getstate() == state
    assert str(np.random.get_state()) == str(numpy_state)  # noqa: NPY002
    if made.kind == "text":
        assert len(result) == N and all(isinstance(text, str) and text.strip() for text in result)
    else:
        assert result.shape == values.shape and result.dtype == values.dtype
    if made.kind == "audio":
        assert np.abs(result).max() <= 1
    if made.kind == "image" and values.dtype != np.uint8:
        assert result.min() >= 0 and result.max() <= 1
    pieces = [ready.apply(values[start : start + 5], SEEDS[start : start + 5]) for start in range(0, N, 5)]
    assert same(joined(pieces), result)
    backwards = ready.apply(values[::-1], SEEDS[::-1])
    assert same(backwards[::-1], result)
    return result


@pytest.mark.parametrize(("made", "values"), CASES)
class TestEveryAugmenter:
    def test_keeps_what_it_must(self, made: Augmenter, values: Any) -> None:
        assert made.incompatibility(facts_of(made.kind, values)) is None
        check(made, values)

    def test_another_seed_gives_another_result(self, made: Augmenter, values: Any) -> None:
        ready = made.learn(values) if made.learn else made
        assert not same(ready.apply(values, SEEDS), ready.apply(values, SEEDS + np.uint64(1)))

    def test_can_be_pickled(self, made: Augmenter, values: Any) -> None:
        ready = made.learn(values) if made.learn else made
        again = pickle.loads(pickle.dumps(ready))
        assert same(again.apply(values, SEEDS), ready.apply(values, SEEDS))


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
        if made.incompatibility(facts_of("image", values)) is None:
            check(made, values)


@pytest.mark.parametrize(
    "kinds", [("image", "table"), pytest.param(("text", "audio"), marks=pytest.mark.slow)], ids=" and ".join
)
def test_two_processes_give_the_same_bytes(kinds: tuple[str, str]) -> None:
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        for made, values in (case.values for case in CASES if case.values[0].kind in kinds):
            ready = made.learn(values) if made.learn else made
            halves = [pool.submit(ready.apply, values[half], SEEDS[half]) for half in (slice(0, 6), slice(6, N))]
            assert same(joined([half.result() for half in halves]), ready.apply(values, SEEDS)), made.name


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
