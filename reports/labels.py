"""Makes short, distinct labels for recipes whose names are too long for a chart."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

MOST = 44
"""Most characters of a label; those of East Asian scripts count double."""
_BETWEEN = " · "


def labels(names: Sequence[str]) -> list[str]:
    """Returns a label for each name, in their order, of at most `MOST` characters.

    Names are those of a plan: parts joined by " · ". If a name is too long, parts that all recipes share are left out.
    If a label is still too long, the words with which a part begins in every recipe are left out; then letters in the
    middle. Distinct names get distinct labels.

    >>> labels(["adam · cosine · batch size 32", "sgd · cosine · batch size 64"])
    ['adam · batch size 32', 'sgd · batch size 64']
    """
    if max(map(_width, names), default=0) <= MOST:
        return _distinct(list(names))
    columns = _columns(names)
    if columns:
        columns = [column for column in columns if len(set(column)) > 1] or columns
        if max(map(_width, _joined(columns))) > MOST:
            columns = [_without_common_words(column) for column in columns]
    return _distinct([_cut(name, MOST) for name in (_joined(columns) if columns else names)])


def _columns(names: Sequence[str]) -> list[list[str]]:
    """Returns the names' parts by position; nothing if names have different numbers of parts."""
    parts = [name.split(_BETWEEN) for name in names]
    if len({len(each) for each in parts}) != 1:
        return []
    return [list(column) for column in zip(*parts, strict=True)]


def _joined(columns: Sequence[Sequence[str]]) -> list[str]:
    return [_BETWEEN.join(row) for row in zip(*columns, strict=True)]


def _without_common_words(column: Sequence[str]) -> list[str]:
    """Turns `learning rate 0.1`, `learning rate 1` into `0.1`, `1`. Each part keeps at least its last word."""
    words = [part.split(" ") for part in column]
    common = 0
    while all(len(each) > common + 1 for each in words) and len({each[common] for each in words}) == 1:
        common += 1
    return [" ".join(each[common:]) for each in words]


def _distinct(short: list[str]) -> list[str]:
    """Makes labels distinct: adds a number at the end of those that would be equal."""
    taken: set[str] = set()
    for place, label in enumerate(short):
        number, text = 1, label
        while text in taken:
            number += 1
            text = f"{_cut(label, MOST - len(str(number)) - 2)} #{number}"
        taken.add(text)
        short[place] = text
    return short


def _cut(text: str, most: int) -> str:
    """Cuts the middle out of a text that is too long: names differ at their ends more often than there."""
    if _width(text) <= most:
        return text
    head, tail = text[: len(text) // 2], text[len(text) // 2 :]
    while _width(head) + _width(tail) + 1 > most:
        if _width(head) > _width(tail):
            head = head[:-1]
        else:
            tail = tail[1:]
    return f"{head}…{tail}"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
