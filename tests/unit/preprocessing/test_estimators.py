"""What scikit-learn's models are given of rows, and their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import BadInput
from tasks.evaluation.baselines import fit_baselines, of_mixed, of_spectrograms, of_texts
from tasks.preprocessing.estimators import Estimator, Takes, as_tokens, learn_weights
from tasks.preprocessing.texts import TRIGRAMS, WORDS, tokens_of

ROWS = 120
PARTS = {"train": np.arange(0, 80), "val": np.arange(80, 100), "test": np.arange(100, ROWS)}


def data() -> tuple[np.ndarray, pd.DataFrame, np.ndarray]:
    """Features of two numbers, a table with every sort of column, and a target of three classes."""
    rng = np.random.default_rng(0)
    number, city = rng.normal(size=ROWS), rng.choice(["a", "b", "c"], ROWS)
    table = pd.DataFrame(
        {
            "number": np.where(rng.random(ROWS) < 0.1, np.nan, number),
            "city": pd.Series(city, dtype=object).where(rng.random(ROWS) > 0.1, None),
            "void": pd.Series([None] * ROWS, dtype=object),
            "text": [f"{word} {rng.integers(9)}, so it IS" for word in city],
        }
    )
    features = np.column_stack([number, rng.normal(size=ROWS)]).astype(np.float32)
    return features, table, (number > 0).astype(np.int64) + (city == "b")


def of_columns_and_texts(fit: Any, features: np.ndarray, table: pd.DataFrame | None) -> list[Any]:
    return of_mixed(fit, features, table, columns=["number", "city", "void"], texts=[("text", TRIGRAMS)])


@pytest.mark.parametrize("classes", [("x", "y", "z"), None])
@pytest.mark.parametrize(
    ("rivals", "columns"),
    [
        (None, ["number", "city", "void"]),
        (of_texts, ["text"]),
        (of_columns_and_texts, ["number", "city", "void", "text"]),
        (of_spectrograms, []),
    ],
)
def test_a_saved_estimator_answers_rows_as_the_baseline_did(
    rivals: Any, columns: list[str], classes: tuple[str, ...] | None, tmp_path: Path
) -> None:
    features, table, target = data()
    if rivals is of_spectrograms:
        features = np.random.default_rng(1).normal(size=(ROWS, 5, 3, 1)).astype(np.float32)
    own = table[columns] if columns else None
    constant, *found = fit_baselines(
        features, target if classes else 2.5 * target, PARTS, classes=classes, rivals=rivals, table=own
    )
    assert constant.estimator is None and found
    for baseline in found:
        assert baseline.estimator
        baseline.estimator.save(tmp_path / "estimator.skops")
        estimator = Estimator.load(tmp_path / "estimator.skops")
        assert estimator.takes == baseline.estimator.takes
        test = PARTS["test"]
        new = None if own is None else own.iloc[test].reset_index(drop=True)
        given_rows = estimator.given(features[test] if estimator.takes.needs_features else None, new)
        answers = estimator.answers(given_rows, len(classes) if classes else None)
        np.testing.assert_allclose(answers, baseline.test, atol=1e-12)


def test_boosting_knows_at_most_254_values_of_a_category_the_most_frequent() -> None:
    table = pd.DataFrame({"c": [f"v{i:03}" for i in range(300)] + ["v299"] * 2})
    takes = Takes.of_columns(table, np.arange(302))
    assert len(takes.columns["c"] or ()) == 254
    codes = Estimator(None, takes).given(None, table)[:, 0]
    assert len(set(codes[~np.isnan(codes)])) == 254 and not np.isnan(codes[-1])


def test_a_file_with_other_types_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "estimator.skops"
    skops.io.dump({"model": Path("/"), "takes": {}, "weights": []}, path)
    with pytest.raises(BadInput, match=r"(?s)holds other types .* pathlib"):
        Estimator.load(path)
    path.write_bytes(b"no archive")
    with pytest.raises(BadInput, match="is no model of scikit-learn's"):
        Estimator.load(path)


@given(text=st.text(max_size=40), tokens=st.sampled_from([WORDS, TRIGRAMS]))
def test_the_vectorizer_divides_a_text_into_the_networks_tokens(text: str, tokens: str) -> None:
    divide = learn_weights(pd.Series(["any words"]), tokens, np.arange(1)).build_analyzer()
    assert divide(as_tokens(pd.Series([text]), tokens)[0]) == tokens_of(text.replace("\x1f", " "), tokens)
