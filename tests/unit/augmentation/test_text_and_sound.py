"""What augmenters of texts and sounds do beyond the contract of every augmenter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.augmentation import wordnet
from tasks.augmentation.sound import SOUND_AUGMENTERS
from tasks.augmentation.text import TEXT_AUGMENTERS
from tasks.dataset import Facts
from tests.small_wordnet import write_wordnet

SEEDS = np.random.default_rng(7).integers(0, 2**63, 10).astype(np.uint64)


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
    reason = TEXT_AUGMENTERS["synonyms"]().incompatibility(Facts("text", (), "str"))
    assert reason is not None and "apt-get install wordnet-base" in reason
    assert TEXT_AUGMENTERS["spelling"]().incompatibility(Facts("text", (), "str")) is None


def test_inserted_words_are_those_of_the_training_part() -> None:
    made = TEXT_AUGMENTERS["word_insertion"](share=1.0)
    assert made.learn is not None
    (text,) = made.learn(["only these words", "these again"]).apply(["one two three"], SEEDS[:1])
    words = text.split()
    assert len(words) == 6 and set(words) - {"one", "two", "three"} <= {"only", "these", "words", "again"}


def test_a_pitch_shifted_tone_has_another_pitch() -> None:
    angle = 2 * np.pi * np.arange(4_000) / 8_000 * np.linspace(200, 900, 10)[:, None]
    sounds = (0.5 * np.sin(angle)).astype(np.float32)
    shifted = SOUND_AUGMENTERS["pitch"](semitones=6.0).apply(sounds, SEEDS)
    peaks = [np.abs(np.fft.rfft(each, axis=1))[:, 1:].argmax(axis=1) for each in (sounds, shifted)]
    ratio = 12 * np.log2(peaks[1] / peaks[0])
    assert (np.abs(ratio) <= 6.5).all() and (np.abs(ratio) > 0.5).sum() >= 6
