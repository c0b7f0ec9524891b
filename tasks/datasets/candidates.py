"""Which columns of a table could be the target."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.datasets.columns import MAX_FREE_CATEGORIES, as_input, as_written
from tasks.datasets.parquet import ParquetTable
from tasks.datasets.targets import few_whole_numbers
from tasks.errors import BadInput
from tasks.evaluation.metrics import CLASSIFICATION, REGRESSION

_MEANT = {"target", "label", "class", "y", "outcome", "result", "response"}
"""Words of a column's name that say it is the target."""
_IDENTIFIES = {"id", "index", "key", "no", "nr", "number", "row"}
_SHOWN = 4
"""The most classes that a candidate names."""


@dataclass(frozen=True)
class Candidate:
    """A column that could be the target.

    Args:
        name: The column's name.
        task: `classification` or `regression`.
        values: In words: its classes, or its range and the number of different values.
    """

    name: str
    task: str
    values: str


def candidates(frame: pd.DataFrame | ParquetTable) -> list[Candidate]:
    """Columns that could be the target, the likeliest first.

    Constants, dates, identifiers, texts that hardly repeat and columns that can be read in two ways are left out.
    Columns with a name such as `label` or `y` come first, then the last column, then the first. Among the others, two
    classes come before more classes, and classes before quantities.
    """
    names = list(frame.columns)
    found = [(each, place) for place, name in enumerate(names) if (each := _candidate(frame[name], name)) is not None]

    def order(entry: tuple[tuple[Candidate, int], int]) -> tuple[bool, int, int, int]:
        (candidate, classes), place = entry
        meant = bool(_words(candidate.name) & _MEANT)
        likely = 0 if place == len(names) - 1 else 1 if place == 0 else 2
        return (not meant, likely, classes, -place)

    return [candidate for (candidate, _), _ in sorted(found, key=order)]


def _candidate(column: pd.Series, name: str) -> tuple[Candidate, int] | None:
    """The column as a candidate and its number of classes (for a quantity: more than any class target has); None if it
    is no candidate."""
    try:
        values, reading = as_input(column.rename(name), name)
    except BadInput:
        return None
    present = None if values is None else values.dropna()
    if present is None or reading.kind == "date" or present.nunique() < 2:
        return None
    if reading.kind == "number" and not reading.meanings and not few_whole_numbers(present):
        if names_rows(present, name):
            return None
        low, high = present.min(), present.max()
        said = f"{low:,.6g} to {high:,.6g}, {present.nunique():,} different values"
        return Candidate(name, REGRESSION, said), MAX_FREE_CATEGORIES + 1
    classes = sorted(as_written(column.dropna()).unique())
    if len(classes) > MAX_FREE_CATEGORIES:
        return None
    more = f" and {len(classes) - _SHOWN} more" if len(classes) > _SHOWN else ""
    return Candidate(name, CLASSIFICATION, f"{', '.join(classes[:_SHOWN])}{more}"), len(classes)


def names_rows(numbers: pd.Series, name: str) -> bool:
    """Whether numbers identify rows: whole, different in every row, and either nearly consecutive or named like an
    id."""
    if not (numbers == np.floor(numbers)).all() or numbers.nunique() < len(numbers):
        return False
    return bool(_words(name) & _IDENTIFIES) or numbers.max() - numbers.min() < 2 * len(numbers)


def _words(name: str) -> set[str]:
    """The words of a name: `PassengerId` and `passenger_id` both give passenger and id."""
    return set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()))
