from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tasks.datasets.columns import as_input, seconds
from tasks.errors import BadInput


def texts(*values: str | None) -> pd.Series:
    return pd.Series(list(values), dtype=object)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (texts("1", "2.5", None, "-3e2"), [1.0, 2.5, np.nan, -300.0]),
        (texts("True", "false", None), [1.0, 0.0, np.nan]),
        (texts("YES", "no", "no"), [1.0, 0.0, 0.0]),
        (pd.Series([True, False]), [1.0, 0.0]),
        (pd.Series([3, 4], dtype="int64"), [3.0, 4.0]),
    ],
)
def test_numbers_and_booleans_become_floats(column: pd.Series, expected: list[float]) -> None:
    values, note = as_input(column, "f.csv, column a")
    assert values is not None and values.dtype == np.float64 and note is None
    np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("column", [texts("True", "False", "Unknown"), texts("yes", "false"), texts("a", None, "b")])
def test_other_texts_stay_texts_with_none_where_missing(column: pd.Series) -> None:
    values, note = as_input(column, "f.csv, column a")
    assert values is not None and values.dtype == object and list(values) == list(column) and note is None


def test_a_column_of_names_is_left_out_and_says_why() -> None:
    assert as_input(texts(*(f"person {i}" for i in range(60))), "w") == (
        None,
        "is text with 60 distinct values in 60 rows",
    )


def test_many_categories_that_repeat_are_kept() -> None:
    values, note = as_input(texts(*(f"city {i % 60}" for i in range(600))), "w")
    assert values is not None and note is None


def test_few_levels_that_look_like_numbers_are_categories_with_a_note() -> None:
    values, note = as_input(texts(*["0", "1", "2"] * 10, "3+"), "w")
    assert values is not None and values.dtype == object
    assert note == "is read as categories, since '3+' is no number"


@pytest.mark.parametrize("infinite", ["inf", "-Infinity", "1e999"])
def test_infinite_values_name_their_row(infinite: str) -> None:
    with pytest.raises(BadInput, match=r"f\.csv, column a: holds an infinite value\n  got: .*in row 2 \(1 in all\)"):
        as_input(texts("1", infinite), "f.csv, column a")


def test_clock_times_become_seconds() -> None:
    np.testing.assert_array_equal(seconds(texts("1:09", "01:09", None, "0:00"), "w"), [69, 69, np.nan, 0])
    with pytest.raises(BadInput, match="is no time"):
        seconds(texts("1.09"), "w")
