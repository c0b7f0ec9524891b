"""How a column of texts writes its numbers: `1,234.5`, `1.234,5`, `45%`, `$1,200`.

The notation is decided for the whole column, never value by value, and reported. Texts that allow two readings are
refused, with the choices.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

_SIGNS = "+\N{MINUS SIGN}-"
_UNITS = r"[$€£¥₹%‰]|EUR|USD|GBP|CHF"
_SHARES = {"%", "\N{PER MILLE SIGN}"}
"""The units that are no currency. Amounts of money have at most two digits after the decimal mark."""
_BODY = r"\d[\d.,'\u2019 \u00a0\u202f]*"
_NUMBER = re.compile(
    rf"(?P<sign>[{_SIGNS}]?)\s*(?P<before>{_UNITS})?\s*(?P<sign2>[{_SIGNS}]?)(?P<body>{_BODY})(?P<after>{_UNITS})?\s*"
)
_SPACES = " '\N{RIGHT SINGLE QUOTATION MARK}\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"
_EXACT_DIGITS = 15
"""Digits that float64 holds exactly. Longer whole numbers are taken as identifiers."""

NAMES = {"": "none", ",": "a comma", ".": "a point", " ": "a space"}


class Ambiguous(Exception):
    """Two readings are possible. The message names the texts."""


@dataclass(frozen=True)
class Notation:
    """How numbers are written.

    Args:
        decimal: The mark before the fraction, `.` or `,`.
        thousands: The mark between groups of three digits: `,`, `.`, a space (also an apostrophe), or nothing.
        units: Signs beside the digits that are not read: `%`, `$`.
    """

    decimal: str = "."
    thousands: str = ""
    units: tuple[str, ...] = ()

    def read(self, texts: pd.Series) -> pd.Series:
        """The numbers, float64; NaN where a text is missing or not in this notation."""
        codes, values = pd.factorize(texts)
        numbers = np.array([self._number(value) for value in values] + [np.nan])
        return pd.Series(numbers[codes], index=texts.index, dtype=np.float64, name=texts.name)

    def _number(self, text: str) -> float:
        found = _NUMBER.fullmatch(text)
        if found is None:
            return np.nan
        body, decimal, thousands = found["body"].strip(), re.escape(self.decimal), self._thousands
        grouped = rf"\d{{1,3}}({thousands}\d{{3}})+" if thousands else r"\d+"
        if not re.fullmatch(rf"({grouped}|\d+)({decimal}\d+)?", body):
            return np.nan
        plain = re.sub(thousands, "", body) if thousands else body
        value = float(plain.replace(self.decimal, "."))
        return -value if {found["sign"], found["sign2"]} & {"-", "\N{MINUS SIGN}"} else value

    @property
    def _thousands(self) -> str:
        return f"[{re.escape(_SPACES)}]" if self.thousands == " " else re.escape(self.thousands)

    @property
    def plain(self) -> bool:
        """Whether it is the notation that programs use (`1234.5`)."""
        return self == Notation()

    def __str__(self) -> str:
        parts = [f"{NAMES[self.decimal]} before the fraction"] if self.decimal == "," else []
        parts += [f"{NAMES[self.thousands]} between thousands"] if self.thousands else []
        parts += [f"{', '.join(self.units)} left out"] if self.units else []
        return ", ".join(parts)


def looks_like_number(texts: Iterable[str]) -> np.ndarray:
    """Which texts are numbers in some notation, bool."""
    return np.array([_NUMBER.fullmatch(text) is not None for text in texts], bool)


def is_code(texts: Sequence[str]) -> str | None:
    """Why whole numbers are codes rather than quantities: leading zeros, or more digits than a number holds; else None.

    >>> is_code(["00501", "10001"]), is_code(["0", "0.5", "10"])
    ('some begin with 0', None)
    """
    if not all(text.isdecimal() for text in texts):
        return None
    if any(len(text) > 1 and text[0] == "0" for text in texts):
        return "some begin with 0"
    if any(len(text) > _EXACT_DIGITS for text in texts):
        return f"some have more than {_EXACT_DIGITS} digits"
    return None


def notation_of(texts: Sequence[str], decimal: str | None = None, thousands: str | None = None) -> Notation:
    """How distinct texts that are all numbers are written.

    - A mark that occurs once in a number, before one, two or more than three digits, is a decimal mark.
    - A mark that occurs twice, or before another mark, separates thousands.
    - A comma that always stands before exactly three digits separates thousands if some number has a point, or some
      number below 1,000 has no comma.
    - A point that never occurs twice is a decimal point.
    - In money, which has no fractions of three digits, either mark before exactly three digits separates thousands.

    Args:
        decimal, thousands: The marks that the spec gives, if any.

    Raises:
        Ambiguous: commas could mean either, or the marks contradict each other.
    """
    found = [match for text in texts if (match := _NUMBER.fullmatch(text))]
    units = tuple(dict.fromkeys(unit for match in found for unit in (match["before"], match["after"]) if unit))
    bodies = [match["body"].strip() for match in found]
    if decimal is not None or thousands is not None:
        other = "," if decimal == "." else "."
        given = thousands if thousands is not None else other if any(other in body for body in bodies) else ""
        return Notation(decimal or ("." if thousands != "." else ","), given, units)
    spaced = any(set(body) & set(_SPACES) for body in bodies)
    commas, points = ([body for body in bodies if mark in body] for mark in ",.")
    both = [body for body in commas if "." in body]
    if both:
        last = {max(",.", key=body.rfind) for body in both}
        if len(last) > 1:
            raise Ambiguous(f"in {both[0]!r} and others commas and points change places")
        mark = last.pop()
        return Notation(mark, "," if mark == "." else ".", units)
    money = bool(set(units) - _SHARES)
    if commas:
        return _with_commas(bodies, commas, points, units, spaced=spaced, money=money)
    if any(body.count(".") > 1 for body in points):
        return Notation(",", ".", units)
    if money and points and all(re.fullmatch(r"\d{1,3}\.\d{3}", body) for body in points):
        return Notation(",", ".", units)
    return Notation(".", " " if spaced else "", units)


def _with_commas(
    bodies: Sequence[str],
    commas: Sequence[str],
    points: Sequence[str],
    units: tuple[str, ...],
    *,
    spaced: bool,
    money: bool,
) -> Notation:
    """As `notation_of`, for numbers of which some have commas and none has both a comma and a point."""
    if any(body.count(",") > 1 for body in commas):
        return Notation(".", ",", units)
    if any(len(body.rpartition(",")[2]) != 3 for body in commas):
        if points:
            raise Ambiguous(f"in {commas[0]!r} a comma stands before the fraction, in {points[0]!r} a point")
        return Notation(",", " " if spaced else "", units)
    # Each comma stands before three digits.
    below = any("," not in body and len(re.sub(r"\D", "", body)) <= 3 for body in bodies)
    if points or below or money:
        return Notation(".", ",", units)
    raise Ambiguous(f"in {commas[0]!r} the comma may stand between thousands or before a fraction")
