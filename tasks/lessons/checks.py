"""Measured figures against theory."""

from __future__ import annotations

import math

from tasks.records.lesson import TheoryCheck


def within(what: str, measured: float, theory: float, share: float) -> TheoryCheck:
    """Whether a figure lies within `share` of what theory says; 0: is that."""
    met = bool(abs(measured - theory) <= share * abs(theory))
    said = f"within {100 * share:g}%" if share else "exact"
    return TheoryCheck(what=what, measured=finite(measured), theory=float(theory), tolerance=said, met=met)


def finite(value: float) -> float | None:
    """The number, for a file that holds no other; None where it is not finite."""
    return float(value) if math.isfinite(value) else None
