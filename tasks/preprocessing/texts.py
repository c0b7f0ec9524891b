"""Texts as the numbers of their tokens, words or trigrams. The vocabulary comes from the training part and is saved in
the model.

Texts alone become int32 tokens. Texts among other columns become tokens too, as float32 at the end of a row's features:
float32 holds every token exactly, and all inputs stay one array.
"""

from __future__ import annotations

import itertools
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tasks.errors import BadInput
from tasks.preprocessing.tables import ColumnKind, input_name

if TYPE_CHECKING:
    import keras

WORDS, TRIGRAMS = "words", "trigrams"
MAX_TOKENS = 8_000
"""Rows of every embedding: padding (0), any token outside the vocabulary (1), and the vocabulary."""
MAX_LENGTH = 256
"""The most tokens of a text that are used."""

_COVERED = 0.99
"""Share of the training texts that are used whole, if `MAX_LENGTH` allows."""
_FEWEST = 2
"""A token that is rarer in the training texts stays outside the vocabulary. So the embedding of unknown tokens is
trained too."""
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_WITHOUT_PUNCTUATION = str.maketrans(string.ascii_uppercase, string.ascii_lowercase, string.punctuation)
_DIVISION: dict[str, dict[str, Any]] = {
    WORDS: {"standardize": "lower_and_strip_punctuation", "split": "whitespace"},
    TRIGRAMS: {"standardize": "lower", "split": "character", "ngrams": (3,)},
}


def fit_text_preprocessor(texts: pd.Series, tokens: str = WORDS) -> keras.Model:
    """Learns vocabulary and length from the training part's texts.

    Args:
        texts: `str`; the series has its column's name.
        tokens: What texts are divided into: `words`, or `trigrams` (every three neighbouring characters, which tell
            amounts, numbers and misspelt words apart).

    Returns:
        A model from raw texts, as `raw_inputs` makes them, to int32 `[rows, length]`, in `[0, MAX_TOKENS)`: the tokens'
        numbers, 1 for tokens outside the vocabulary, 0 after the last token. A text without tokens is all 0.

    Raises:
        BadInput: no training text holds a token.
    """
    import keras
    from keras import ops

    vocabulary, length = learn_tokens(texts, tokens)
    vectorise = _vectorisation(vocabulary, length, tokens, "preprocess.vectorise")
    text = keras.Input((1,), dtype="string", name=input_name(str(texts.name)))
    numbers = keras.Input((length,), dtype="int64", name="preprocess.numbers")
    narrow = keras.Model(numbers, ops.cast(numbers, "int32"), name="preprocess.narrow")
    return keras.Model({text.name: text}, narrow(vectorise(text)), name="preprocess.text")


@dataclass(frozen=True)
class Text:
    """What is learned from a text column among other columns: the results of `learn_tokens`, and the kind of tokens."""

    name: str
    vocabulary: tuple[str, ...]
    length: int
    tokens: str


def text_columns(tokens: str) -> ColumnKind:
    """The kind of text columns among other columns: texts become tokens, and a missing text has none."""
    return ColumnKind(partial(_learn_text, tokens=tokens), _names_of_texts, "string", _features_of_texts)


def token_lengths(preprocessor: keras.Model) -> tuple[int, ...]:
    """How many tokens each text has at the end of a preprocessor's features, in order; empty if texts are the only
    input."""
    names = {layer.name: layer for layer in preprocessor.layers}
    found = itertools.takewhile(names.__contains__, map(_narrowed, itertools.count()))
    return tuple(int(names[name].output.shape[1]) for name in found)


def _narrowed(place: int) -> str:
    return f"preprocess.tokens_{place}"


def _learn_text(name: str, texts: pd.Series, tokens: str) -> Text:
    vocabulary, length = learn_tokens(texts.dropna(), tokens)
    return Text(name, tuple(vocabulary), length, tokens)


def _names_of_texts(texts: Sequence[Text]) -> list[str]:
    return [f"{each.name}, {each.tokens} {place + 1}" for each in texts for place in range(each.length)]


def _features_of_texts(texts: Sequence[Text], raw: Sequence[Any]) -> list[Any]:
    import keras
    from keras import ops

    features = []
    for place, (each, column) in enumerate(zip(texts, raw, strict=True)):
        vectorise = _vectorisation(each.vocabulary, each.length, each.tokens, f"preprocess.vectorise_{place}")
        numbers = keras.Input((each.length,), dtype="int64", name=f"preprocess.numbers_{place}")
        features.append(keras.Model(numbers, ops.cast(numbers, "float32"), name=_narrowed(place))(vectorise(column)))
    return features


def _vectorisation(vocabulary: Sequence[str], length: int, tokens: str, name: str) -> Any:
    from keras import layers

    return layers.TextVectorization(
        vocabulary=list(vocabulary), output_sequence_length=length, name=name, **_DIVISION[tokens]
    )


def learn_tokens(texts: pd.Series, tokens: str = WORDS) -> tuple[list[str], int]:
    """The vocabulary, the commonest token first (of equally common ones in alphabetical order), and the length.

    Raises:
        BadInput: no text holds a token.
    """
    divided = [tokens_of(text, tokens) for text in texts]
    counts = Counter(token for each in divided for token in each if _can_be_stored(token))
    if not counts:
        raise BadInput(f"no text of the training part holds {tokens}", where=f"column {texts.name}")
    frequent = [token for token, count in counts.items() if count >= _FEWEST] or list(counts)
    frequent.sort(key=lambda token: (-counts[token], token))
    length = int(np.ceil(np.quantile([len(each) for each in divided], _COVERED)))
    return frequent[: MAX_TOKENS - 2], max(1, min(length, MAX_LENGTH))


def tokens_of(text: str, tokens: str = WORDS) -> list[str]:
    """The tokens as Keras's `TextVectorization` sees them.

    Words are divided at ASCII blanks and hold no ASCII punctuation; a trigram's characters have a blank between them.
    Either has ASCII letters in lower case; other letters stay as they are.
    """
    if tokens == WORDS:
        return [word.decode() for word in text.translate(_WITHOUT_PUNCTUATION).encode().split()]
    characters = text.translate(_LOWER)
    return [" ".join(characters[i : i + 3]) for i in range(len(characters) - 2)]


def _can_be_stored(token: str) -> bool:
    """Whether a token comes back from the saved model's vocabulary: one line, without NUL, which NumPy drops."""
    return "\0" not in token and len(token.splitlines()) == 1
