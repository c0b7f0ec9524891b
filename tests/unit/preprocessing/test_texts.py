"""Texts as tokens: what is learned, that Keras divides as we do, and that the saved model takes raw strings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import BadInput
from tasks.preprocessing.tables import preprocess
from tasks.preprocessing.texts import MAX_LENGTH, MAX_TOKENS, fit_text_preprocessor, learn_tokens, tokens_of
from tasks.training.export import export_model
from tasks.training.exported import predict
from tasks.training.models import MODELS

TEXTS = pd.Series(["Free entry, WIN now!", "are you free now", "win a prize now", "see you", "?!"], name="message")


def test_the_vocabulary_is_what_training_says_twice_the_commonest_first() -> None:
    assert learn_tokens(TEXTS) == (["now", "free", "win", "you"], 4)


def test_words_become_numbers() -> None:
    features = preprocess(fit_text_preprocessor(TEXTS), TEXTS.to_frame())
    assert features.dtype == np.int32
    assert features.tolist() == [[3, 1, 4, 2], [1, 5, 3, 2], [4, 1, 1, 2], [1, 5, 0, 0], [0, 0, 0, 0]]


def test_without_any_word_twice_each_counts() -> None:
    assert learn_tokens(pd.Series(["b a", "c"], name="t")) == (["a", "b", "c"], 2)


@pytest.mark.parametrize("tokens", ["words", "trigrams"])
def test_there_must_be_something_to_learn(tokens: str) -> None:
    with pytest.raises(BadInput, match="no text of the training part holds"):
        fit_text_preprocessor(pd.Series(["?!", "."], name="t"), tokens)


def test_vocabulary_and_length_are_bounded() -> None:
    many = pd.Series([" ".join(f"w{i}" for i in range(20_000))] * 2, name="t")
    vocabulary, length = learn_tokens(many)
    assert len(vocabulary) == MAX_TOKENS - 2 and length == MAX_LENGTH
    assert preprocess(fit_text_preprocessor(many), many.to_frame()).max() < MAX_TOKENS


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30))
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("tokens", ["words", "trigrams"])
def test_keras_divides_a_text_as_we_do(tokens: str, text: str) -> None:
    known = ["£ab", "abc"] if tokens == "words" else ["a b c", "£ a b"]
    texts = pd.Series([text, *(["£ab abc"] * 2)], name="t")
    vocabulary, length = learn_tokens(texts, tokens)
    assert set(known) <= set(vocabulary)
    features = preprocess(fit_text_preprocessor(texts, tokens), texts.to_frame())
    number = {token: place + 2 for place, token in enumerate(vocabulary)}
    expected = [number.get(token, 1) for token in tokens_of(text, tokens)][:length]
    assert list(features[0]) == expected + [0] * (length - len(expected))


@pytest.mark.parametrize("model", ["text", "gru"])
@pytest.mark.parametrize("tokens", ["words", "trigrams"])
def test_the_saved_model_takes_raw_strings_and_survives_empty_ones(model: str, tokens: str, tmp_path: Path) -> None:
    preprocessor = fit_text_preprocessor(TEXTS, tokens)
    features = preprocess(preprocessor, TEXTS.to_frame())
    network = MODELS[model]().build(features.shape[1:], 2, seed=1)
    logits = np.asarray(network(features))
    export_model(preprocessor, network, tmp_path, columns=["message"], target_name="y", classes=("ham", "spam"))
    rows = pd.DataFrame({"message": [*TEXTS, "", None, "never seen"]})
    answers = predict(tmp_path, rows)
    assert np.isfinite(answers).all() and answers.shape == (8, 2)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answers[:5], expected, atol=1e-6)
    np.testing.assert_allclose(answers[5], answers[4], atol=1e-6)


@pytest.mark.slow
def test_the_saved_model_needs_no_code_of_ours(tmp_path: Path) -> None:
    preprocessor = fit_text_preprocessor(TEXTS, "trigrams")
    network = MODELS["text"]().build((preprocessor.output_shape[1],), 2)
    export_model(preprocessor, network, tmp_path, columns=["message"], target_name="y", classes=("ham", "spam"))
    code = (
        "import keras, numpy, sys; m = keras.saving.load_model(sys.argv[1], safe_mode=True); "
        "print(m({'message': numpy.array([['free entry']], object)}).shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "model.keras")], capture_output=True, text=True, cwd=tmp_path
    )
    assert "(1, 2)" in done.stdout, done.stderr
