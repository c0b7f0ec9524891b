"""Columns of dates: how they are written, decided over the whole column, and the inputs that they become."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

ISO = "ISO 8601"
_TIME = r"([T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AP]M)?(Z|[+-]\d{2}:?\d{2})?)?"
_ISO = re.compile(r"\d{4}([-/])\d{1,2}\1\d{1,2}" + _TIME + r"|(19|20)\d\d-(0[1-9]|1[0-2])", re.IGNORECASE)
_PARTS = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d{2})" + _TIME, re.IGNORECASE)
_WITH_WORDS = re.compile(r"(\d{1,2}[ -]?[a-z]{3,9}[ -]?\d{2,4}|[a-z]{3,9} \d{1,2},? \d{4})" + _TIME, re.IGNORECASE)
_WORDED = ("%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%d%b%Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y")
_MONTH_AND_YEAR = re.compile(r"\d{1,2}[./-]\d{4}")
_FIRST_YEAR, _LAST_YEAR = 1900, 2100


class Unclear(Exception):
    """The texts are dates that can be read in two ways. The message says why."""


def format_of(texts: Sequence[str]) -> str | None:
    """How distinct texts write dates: `ISO`, or a format of `strptime` without the time; None: they are no dates.

    Raises:
        Unclear: the day or the month could stand first.

    >>> format_of(["2024-12-31"]), format_of(["31.12.24"]), format_of(["31 Dec 2024"])
    ('ISO 8601', '%d.%m.%y', '%d %b %Y')
    """
    if all(_ISO.fullmatch(text) for text in texts):
        return ISO
    if all(_WITH_WORDS.fullmatch(text) for text in texts):
        column = pd.Series(texts, dtype=object)
        return next((form for form in _WORDED if instants(column, form).notna().all()), None)
    found = [_PARTS.fullmatch(text) for text in texts]
    parts = [match for match in found if match]
    if len(parts) < len(texts) or len({(match[2], len(match[4])) for match in parts}) > 1:
        return None
    first, second = (max(int(match[group]) for match in parts) for group in (1, 3))
    mark = parts[0][2]
    if first > 12 and second > 12:
        return None
    if first <= 12 and second <= 12:
        raise Unclear(f"in {texts[0]!r} the day or the month may stand first, and no other value decides it")
    year = "%Y" if len(parts[0][4]) == 4 else "%y"
    return f"%d{mark}%m{mark}{year}" if first > 12 else f"%m{mark}%d{mark}{year}"


def compact(texts: Sequence[str]) -> str | None:
    """What dates these numbers may be, if as numbers they do not sort by time (`05112025`, `5.2025`); else None.

    Eight digits that begin with the year sort by time.
    """
    if all(_MONTH_AND_YEAR.fullmatch(text) for text in texts):
        return "a month and a year"
    if not all(re.fullmatch(r"\d{7,8}", text) for text in texts):
        return None
    if _all_within([text.zfill(8) for text in texts], "%Y%m%d"):
        return None
    others = ("%d%m%Y", "%m%d%Y")
    return "a day, a month and a year" if any(_all_within([t.zfill(8) for t in texts], f) for f in others) else None


def _all_within(texts: Sequence[str], form: str) -> bool:
    dates = pd.to_datetime(pd.Series(texts), format=form, errors="coerce")
    return bool(dates.dt.year.between(_FIRST_YEAR, _LAST_YEAR).all())


def instants(texts: pd.Series, form: str) -> pd.Series:
    """Dates and times in UTC (datetime64), NaT where a text is missing or no such date.

    Args:
        form: As `format_of` gives it, or a format of `strptime`.
    """
    if form == ISO:
        return pd.to_datetime(texts.str.replace("/", "-"), format="ISO8601", errors="coerce", utc=True)
    for time in ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p"):
        dates = pd.to_datetime(texts, format=form + time, errors="coerce", utc=True)
        if dates.notna().equals(texts.notna()):
            return dates
    return pd.to_datetime(texts, format=form, errors="coerce", utc=True)


def days(dates: pd.Series) -> pd.Series:
    """Days since 1970, float64 with a fraction for the time; NaN where missing."""
    return (dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)


def date_parts(name: str, since: pd.Series) -> dict[str, pd.Series]:
    """The parts of dates: year, month, day, hour and days since 1970 as float64, and the weekday's name, by column
    name.

    Counting the days from another day would give the same input after standardisation.

    Args:
        name: The name of the column of dates.
        since: Days since 1970, as `days` gives them.
    """
    dates = pd.to_datetime(since, unit="D")
    numbers = {
        "year": dates.dt.year,
        "month": dates.dt.month,
        "day": dates.dt.day,
        "hour": dates.dt.hour,
        "days": since,
    }
    parts = {f"{name} {part}": values.astype(np.float64) for part, values in numbers.items()}
    return parts | {f"{name} weekday": dates.dt.day_name().astype(object).where(dates.notna(), None)}
