"""Augmenters of texts: words and characters changed, by nlpaug, by WordNet, or from the training part's own words."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from tasks.augmentation import wordnet
from tasks.augmentation.augmenter import Augmenter
from tasks.augmentation.seeds import global_generators_kept
from tasks.dataset import Facts
from tasks.ranges import Share

_MOST = 1_000
"""The most changes that nlpaug may make in one text; its own limit of 10 would leave long texts nearly as they are."""
_WORD = re.compile(r"[A-Za-z]{3,}")


def synonyms(*, share: Share = 0.1) -> Augmenter:
    """Replaces a share of the words that WordNet knows by synonyms in their commonest sense (Miller 1995)."""
    return Augmenter("synonyms", "text", {"share": share}, partial(_synonyms, share=share), _no_wordnet)


def word_insertion(*, share: Share = 0.1) -> Augmenter:
    """Inserts words of the training part, drawn by their TF-IDF weight there, one for each 1 / share words."""
    made = Augmenter("word_insertion", "text", {"share": share}, _unlearned)
    return replace(made, learn=partial(_learn_insertion, made=made, share=share))


def word_swap(*, share: Share = 0.1) -> Augmenter:
    """Swaps a share of the words with a neighbour."""
    return _by_nlpaug("word_swap", {"share": share}, "RandomWordAug", action="swap", aug_p=share)


def word_deletion(*, share: Share = 0.1) -> Augmenter:
    """Leaves a share of the words out."""
    return _by_nlpaug("word_deletion", {"share": share}, "RandomWordAug", action="delete", aug_p=share)


def spelling(*, share: Share = 0.1) -> Augmenter:
    """Replaces a share of the words by misspellings that people make."""
    return _by_nlpaug("spelling", {"share": share}, "SpellingAug", aug_p=share)


def splitting(*, share: Share = 0.1) -> Augmenter:
    """Splits a share of the words in two."""
    return _by_nlpaug("splitting", {"share": share}, "SplitAug", aug_p=share)


def keyboard(*, share: Share = 0.1) -> Augmenter:
    """Puts characters of neighbouring keys into a share of the words."""
    return _by_nlpaug("keyboard", {"share": share}, "KeyboardAug", aug_word_p=share, aug_char_p=0.1)


def ocr(*, share: Share = 0.1) -> Augmenter:
    """Mistakes characters for others in a share of the words, as optical recognition does."""
    return _by_nlpaug("ocr", {"share": share}, "OcrAug", aug_word_p=share, aug_char_p=0.1, aug_char_min=1)


def character_noise(*, share: Share = 0.1) -> Augmenter:
    """Puts any characters into a share of the words."""
    arguments = {"action": "substitute", "aug_word_p": share, "aug_char_p": 0.1}
    return _by_nlpaug("character_noise", {"share": share}, "RandomCharAug", **arguments)


TEXT_AUGMENTERS: dict[str, Callable[..., Augmenter]] = {
    "synonyms": synonyms,
    "word_insertion": word_insertion,
    "word_swap": word_swap,
    "word_deletion": word_deletion,
    "spelling": spelling,
    "splitting": splitting,
    "keyboard": keyboard,
    "ocr": ocr,
    "character_noise": character_noise,
}


def _by_nlpaug(name: str, parameters: dict[str, Any], library_name: str, **arguments: Any) -> Augmenter:
    limits = ["aug_word_max", "aug_char_max"] if "aug_word_p" in arguments else ["aug_max"]
    complete = tuple(sorted((arguments | dict.fromkeys(limits, _MOST)).items()))
    return Augmenter(name, "text", parameters, partial(_nlpaug, library_name=library_name, arguments=complete))


@cache
def _made(library_name: str, arguments: tuple[tuple[str, Any], ...]) -> Any:
    from nlpaug.augmenter import char, word

    made = getattr(char if hasattr(char, library_name) else word, library_name)(
        tokenizer=str.split,  # its own takes punctuation off words, and puts it back with blanks
        reverse_tokenizer=" ".join,
        **dict(arguments),
    )
    if library_name == "SpellingAug":  # its lists were made from sets, whose order differs in each process
        made.model.dict = {correct: sorted(wrong) for correct, wrong in made.model.dict.items()}
    return made


def _nlpaug(
    texts: list[str], seeds: np.ndarray, *, library_name: str, arguments: tuple[tuple[str, Any], ...]
) -> list[str]:
    with global_generators_kept():  # nlpaug draws from both, even while it is imported
        made = _made(library_name, arguments)
        return [_changed(made, text, seed) for text, seed in zip(texts, seeds.tolist(), strict=True)]


def _changed(made: Any, text: str, seed: int) -> str:
    random.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)  # noqa: NPY002
    results = made.augment(text)
    return results[0] if results and results[0].strip() else text


def _no_wordnet(facts: Facts) -> str | None:
    if wordnet.folder() is not None:
        return None
    return (
        "needs WordNet, which is not installed: apt-get install wordnet-base, or name its folder in the environment "
        "variable WNSEARCHDIR"
    )


def _synonyms(texts: list[str], seeds: np.ndarray, *, share: float) -> list[str]:
    where = wordnet.folder()
    if where is None:
        raise ValueError("WordNet is not there: incompatibility says so")
    return [_with_synonyms(text, seed, share, where) for text, seed in zip(texts, seeds.tolist(), strict=True)]


def _with_synonyms(text: str, seed: int, share: float, where: Path) -> str:
    known = [word for word in _WORD.finditer(text) if wordnet.synonyms(word.group().lower(), where)]
    generator = random.Random(seed)
    chosen = sorted(generator.sample(range(len(known)), min(len(known), _count(len(known), share, generator))))
    parts, end = [], 0
    for place in chosen:
        found = known[place]
        other = generator.choice(wordnet.synonyms(found.group().lower(), where))
        parts += [text[end : found.start()], other.capitalize() if found.group()[0].isupper() else other]
        end = found.end()
    return "".join([*parts, text[end:]])


def _count(of: int, share: float, generator: random.Random) -> int:
    """`share` of `of`, rounded up or down at random so that it is right on average."""
    return int(share * of + generator.random())


def _unlearned(texts: list[str], seeds: np.ndarray) -> list[str]:
    raise ValueError("word_insertion inserts words of the training part: call learn first")


def _learn_insertion(texts: list[str], *, made: Augmenter, share: float) -> Augmenter:
    documents = [text.split() for text in texts]
    counts: dict[str, int] = {}
    within: dict[str, int] = {}
    for words in documents:
        for word in words:
            counts[word] = counts.get(word, 0) + 1
        for word in set(words):
            within[word] = within.get(word, 0) + 1
    words = sorted(counts)
    weights = np.array([counts[word] * np.log((1 + len(texts)) / within[word]) for word in words])
    bounds = np.cumsum(weights / weights.sum()) if words else weights
    apply = partial(_insert, words=np.array(words, object), bounds=bounds, share=share)
    return replace(made, apply=apply, learn=None)


def _insert(texts: list[str], seeds: np.ndarray, *, words: np.ndarray, bounds: np.ndarray, share: float) -> list[str]:
    if not len(words):
        return list(texts)
    return [
        _with_insertions(text, seed, words, bounds, share) for text, seed in zip(texts, seeds.tolist(), strict=True)
    ]


def _with_insertions(text: str, seed: int, words: np.ndarray, bounds: np.ndarray, share: float) -> str:
    generator = random.Random(seed)
    result = text.split()
    for _ in range(_count(len(result), share, generator)):
        word = words[min(int(np.searchsorted(bounds, generator.random())), len(words) - 1)]
        result.insert(generator.randint(0, len(result)), word)
    return " ".join(result)
