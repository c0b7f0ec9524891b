"""Texts as tokens: what is learned, that Keras divides as we do, and that the saved model takes raw strings."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import BadInput
from tasks.preprocessing.tables import NUMBERS, feature_names, fit_preprocessor, preprocess
from tasks.preprocessing.texts import (
    MAX_LENGTH,
    MAX_TOKENS,
    fit_text_preprocessor,
    learn_tokens,
    text_columns,
    token_lengths,
    tokens_of,
)
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


@pytest.mark.parametrize("model", ["text", "gru"])
def test_texts_beside_columns_stand_at_the_end_of_the_features(model: str, tmp_path: Path) -> None:
    table = pd.DataFrame({"title": ["a b", "b", None, "c c"], "age": [1.0, 2.0, 3.0, np.nan], "body": ["x"] * 4})
    texts = text_columns("words")
    preprocessor = fit_preprocessor(table, [(NUMBERS, ["age"]), (texts, ["title", "body"])])
    features, lengths = preprocess(preprocessor, table), token_lengths(preprocessor)
    assert lengths == (1, 2) and features.dtype == np.float32  # body, then title
    assert feature_names(table, [(NUMBERS, ["age"]), (texts, ["title", "body"])]) == [
        "age",
        "age is missing",
        "body, words 1",
        "title, words 1",
        "title, words 2",
    ]
    assert features[:, 2:].tolist() == [[2, 1, 2], [2, 2, 0], [2, 0, 0], [2, 3, 3]]
    network = replace(MODELS[model](units=4), lengths=lengths).build(features.shape[1:], 2, seed=1)
    expected = np.exp(np.asarray(network(features)))
    export_model(preprocessor, network, tmp_path, columns=list(table), target_name="y", classes=("ham", "spam"))
    answers = predict(tmp_path, table)
    np.testing.assert_allclose(answers, expected / expected.sum(axis=1, keepdims=True), atol=1e-6)
