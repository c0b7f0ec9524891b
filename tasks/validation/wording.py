"""How numbers, shares and names are written in the findings that people read."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
import yaml

_LONGEST = 40


def shown(value: Any) -> str:
    """One value: `80`, `0.42`, `128,069`, `'male'`; long text is cut."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "missing"
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    if isinstance(value, (int, np.integer)):
        return f"{int(value):,}"
    if isinstance(value, (float, np.floating)):
        return f"{value:,.6g}"
    text = str(value)
    return repr(text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "...")


def percent(part: int, whole: int) -> str:
    """`part` of `whole`: `0.2%`, `62%`; never 0% for something, nor 100% for less than all."""
    share = 100 * part / whole if whole else 0.0
    if 0 < share < 0.1:
        return "under 0.1%"
    if 99.9 < share < 100:
        return "over 99.9%"
    return f"{share:.0f}%" if 10 <= share < 99 or share in (0, 100) else f"{share:.1f}%"


def of(part: int, whole: int, what: str = "rows") -> str:
    """`312 of 128,069 rows (0.2%)`."""
    return f"{part:,} of {whole:,} {what} ({percent(part, whole)})"


def listing(names: Iterable[str], most: int = 5) -> str:
    """`a, b and c`; beyond `most`: `a, b, c, d, e and 61 more`."""
    names = list(names)
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most:,} more"
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def keeping(classes: Iterable[str]) -> str:
    """The spec's line that keeps only these classes: `data.classes: [a, b]`."""
    return f"data.classes: {yaml_list(classes)}"


def gist(name: str) -> str:
    """A key that is the same for spellings of one class that differ only in case or blanks.

    >>> gist(" Yes ") == gist("yes")
    True
    """
    return " ".join(name.casefold().split())


def joining(classes: Iterable[str]) -> str:
    """The spec's line that joins spellings of one class, under the first: `data.classes: {No: [No, no]}`."""
    found: dict[str, list[str]] = {}
    for name in classes:
        found.setdefault(gist(name), []).append(name)
    return f"data.classes: {yaml_flow({names[0].strip(): names for names in found.values()})}"


def yaml_list(names: Iterable[str]) -> str:
    """Column names as a YAML list to paste: `[PTS, 'yes', 'shot: result']`, quoted where YAML needs it."""
    return yaml_flow(list(names))


def yaml_flow(value: Any) -> str:
    """A list or a mapping on one line of YAML, to paste."""
    return yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, width=sys.maxsize, sort_keys=False
    ).strip()
