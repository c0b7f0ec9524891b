"""Guesses how an undescribed delimited file is written: its separator, and whether its first line holds names."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from tasks.datasets.delimited import SEPARATORS, default_separator, text_of
from tasks.datasets.named_rows import apart, is_number, repeated
from tasks.spec.data import Read

_LINES, _LINES_OF_NAMES = 20, 200
"""How many lines are looked at: for the separator, and to see if the first line holds names."""


def guessed_read(path: Path, shown: str) -> Read:
    """Guesses `data.read` for a file from its first lines. Keys whose default is right keep it.

    Args:
        path: CSV or TSV, plain or gzip.
        shown: Its name as the user knows it.

    Raises:
        BadInput: the file can't be read, or is not UTF-8.
    """
    lines = list(islice((line for line in text_of(path, shown).splitlines() if line.strip()), _LINES_OF_NAMES))
    usual = default_separator(path)
    separator = _separator(lines[:_LINES], usual)
    first, *others = _fields(lines, separator) or [[]]
    nameless = bool(others) and holds_values(first, others)
    return Read(
        separator=None if separator == usual else separator,
        header=not nameless,
        columns=apart(names) if repeated(names := [each.strip() for each in first]) and not nameless else None,
    )


def holds_values(first: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Whether a file's first row holds values rather than names: a number that is no year, or a value that occurs again
    in its column. The row holds names if a word stands above numbers.

    >>> holds_values(["age", "won"], [["31", "won"]]), holds_values(["31", "Oslo"], [["42", "Rome"]])
    (False, True)
    """
    columns = [[row[at].strip() for row in others if at < len(row) and row[at].strip()] for at in range(len(first))]
    pairs = [(name.strip(), values) for name, values in zip(first, columns, strict=True) if name.strip()]
    if any(not is_number(name) and values and all(map(is_number, values)) for name, values in pairs):
        return False
    return any(name in values or is_number(name) for name, values in pairs)


def _separator(lines: Sequence[str], usual: str) -> str:
    """The first separator that divides all lines into equally many fields, at least two. Commas are tried last, since
    they occur in numbers and sentences too."""
    for each in sorted(SEPARATORS, key=lambda sign: (sign == ",", sign != usual)):
        lengths = {len(fields) for fields in _fields(lines, each)}
        if len(lengths) == 1 and max(lengths) > 1:
            return each
    return usual


def _fields(lines: Sequence[str], separator: str) -> list[list[str]]:
    try:
        return list(csv.reader(lines, delimiter=separator, skipinitialspace=not separator.isspace()))
    except csv.Error:
        return []
