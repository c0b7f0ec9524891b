"""One rule for figures with an interval, in sentences, tables and charts: the width of the interval sets the
decimals."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeGuard

from tasks.records.estimate import Estimate

MISSING = "–"
MINUS = "\N{MINUS SIGN}"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def places(estimates: Iterable[Estimate | None]) -> int:
    """The number of decimals of a column of estimates: two significant digits of the median half-width, 0 to 6.

    At most four significant digits of the median estimate, so that an interval of nearly no width does not give long
    numbers. In a sentence each estimate is a column of its own.
    """
    told = [estimate for estimate in estimates if estimate and known(estimate.mean)]
    sizes = [abs(e.mean) for e in told if e.mean]
    halves = [(e.high - e.low) / 2 for e in told if known(e.low) and known(e.high)]
    limits = [3 - _exponent(_median(sizes))] if sizes else [3]
    limits += [1 - _exponent(_median(halves))] if (halves := [half for half in halves if half > 0]) else []
    return max(0, min(*limits, 6))


def fixed(value: float | None, decimals: int) -> str:
    """Formats a number: 1234.5 as `1,234.5`, 1.2e9 as a power of ten (from eight digits on), None and non-finite as a
    dash."""
    if value is None or not known(value):
        return MISSING
    if abs(value) >= 1e7:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa.replace('-', MINUS)}×10{str(int(exponent)).translate(_SUPERSCRIPT)}"
    text = f"{abs(value):,.{decimals}f}"
    negative = value < 0 and float(text.replace(",", "")) > 0  # no "-0.00"
    return f"{MINUS}{text}" if negative else text


def rounded(value: float | None) -> str:
    """Formats a metric's value without an interval, with four significant digits and all digits before the point:
    `0.7978`, `53,169`."""
    return fixed(value, places([Estimate(value)]))


def signed(value: float | None, decimals: int) -> str:
    """Like `fixed`, with a plus sign in front of a value above zero."""
    text = fixed(value, decimals)
    return f"+{text}" if value is not None and known(value) and value > 0 else text


def interval(estimate: Estimate | None, decimals: int | None = None) -> str:
    """`0.801 [0.772, 0.829]`; without the brackets where the bounds are unknown (one seed)."""
    if not estimate or not known(estimate.mean):
        return MISSING
    decimals = places([estimate]) if decimals is None else decimals
    mean = fixed(estimate.mean, decimals)
    if not (known(estimate.low) and known(estimate.high)):
        return mean
    return f"{mean} [{fixed(estimate.low, decimals)}, {fixed(estimate.high, decimals)}]"


def signed_interval(estimate: Estimate, decimals: int | None = None) -> str:
    """Like `interval`, with a plus sign in front of a mean above zero."""
    decimals = places([estimate]) if decimals is None else decimals
    text = interval(estimate, decimals)
    return (
        text
        if text == MISSING
        else f"{signed(estimate.mean, decimals)}{text.removeprefix(fixed(estimate.mean, decimals))}"
    )


def known(value: Any) -> TypeGuard[float]:
    """Whether a value is a finite number."""
    return isinstance(value, (int, float)) and math.isfinite(value)


def _exponent(value: float) -> int:
    return math.floor(math.log10(value))


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
