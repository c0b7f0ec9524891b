"""Numbers as a reader wants them: as many digits as the interval deserves, aligned down a column."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeGuard

from tasks.evaluation.wording import written
from tasks.records.verdict import Estimate

MISSING = "–"
_MINUS = "\N{MINUS SIGN}"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def places(estimates: Iterable[Estimate | None]) -> int:
    """How many decimals a column of estimates gets: two significant digits of the median half-width, 0 to 6.

    Never more than four significant digits
    of the median estimate, so that an interval of a width near zero does not fill the page.
    """
    known = [estimate for estimate in estimates if estimate and _finite(estimate.mean)]
    sizes = [abs(e.mean) for e in known if e.mean]
    halves = [(e.high - e.low) / 2 for e in known if _finite(e.low) and _finite(e.high)]
    limits = [3 - _exponent(_median(sizes))] if sizes else [3]
    limits += [1 - _exponent(_median(halves))] if (halves := [half for half in halves if half > 0]) else []
    return max(0, min(*limits, 6))


def number(value: float | None, decimals: int) -> str:
    """1234.5 as `1,234.5`, 1.2e9 as a power of ten (from eight digits on), None and non-finite as a dash."""
    if value is None or not _finite(value):
        return MISSING
    if abs(value) >= 1e7:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa.replace('-', _MINUS)}×10{str(int(exponent)).translate(_SUPERSCRIPT)}"
    text = f"{abs(value):,.{decimals}f}"
    negative = value < 0 and float(text.replace(",", "")) > 0  # no "-0.00"
    return f"{_MINUS}{text}" if negative else text


def rounded(value: float | None) -> str:
    """At least four significant digits, and all before the point: `0.7978`, `53,169`."""
    return number(value, places([Estimate(value)]))


def signed(value: float | None, decimals: int) -> str:
    """As `number`, with a plus sign in front of what is above zero."""
    text = number(value, decimals)
    return f"+{text}" if value is not None and _finite(value) and value > 0 else text


def interval(estimate: Estimate | None, decimals: int | None = None) -> str:
    """`0.801 [0.772, 0.829]`; without the brackets where the bounds are unknown (one seed)."""
    if not estimate or not _finite(estimate.mean):
        return MISSING
    decimals = places([estimate]) if decimals is None else decimals
    mean = number(estimate.mean, decimals)
    if not (_finite(estimate.low) and _finite(estimate.high)):
        return mean
    return f"{mean} [{number(estimate.low, decimals)}, {number(estimate.high, decimals)}]"


def signed_interval(estimate: Estimate, decimals: int) -> str:
    """As `interval`, with a plus sign in front of a mean above zero."""
    text = interval(estimate, decimals)
    return (
        text
        if text == MISSING
        else f"{signed(estimate.mean, decimals)}{text.removeprefix(number(estimate.mean, decimals))}"
    )


def count(value: float | None) -> str:
    """A whole number with thousands separated."""
    return number(value, 0)


def setting(value: Any) -> str:
    """A hyperparameter's value: a fraction to three significant digits, a list as JSON, nothing as `none`."""
    if value is None:
        return "none"
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return json.dumps(value, ensure_ascii=False)
    return written(float(f"{value:.3g}")) if isinstance(value, float) else str(value)


def probability(p: float | None) -> str:
    """A p-value: three decimals, or `< 0.001`."""
    if p is None or not _finite(p):
        return MISSING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def duration(seconds: float | None) -> str:
    """`0.4 s`, `41 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds is None or not _finite(seconds):
        return MISSING
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _finite(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _exponent(value: float) -> int:
    return math.floor(math.log10(value))


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def moment(written: str) -> str:
    """A time as environment.json holds it, for a reader.

    >>> moment("2026-11-27T04:44:25Z")
    '27 November 2026, 04:44 UTC'
    """
    return f"{datetime.fromisoformat(written):%-d %B %Y, %H:%M} UTC"
