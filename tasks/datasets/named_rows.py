"""Rows of texts under column names: the steps that delimited text and Excel sheets share once they are read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tasks.errors import BadInput

if TYPE_CHECKING:
    from tasks.spec.data import Read

MISSING_TEXTS = "missing texts"
"""Key in a frame's `attrs`: for each column, how often each text stood for a missing value."""


class MissingTexts(dict[str, Counter[str]]):
    """The value under `MISSING_TEXTS`. A copy is the same object: pandas copies `attrs` with every column that it hands
    out, which would take minutes for a wide table."""

    def __deepcopy__(self, memo: dict[int, object]) -> MissingTexts:
        return self


_NUMBER = re.compile(r"[-+]?(\d+([.,]\d+)?|[.,]\d+)([eE][-+]?\d+)?%?")
_YEAR = re.compile(r"(19|20)\d\d")
_LISTED = 20
"""The most names that a message lists."""


def names_of(first: Sequence[str], read: Read, where: str) -> list[str]:
    """The columns' names: those of the header, else those that the spec gives, else `column_1` and so on.

    Names that the spec gives may replace a header with repeated names.

    Args:
        first: The first row that is neither blank nor a comment.
        where: The place of that row, for messages.

    Raises:
        BadInput: a name occurs twice, or the spec's names are too few, too many or without effect.
    """
    given = read.columns
    if read.header and given is not None and (not repeated(first) or any(map(is_number, first))):
        raise BadInput(
            "has no effect on a file with a header",
            where="data.read.columns",
            remedy="take it out, or set data.read.header: false",
        )
    if given is not None and len(given) != len(first):
        raise BadInput(
            f"names {len(given)} columns, but the file has {len(first)}",
            where="data.read.columns",
            got=", ".join(given),
        )
    names = list(given or (first if read.header else [f"column_{i}" for i in range(1, len(first) + 1)]))
    names = [name or f"unnamed_{i}" for i, name in enumerate(names, 1)]
    if twice := repeated(names):
        remedy = "give every column a name of its own"
        if given is None:
            remedy += f": data.read.columns: [{_listed(apart(names))}] would replace the header"
        raise BadInput(
            "columns have the same name",
            where=where if given is None else "data.read.columns",
            got=together(twice),
            remedy=remedy,
        )
    return names


def frame_of(
    names: Sequence[str], rows: Sequence[Sequence[str]], read: Read, texts: Collection[str] = ()
) -> pd.DataFrame:
    """Columns of `str`, None where a value is missing (counted in `attrs`, see `MISSING_TEXTS`). dtype object.

    Args:
        rows: At least one, each with a stripped text for each name.
        texts: Columns of free text: only an empty value is missing there, since "NA" may be what someone wrote.
    """
    frame, said = {}, MissingTexts()
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        missing = frozenset([""] if name in texts else read.missing)
        written = np.array([None if value in missing else value for value in values], dtype=object)
        frame[name] = pd.Series(written, dtype=object)
        said[name] = Counter(value for value in values if value in missing)
    table = pd.DataFrame(frame)
    table.attrs[MISSING_TEXTS] = said
    return table


def is_number(text: str) -> bool:
    """Whether a text is a number that is no year, so hardly a column's name.

    >>> is_number("1,5"), is_number("2019"), is_number("age")
    (True, False, False)
    """
    return bool(_NUMBER.fullmatch(text)) and not _YEAR.fullmatch(text)


def repeated(names: Sequence[str]) -> dict[str, list[int]]:
    """The names that occur more than once, with their places from 1.

    >>> repeated(["a", "b", "a", ""])
    {'a': [1, 3]}
    """
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names, 1):
        if name:
            places.setdefault(name, []).append(place)
    return {name: where for name, where in places.items() if len(where) > 1}


def apart(names: Sequence[str]) -> list[str]:
    """Makes names distinct: a repeated name gets a number, so that no other name equals it.

    >>> apart(["a", "a", "a_2", "b"])
    ['a', 'a_3', 'a_2', 'b']
    """
    used, own = set(names), []
    seen: set[str] = set()
    for name in names:
        free, number = name, 2
        while name in seen and free in used:
            free, number = f"{name}_{number}", number + 1
        seen.add(name)
        used.add(free)
        own.append(free)
    return own


def together(twice: Mapping[str, Sequence[int]]) -> str:
    """The result of `repeated` in words: `column 3 and column 7 are both called "x"`."""
    said = []
    for name, places in twice.items():
        *others, last = (f"column {place}" for place in places)
        said.append(f'{", ".join(others)} and {last} are {"both" if len(places) == 2 else "all"} called "{name}"')
    return "; ".join(said)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
