"""Every augmenter of texts and sounds: a function of example and seed alone, whatever process or chunk it runs in."""

from __future__ import annotations

import inspect
import json
import pickle
import random
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.augmentation import wordnet
from tasks.augmentation.augmenter import Augmenter, Facts
from tasks.augmentation.sound import SOUND_AUGMENTERS
from tasks.augmentation.text import TEXT_AUGMENTERS
from tasks.spec.entries import bind

N = 10
SEEDS = np.random.default_rng(7).integers(0, 2**63, N).astype(np.uint64)
BOTH = {**TEXT_AUGMENTERS, **SOUND_AUGMENTERS}

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
]


def sounds() -> np.ndarray:
    time = np.arange(4_000) / 8_000
    frequency = np.linspace(200, 900, N)[:, None]
    return (0.5 * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


@pytest.fixture(scope="module", autouse=True)
def small_wordnet(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A WordNet of a few words, where none is installed."""
    if wordnet.folder() is not None:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WNSEARCHDIR", str(write_wordnet(tmp_path_factory.mktemp("wordnet"))))
        yield


def write_wordnet(folder: Path) -> Path:
    """The format of wndb(5WN): one noun's and one adjective's synonyms among a licence's lines."""
    licence = "  1 This is a licence.\n"
    sets = {"noun": [["dog", "hound"], ["car", "auto", "motor_car"]], "verb": [], "adv": [], "adj": [["big", "large"]]}
    known = "fox river bank prize yesterday meeting letter tomorrow rest company house garden number week"
    sets["noun"] += [[word, f"un{word}"] for word in known.split()]
    for part, groups in sets.items():
        data, index = licence, []
        for group in groups:
            words = " ".join(f"{word} 0" for word in group)
            index += [f"{word} {part[0]} 1 0 1 0 {len(data):08d}  " for word in group]
            data += f"{len(data):08d} 05 {part[0]} {len(group):02x} {words} 000 | a meaning\n"
        (folder / f"data.{part}").write_text(data)
        (folder / f"index.{part}").write_text(licence + "".join(f"{line}\n" for line in sorted(index)))
    return folder


def ready(name: str) -> Augmenter:
    made = BOTH[name]()
    return made.learn(values(made)) if made.learn else made


def values(made: Augmenter) -> Any:
    return list(TEXTS) if made.kind == "text" else sounds()


def same(one: Any, other: Any) -> bool:
    return one == other if isinstance(one, list) else bool(np.array_equal(one, other))


@pytest.mark.parametrize("name", BOTH)
class TestEveryAugmenter:
    def test_keeps_what_it_must(self, name: str) -> None:
        made = ready(name)
        given, state, numpy_state = values(made), random.getstate(), str(np.random.get_state())  # noqa: NPY002
        result = made.apply(given, SEEDS)
        assert same(given, values(made)), "what it is given stays"
        assert random.getstate() == state and str(np.random.get_state()) == numpy_state  # noqa: NPY002
        assert len(result) == N and not same(result, given)
        if made.kind == "audio":
            assert result.shape == given.shape and result.dtype == np.float32
            assert np.isfinite(result).all() and np.abs(result).max() <= 1
        else:
            assert all(isinstance(text, str) and text.strip() for text in result)

    def test_depends_on_example_and_seed_alone(self, name: str) -> None:
        made = ready(name)
        given = values(made)
        whole = made.apply(given, SEEDS)
        for start in range(0, N, 3):
            assert same(made.apply(given[start : start + 3], SEEDS[start : start + 3]), whole[start : start + 3])
        assert not same(made.apply(given, SEEDS + np.uint64(1)), whole)

    def test_can_be_pickled(self, name: str) -> None:
        made = ready(name)
        again = pickle.loads(pickle.dumps(made))
        assert same(again.apply(values(made), SEEDS), made.apply(values(made), SEEDS))

    def test_says_all_its_parameters_and_what_it_does(self, name: str) -> None:
        made = BOTH[name]()
        assert made.name == name
        assert made.parameters == json.loads(json.dumps(made.parameters)) == bind(BOTH[name], name, {})
        assert (inspect.getdoc(BOTH[name]) or "").split("\n\n")[0].endswith(".")

    def test_applies_to_its_kind(self, name: str) -> None:
        made = BOTH[name]()
        shape, dtype, rate = ((), "str", None) if made.kind == "text" else ((4_000,), "float32", 8_000)
        assert made.why_not(Facts(made.kind, shape, dtype, rate)) is None


def results(names: list[str]) -> list[Any]:
    return [ready(name).apply(values(BOTH[name]()), SEEDS) for name in names]


@pytest.mark.slow
def test_another_process_gives_the_same() -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        there = pool.submit(results, list(BOTH)).result()
    assert all(map(same, there, results(list(BOTH))))


@pytest.mark.parametrize("name", SOUND_AUGMENTERS)
def test_strength_0_changes_nothing(name: str) -> None:
    (parameter,) = SOUND_AUGMENTERS[name]().parameters
    made = SOUND_AUGMENTERS[name](**{parameter: 0.0})
    np.testing.assert_array_equal(made.apply(sounds(), SEEDS), sounds())


def test_synonyms_are_those_of_the_commonest_sense(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WNSEARCHDIR", str(write_wordnet(tmp_path)))
    assert wordnet.folder() == tmp_path
    assert wordnet.synonyms("dog", tmp_path) == ("hound",)
    assert wordnet.synonyms("car", tmp_path) == ("auto",), "of single words only"
    assert wordnet.synonyms("nonsense", tmp_path) == ()
    text = TEXT_AUGMENTERS["synonyms"](share=1.0).apply(["Big dog, big car."], SEEDS[:1])
    assert text == ["Large hound, large auto."]


def test_without_wordnet_the_plan_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordnet, "folder", lambda: None)
    reason = TEXT_AUGMENTERS["synonyms"]().why_not(Facts("text", (), "str"))
    assert reason is not None and "apt-get install wordnet-base" in reason
    assert TEXT_AUGMENTERS["spelling"]().why_not(Facts("text", (), "str")) is None


def test_inserted_words_are_those_of_the_training_part() -> None:
    made = TEXT_AUGMENTERS["word_insertion"](share=1.0)
    assert made.learn is not None
    (text,) = made.learn(["only these words", "these again"]).apply(["one two three"], SEEDS[:1])
    words = text.split()
    assert len(words) == 6 and set(words) - {"one", "two", "three"} <= {"only", "these", "words", "again"}


def test_a_pitch_shifted_tone_has_another_pitch() -> None:
    shifted = SOUND_AUGMENTERS["pitch"](semitones=6.0).apply(sounds(), SEEDS)
    peaks = [np.abs(np.fft.rfft(each, axis=1))[:, 1:].argmax(axis=1) for each in (sounds(), shifted)]
    ratio = 12 * np.log2(peaks[1] / peaks[0])
    assert (np.abs(ratio) <= 6.5).all() and (np.abs(ratio) > 0.5).sum() >= 6
