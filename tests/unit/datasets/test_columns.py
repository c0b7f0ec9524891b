from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.datasets.columns import as_input, seconds
from tasks.datasets.notation import notation_of
from tasks.errors import BadInput
from tasks.spec.data import Column, Read


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
    values, reading = as_input(column, "f.csv, column a")
    assert values is not None and values.dtype == np.float64 and reading.note is None
    np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("column", [texts("True", "False", "Unknown"), texts("yes", "false"), texts("a", None, "b")])
def test_other_texts_stay_texts_with_none_where_missing(column: pd.Series) -> None:
    values, reading = as_input(column, "f.csv, column a")
    assert values is not None and values.dtype == object and list(values) == list(column) and reading.note is None


def test_a_column_of_names_is_left_out_and_says_why() -> None:
    values, reading = as_input(texts(*(f"person {i}" for i in range(60))), "w")
    assert (values, reading.note) == (None, "is text with 60 distinct values in 60 rows")


def test_many_categories_that_repeat_are_kept() -> None:
    values, reading = as_input(texts(*(f"city {i % 60}" for i in range(600))), "w")
    assert values is not None and reading.note is None


def test_few_levels_that_look_like_numbers_are_categories_with_a_note() -> None:
    values, reading = as_input(texts(*["0", "1", "2"] * 10, "3+"), "w")
    assert values is not None and values.dtype == object
    assert reading.note == "is read as categories, since '3+' is no number"


NUMBERS = [1234.5, 7.25, 1200.0, 33.0, 250000.75]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (lambda value: f"{value:,.2f}", "a comma between thousands"),
        (lambda value: f"{value:.2f}".replace(".", ","), "a comma before the fraction"),
        (lambda value: f"{value:,.2f}".translate(str.maketrans(",.", ".,")), "a point between thousands"),
        (lambda value: f"{value:,.2f}".replace(",", " "), "a space between thousands"),
        (lambda value: f"${value:,.2f}", "$ left out"),
        (lambda value: f"{value:.2f}%", "% left out"),
        (
            lambda value: f"{value:g}".replace(".", ",") if value < 100 else f"{value:.0f}",
            "a comma before the fraction",
        ),
    ],
    ids=["thousands", "decimal comma", "both", "spaces", "dollars", "percent", "whole among decimal commas"],
)
def test_numbers_in_other_notations_are_read_and_said(written, said: str) -> None:
    column = texts(*map(written, NUMBERS), None).rename("income")
    values, reading = as_input(column, "w")
    assert values is not None and said in reading.note and "data.columns: {income: category}" in reading.note
    np.testing.assert_allclose(values.dropna(), NUMBERS, rtol=1e-3 if "whole" in said else 0.01)
    pd.testing.assert_series_equal(reading.read(column.iloc[:2]), values.iloc[:2])


@pytest.mark.parametrize("mark", [".", ","])
def test_in_money_three_digits_are_no_fraction(mark: str) -> None:
    for written in (["EUR 1#250", "EUR 80", "EUR 12#000"], ["$285#000", "$1#250"]):
        values, _ = as_input(texts(*(text.replace("#", mark) for text in written)).rename("c"), "w")
        assert list(values) == [float(re.sub(r"\D", "", text)) for text in written]
    measured, reading = as_input(texts("1.250", "80", "12.000").rename("c"), "w")
    assert list(measured) == [1.25, 80, 12] and reading.note is None


def test_a_comma_that_could_be_either_is_refused_with_the_choices() -> None:
    column = texts("1,234", "5,678").rename("income")
    with pytest.raises(BadInput, match="can be read in two ways"):
        as_input(column, "w")
    as_thousands, _ = as_input(column, "w", Column(kind="number", thousands=","))
    as_decimal, _ = as_input(column, "w", None, Read(decimal=","))
    assert list(as_thousands) == [1234, 5678] and list(as_decimal) == [1.234, 5.678]


