"""Formats counts, settings, p-values, durations and times for a reader."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from tasks.evaluation.rounding import MISSING, fixed, known, rounded
from tasks.evaluation.wording import written


def count(value: float | None) -> str:
    """Formats a whole number with thousands separated."""
    return fixed(value, 0)


def figure(value: float | None) -> str:
    """Formats a measured number: a whole one without decimals, another with at least four significant digits."""
    return count(value) if value is not None and float(value).is_integer() else rounded(value)


def setting(value: Any) -> str:
    """Formats a hyperparameter's value: a float to three significant digits, a list as JSON, None as `none`."""
    if value is None:
        return "none"
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return json.dumps(value, ensure_ascii=False)
    return written(float(f"{value:.3g}")) if isinstance(value, float) else str(value)


def probability(p: float | None) -> str:
    """Formats a p-value: three decimals, or `< 0.001`."""
    if p is None or not known(p):
        return MISSING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def duration(seconds: float | None) -> str:
    """Formats seconds as `0.4 s`, `41 s`, `3 min 20 s` or `2 h 5 min`."""
    if seconds is None or not known(seconds):
        return MISSING
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def moment(written: str) -> str:
    """Formats a time of environment.json for a reader.

    >>> moment("2026-11-27T04:44:25Z")
    '27 November 2026, 04:44 UTC'
    """
    return f"{datetime.fromisoformat(written):%-d %B %Y, %H:%M} UTC"
