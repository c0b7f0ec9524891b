"""What is expected of texts and sounds before anything is trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.dataset import Dataset
from tasks.spec.entries import Check
from tasks.validation.checks import CHECKS
from tasks.validation.infer import infer
from tasks.validation.validate import validate
from tests.datasets import array_of, made, with_sounds, with_texts

ROWS = 40
SPLITS = pd.DataFrame(
    {"row": np.arange(ROWS), "part": ["train"] * 20 + ["val"] * 10 + ["test"] * 10, "group": [None] * ROWS}
)
EMPTY = made("d", pd.DataFrame(index=range(ROWS)), np.arange(ROWS) % 2, "label", ("ham", "spam"), "digest")


def texts(**changed: str) -> Dataset:
    """Texts all different, of words that training sees; `r25="..."` changes row 25."""
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight"]
    rng = np.random.default_rng(0)
    column = pd.Series([" ".join(rng.permutation(words)[:6]) for _ in range(ROWS)], dtype=object, name="message")
    for row, text in changed.items():
        column[int(row[1:])] = text
    return with_texts(EMPTY, column)


def sounds(**changed: Any) -> Dataset:
    waves = (0.3 * np.random.default_rng(0).uniform(-1, 1, (ROWS, 200))).astype(np.float32)
    for row, factor in changed.items():
        waves[int(row[1:])] = np.clip(factor * waves[int(row[1:])], -1, 1)
    return with_sounds(EMPTY, waves, 8_000)


def failures(dataset: Dataset) -> list[str]:
    return [result.message for result in infer(dataset, SPLITS) if not result.success]


def test_ordinary_texts_and_sounds_pass() -> None:
    assert failures(texts()) == [] and failures(sounds()) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"r3": "?!"}, "1 of 40 texts (2.5%) hold no word"),
        ({"r25": "one " * 90}, "far longer than any that training sees"),
        (
            {"r21": "ein zwei", "r22": "drei vier"},
            "2 of 20 texts (10%) of the validation and test parts are written mostly in",
        ),
        ({"r30": "copy of this one", "r0": "copy of this one"}, "1 of 40 texts (2.5%) repeat an earlier one"),
    ],
)
def test_texts_that_are_not_as_expected(changed: dict[str, str], said: str) -> None:
    assert any(said in message for message in failures(texts(**changed)))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"r3": 0.0}, "1 of 40 sounds (2.5%) are silent"),
        ({"r3": 50.0}, "1 of 40 sounds (2.5%) are clipped"),
        ({"r25": 0.001}, "far louder or softer than any that training hears"),
    ],
)
def test_sounds_that_are_not_as_expected(changed: dict[str, float], said: str) -> None:
    assert any(said in message for message in failures(sounds(**changed)))


def test_samples_must_be_finite() -> None:
    broken = sounds()
    array_of(broken)[0, 0] = np.inf
    finding = CHECKS["infinite_value"].function(broken, SPLITS)
    assert finding is not None and not finding.success and "the sounds" in finding.message


def test_an_expectation_may_name_the_column_of_texts() -> None:
    entry = Check(
        name="expect_column_value_lengths_to_be_between",
        parameters={"column": "message", "max_value": 5},
        severity="block",
    )
    assert validate(texts(), SPLITS, [entry]).outcome == "blocked"
