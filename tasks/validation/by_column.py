"""Expectations about a table, column by column."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from tasks.validation.inferred import MISSING, UNSEEN, Inferred, bounds, values
from tasks.validation.suite import Expectation, Outcome
from tasks.validation.wording import listing, of, shown, yaml_list

_NUMBER = r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"
_PLACEHOLDERS = [
    "?",
    "-",
    "--",
    ".",
    "n/a",
    "N/A",
    "#N/A",
    "unknown",
    "Unknown",
    "UNKNOWN",
    "missing",
    "Missing",
]


def of_all_rows(table: pd.DataFrame, train: np.ndarray) -> Iterator[Inferred]:
    """Type and missing share of each column, and texts out of place. `train`: row positions, int64."""
    for name in table.columns:
        if pd.api.types.is_numeric_dtype(table[name]):
            yield _type(name, "float64", "numbers")
        else:
            yield _type(name, "str", "categories")
            if not table[name].dropna().astype("str").str.fullmatch(_NUMBER).all():  # else these are codes
                yield _stray_text(name)
            yield _placeholder(name)
        yield _missing(table[name], train)


def of_held_rows(train: pd.DataFrame) -> Iterator[Inferred]:
    """Expects that validation and test rows have, in each column, values like those of the training part."""
    for name in train.columns:
        if not pd.api.types.is_numeric_dtype(train[name]):
            yield _categories(name, sorted(train[name].dropna().unique()))
        elif (seen := bounds(train[name].to_numpy(np.float64))) is not None:
            yield _range(name, *seen)


def _type(name: str, dtype: str, kind: str) -> Inferred:
    return Inferred(
        Expectation("expect_column_values_to_be_of_type", {"column": name, "type_": dtype}),
        severity="block",
        expected=f"{kind} ({dtype})",
        observed=lambda outcome: outcome.value,
        passed=f"{name} holds {kind}.",
        failed=lambda outcome: f"{name} should hold {kind}, but its type is {outcome.value}.",
        remedy="see how the file was read: data.read",
        column=name,
    )


def _stray_text(name: str) -> Inferred:
    """A column of numbers with a few texts in it is read as categories; that is rarely meant."""
    parameters = {"column": name, "regex": _NUMBER, "mostly": 0.5}
    return Inferred(
        Expectation("expect_column_values_to_not_match_regex", parameters),
        severity="warn",
        expected="at most half of the categories' values look like numbers",
        observed=values,
        passed=f"{name}'s categories are text.",
        failed=lambda outcome: f"{name} is read as categories, though most of its values look like numbers.",
        remedy="if they are numbers: find the texts among them and list those under data.read.missing",
        column=name,
    )


def _placeholder(name: str) -> Inferred:
    def failed(outcome: Outcome) -> str:
        many = of(outcome.unexpected or 0, outcome.rows or 0, "values")
        return f"{name} says {listing(outcome.examples)} in {many}, which often means: missing."

    return Inferred(
        Expectation("expect_column_values_to_not_be_in_set", {"column": name, "value_set": _PLACEHOLDERS}),
        severity="warn",
        expected="no text that stands for a missing value",
        observed=values,
        passed=f"{name} holds no placeholder such as '?' or 'unknown'.",
        failed=failed,
        remedy="if it means missing, list it under data.read.missing",
        column=name,
    )


def _missing(column: pd.Series, train: np.ndarray) -> Inferred:
    name, missing = str(column.name), int(column.isna().sum())
    many = of(missing, len(column))
    empty = bool(column.iloc[train].isna().all())
    return Inferred(
        Expectation("expect_column_values_to_not_be_null", {"column": name, "mostly": 1 - MISSING}),
        severity="block" if empty else "warn",
        expected=f"at most {MISSING:.0%} missing",
        observed=lambda outcome: many if missing else "none",
        passed=f"{name} is missing in {many}." if missing else f"No value of {name} is missing.",
        failed=lambda outcome: (
            f"{name} has no value at all in the training part." if empty else f"{name} is missing in {many}."
        ),
        remedy=f"data.drop: {yaml_list([name])}"
        if empty
        else "find out why: the model fills in missing numbers; missing text is a category of its own",
        column=name,
    )


def _categories(name: str, known: list[str]) -> Inferred:
    parameters = {"column": name, "value_set": known, "mostly": 1 - UNSEEN}
    return Inferred(
        Expectation("expect_column_values_to_be_in_set", parameters),
        severity="warn",
        expected=f"validation and test values in training's {len(known):,} categories, but for {UNSEEN:.0%}",
        observed=values,
        passed=f"Training sees all or nearly all of {name}'s values in the validation and test parts.",
        failed=lambda outcome: (
            f"{name} in validation and test: {values(outcome)} are categories that training never sees."
        ),
        remedy=f"merge rare categories, or data.drop: {yaml_list([name])} if it names single cases",
        column=name,
    )


def _range(name: str, low: float, high: float) -> Inferred:
    parameters = {"column": name, "min_value": low, "max_value": high}
    return Inferred(
        Expectation("expect_column_values_to_be_between", parameters),
        severity="warn",
        expected=f"validation and test values between {shown(low)} and {shown(high)}",
        observed=values,
        passed=f"{name}'s validation and test values lie within or near what training sees.",
        failed=lambda outcome: f"{name} in validation and test: {values(outcome)} lie far outside what training sees.",
        remedy="look at these rows: errors of measurement, or cases that training should see too",
        column=name,
    )
