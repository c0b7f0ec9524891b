"""What a column's values mean: numbers, categories, nothing a model can use, or what is predicted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tasks.errors import BadInput

MAX_CLASSES_OF_INTEGERS = 20  # a target of more distinct integers is a quantity
# A text column with more distinct values than the one, and than the other share of its rows, holds names,
# identifiers or free text: no category repeats often enough to learn from.
MAX_FREE_CATEGORIES = 50
MAX_DISTINCT_SHARE = 0.2
MOSTLY_NUMBERS = 0.9  # a text column with this share of numbers was meant as numbers

_BOOLEANS = ({"true": 1.0, "false": 0.0}, {"yes": 1.0, "no": 0.0})


def as_input(column: pd.Series, where: str) -> tuple[pd.Series | None, str | None]:
    """The column as a model's input, and what a user should know about how it was read.

    Numbers and booleans (also the texts true/false or yes/no, in any case) become float64 with NaN where
    missing, other texts categories: dtype object, `str` or None.

    Args:
        column: float64, integer or bool, or texts with None where missing (dtype object).
        where: File and column, for messages.

    Returns:
        The column, or None where a model can't use it: then the note says why.

    Raises:
        BadInput: an infinite value, numbers with a decimal comma, or with texts among them.
    """
    if column.dtype != object:
        return _finite(column.astype(np.float64), where), None
    present = column.dropna()
    if present.empty:
        return None, "has no value in any row"
    booleans = _booleans(present)
    if booleans is not None:
        return column.map(booleans).astype(np.float64), None
    if present.str.fullmatch(r"-?\d+,\d+").all():
        raise BadInput(
            "holds numbers with a decimal comma",
            where=where,
            got=_some(present.unique()),
            accepted="a decimal point, as 1.5",
            remedy="write the file with decimal points, or add the column to data.drop",
        )
    numbers = pd.to_numeric(present, errors="coerce")
    if numbers.notna().all():
        return _finite(numbers.astype(np.float64).reindex(column.index), where), None
    distinct, strangers = present.nunique(), present[numbers.isna()].unique()
    mostly_numbers = numbers.notna().mean() >= MOSTLY_NUMBERS
    if distinct <= MAX_FREE_CATEGORIES:
        note = f"is read as categories, since {_some(strangers)} is no number"
        return column, note if mostly_numbers else None
    if mostly_numbers:
        raise _mixed(strangers, where)
    if distinct > MAX_DISTINCT_SHARE * len(present):
        return None, f"is text with {distinct:,} distinct values in {len(present):,} rows"
    return column, None


def _mixed(strangers: np.ndarray, where: str) -> BadInput:
    return BadInput(
        "holds numbers, but not in every row",
        where=where,
        got=_some(strangers),
        remedy="add what means 'no value' to data.read.missing, or the column to data.drop",
    )


def as_target(
    column: pd.Series, where: str, task: str | None, names: Mapping[str, str] | None
) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """The target's values, and the classes' names in order (None: regression).

    Texts, booleans and at most 20 distinct integers are classes; other numbers a quantity.

    Args:
        column: As for `as_input`, without missing values.
        where: File and column, for messages.
        task: `classification` or `regression` where the spec decides, else None.
        names: Value to class name, in the order of the classes. None: the values, sorted.

    Returns:
        Class indices (int64) and names, or float64 values and None.

    Raises:
        BadInput: a constant, a regression target that is no number, or almost as many classes as rows.
    """
    numbers = _numbers(column, where)
    if numbers is None and task is None and column.dtype == object and column.nunique() > MAX_CLASSES_OF_INTEGERS:
        parsed = pd.to_numeric(column, errors="coerce")
        if parsed.notna().mean() >= MOSTLY_NUMBERS:
            raise _mixed(column[parsed.isna()].unique(), where)
    if column.nunique() < 2:
        raise BadInput(
            "the target has one value in every row: there is nothing to learn",
            where=where,
            got=str(column.iloc[0]),
        )
    whole = numbers is not None and bool((numbers == np.floor(numbers)).all())
    if task is None:
        few = whole and column.nunique() <= MAX_CLASSES_OF_INTEGERS
        task = "classification" if numbers is None or column.dtype == bool or few else "regression"
    if task == "regression":
        return _quantity(column, numbers, where), None
    # Labels are made of the distinct values only: one for each row would take more memory than the whole target.
    if numbers is None or column.dtype == bool:
        codes, values = pd.factorize(column)
        labels = [str(value) for value in values]
        order = sorted(set(labels))
    else:
        codes, values = pd.factorize(numbers)
        labels = [str(int(value)) if whole else repr(float(value)) for value in values]
        order = sorted(set(labels), key=float)
    if len(order) > MAX_CLASSES_OF_INTEGERS and len(order) > len(column) / 2:
        raise BadInput(
            "almost every row has a class of its own",
            where=where,
            got=f"{len(order):,} classes in {len(column):,} rows",
            remedy="choose another target, or data.task: regression for numbers",
        )
    if names is not None:
        order = [label for label in names if label in set(order)]
    index = {label: i for i, label in enumerate(order)}
    return np.array([index[label] for label in labels], np.int64)[codes], tuple(
        names[label] if names else label for label in order
    )


def seconds(column: pd.Series, where: str) -> pd.Series:
    """`minutes:seconds` texts as seconds (float64, NaN = missing)."""
    parts = column.str.extract(r"^(\d+):(\d\d)$").astype(np.float64)
    wrong = column.notna() & parts[0].isna()
    if wrong.any():
        raise BadInput(
            "is no time", where=where, got=_some(column[wrong].unique()), accepted="minutes:seconds, as 1:09"
        )
    return parts[0] * 60 + parts[1]


def _numbers(column: pd.Series, where: str) -> pd.Series | None:
    """The column as float64 where every value is a number, else None."""
    if column.dtype == object:
        column = pd.to_numeric(column, errors="coerce")
    return _finite(column.astype(np.float64), where) if column.notna().all() else None


def _quantity(column: pd.Series, numbers: pd.Series | None, where: str) -> np.ndarray:
    if numbers is None:
        booleans = _booleans(column)
        if booleans is None:
            strangers = column[pd.to_numeric(column, errors="coerce").isna()].unique()
            raise BadInput(
                "regression needs a target of numbers",
                where=where,
                got=_some(strangers),
                remedy="set data.task: classification, or mend these values",
            )
        numbers = column.map(booleans)
    return numbers.to_numpy(np.float64)


def _booleans(present: pd.Series) -> dict[str, float] | None:
    """Each text's meaning where all are true/false or all yes/no, in any case; else None."""
    texts = present.unique()
    lower = {text.lower() for text in texts} if len(texts) <= 6 else set()  # true True TRUE false False FALSE
    meaning = next((words for words in _BOOLEANS if lower and lower <= words.keys()), None)
    return {text: meaning[text.lower()] for text in texts} if meaning else None


def _finite(numbers: pd.Series, where: str) -> pd.Series:
    infinite = np.flatnonzero(np.isinf(numbers.to_numpy()))
    if infinite.size:
        first = infinite[0]
        raise BadInput(
            "holds an infinite value",
            where=where,
            got=f"{numbers.iloc[first]} in row {numbers.index[first] + 1} ({infinite.size} in all)",
            remedy="mend these rows, or add the column to data.drop",
        )
    return numbers


def _some(values: np.ndarray) -> str:
    shown = ", ".join(repr(value) for value in values[:3])
    return f"{shown} and {len(values) - 3} more" if len(values) > 3 else shown