@pytest.mark.parametrize(
    "write",
    [
        lambda i: f"{i % 3}.{i % 10}.{i % 4}",
        lambda i: f"10.0.{i % 3}.{i % 9}",
        lambda i: f"+49 30 {i % 40:05d}",
        lambda i: f"{i % 7} km",
        lambda i: "1,234" if i == 5 else f"word {i % 5}",
    ],
    ids=["versions", "addresses", "telephones", "units that are not known", "one number among words"],
)
def test_what_only_looks_like_numbers_stays_text(write) -> None:
    values, _ = as_input(texts(*map(write, range(300))).rename("c"), "w")
    assert values is not None and values.dtype == object


def test_signs_that_are_said_but_not_there_change_nothing() -> None:
    values, reading = as_input(texts("1", "2.5").rename("c"), "w", None, Read(decimal="."))
    assert list(values) == [1, 2.5] and reading.note is None
    values, reading = as_input(texts("1", "0").rename("c"), "w", None, Read(decimal=","))
    assert list(values) == [1, 0] and reading.note is None


def test_a_word_in_a_measured_column_is_no_value_and_said() -> None:
    column = texts(*[f"{value / 10}" for value in range(85)], *["None"] * 15).rename("level")
    values, reading = as_input(column, "w")
    assert values is not None and values.isna().sum() == 15
    assert "holds 'None' in 15 rows, read as no value" in reading.note


@pytest.mark.parametrize("codes", [("00501", "10001", "20001"), ("1234567890123456", "1234567890123457")])
def test_codes_are_no_numbers(codes: tuple[str, ...]) -> None:
    column = texts(*codes * 10).rename("zip")
    values, reading = as_input(column, "w")
    assert values is not None and values.dtype == object and "as numbers: data.columns: {zip: number}" in reading.note
    as_number, _ = as_input(column, "w", Column(kind="number"))
    assert as_number.dtype == np.float64


def test_what_the_spec_says_of_a_column_decides() -> None:
    numbers = pd.Series([1.0, 2.0, np.nan, 10.0])
    values, _ = as_input(numbers, "w", Column(kind="category"))
    assert list(values) == ["1", "2", None, "10"]
    assert as_input(numbers, "w", Column(kind="ignore"))[0] is None
    grades, _ = as_input(texts("mid", "low", None, "high"), "w", Column(kind="ordered", order=["low", "mid", "high"]))
    np.testing.assert_array_equal(grades, [1, 0, np.nan, 2])
    with pytest.raises(BadInput, match="its order lacks"):
        as_input(texts("mid", "tiny"), "w", Column(kind="ordered", order=["low", "mid", "high"]))
    with pytest.raises(BadInput, match="not in every row"):
        as_input(texts("1", "many"), "w", Column(kind="number"))


@given(
    st.lists(st.integers(-(10**9), 10**9), min_size=3, max_size=20),
    st.sampled_from([(",", "."), (".", ","), (" ", ",")]),
)
def test_numbers_written_with_both_marks_are_read_back(values: list[int], marks: tuple[str, str]) -> None:
    thousands, decimal = marks
    numbers = [value / 100 for value in [*values, 123456789]]
    written = [f"{value:,.2f}".replace(",", "#").replace(".", decimal).replace("#", thousands) for value in numbers]
    found = notation_of(written)
    assert (found.thousands, found.decimal) == (thousands, decimal)
    np.testing.assert_array_equal(found.read(texts(*written)), numbers)


@pytest.mark.parametrize("infinite", ["inf", "-Infinity", "1e999"])
def test_infinite_values_name_their_row(infinite: str) -> None:
    with pytest.raises(BadInput, match=r"f\.csv, column a: holds an infinite value\n  got: .*in row 2 \(1 in all\)"):
        as_input(texts("1", infinite), "f.csv, column a")


def test_clock_times_become_seconds() -> None:
    np.testing.assert_array_equal(seconds(texts("1:09", "01:09", None, "0:00"), "w"), [69, 69, np.nan, 0])
    with pytest.raises(BadInput, match="is no time"):
        seconds(texts("1.09"), "w")
