"""Sizes in bytes, as people write them."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

from tasks.spec.entries import problem

_UNITS = {"B": 1} | {
    f"{letter}{middle}B": base**power
    for middle, base in (("", 1000), ("i", 1024))
    for power, letter in enumerate("KMGT", 1)
}
LEAST = 1_000_000
"""The fewest bytes. With less, too few rows fit to learn anything about the data."""


def bytes_of(value: Any) -> Any:
    """`2 GB`, `500 MiB` as a number of bytes; other values are returned as they are, for the field's type to check.

    >>> bytes_of("2 GB"), bytes_of("500 MiB")
    (2000000000, 524288000)
    """
    size = value
    if isinstance(value, str):
        match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([A-Za-z]+)", value.strip())
        units = {unit.lower(): factor for unit, factor in _UNITS.items()}
        if not match or match[2].lower() not in units:
            raise problem("is no size", got=repr(value), accepted="a number of bytes, or one with a unit: 500 MB, 2 GB")
        size = int(float(match[1]) * units[match[2].lower()])
    if isinstance(size, int) and not isinstance(size, bool) and size < LEAST:
        raise problem("is too small", got=str(value), accepted="at least 1 MB")
    return size


Size = Annotated[int, BeforeValidator(bytes_of)]
"""Bytes, at least `LEAST`; written as a number, or with a unit (kB, MB, GB, TB; KiB, MiB, GiB, TiB)."""
