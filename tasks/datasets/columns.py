"""What a column's values mean as an input: numbers, categories, or nothing a model can use."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasks.errors import BadInput

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
        return finite(column.astype(np.float64), where), None
    present = column.dropna()
    if present.empty:
        return None, "has no value in any row"
    booleans = as_truth_values(present)
    if booleans is not None:
        return column.map(booleans).astype(np.float64), None
    if present.str.fullmatch(r"-?\d+,\d+").all():
        raise BadInput(
            "holds numbers with a decimal comma",
            where=where,
            got=some(present.unique()),
            accepted="a decimal point, as 1.5",
            remedy="write the file with decimal points, or add the column to data.drop",
        )
    numbers = pd.to_numeric(present, errors="coerce")
    if numbers.notna().all():
        return finite(numbers.astype(np.float64).reindex(column.index), where), None
    distinct, strangers = present.nunique(), present[numbers.isna()].unique()
    mostly_numbers = numbers.notna().mean() >= MOSTLY_NUMBERS
    if distinct <= MAX_FREE_CATEGORIES:
        note = f"is read as categories, since {some(strangers)} is no number"
        return column, note if mostly_numbers else None
    if mostly_numbers:
        raise mixed(strangers, where)
    if distinct > MAX_DISTINCT_SHARE * len(present):
        return None, f"is text with {distinct:,} distinct values in {len(present):,} rows"
    return column, None


def mixed(strangers: np.ndarray, where: str) -> BadInput:
    return BadInput(
        "holds numbers, but not in every row",
        where=where,
        got=some(strangers),
        remedy="add what means 'no value' to data.read.missing, or the column to data.drop",
    )


def seconds(column: pd.Series, where: str) -> pd.Series:
    """`minutes:seconds` texts as seconds (float64, NaN = missing)."""
    parts = column.str.extract(r"^(\d+):(\d\d)$").astype(np.float64)
    wrong = column.notna() & parts[0].isna()
    if wrong.any():
        raise BadInput("is no time", where=where, got=some(column[wrong].unique()), accepted="minutes:seconds, as 1:09")
    return parts[0] * 60 + parts[1]


def as_truth_values(present: pd.Series) -> dict[str, float] | None:
    """Each text's meaning where all are true/false or all yes/no, in any case; else None."""
    texts = present.unique()
    lower = {text.lower() for text in texts} if len(texts) <= 6 else set()  # true True TRUE false False FALSE
    meaning = next((words for words in _BOOLEANS if lower and lower <= words.keys()), None)
    return {text: meaning[text.lower()] for text in texts} if meaning else None


def finite(numbers: pd.Series, where: str) -> pd.Series:
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


def some(values: np.ndarray) -> str:
    shown = ", ".join(repr(value) for value in values[:3])
    return f"{shown} and {len(values) - 3} more" if len(values) > 3 else shown
