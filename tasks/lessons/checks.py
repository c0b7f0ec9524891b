"""Compares measured figures with theory."""

from __future__ import annotations

import math

from tasks.records.lesson import TheoryCheck


def within(what: str, measured: float, theory: float, share: float) -> TheoryCheck:
    """Checks that a figure differs from theory by at most `share` of it; 0: that it is equal."""
    met = bool(abs(measured - theory) <= share * abs(theory))
    said = f"within {100 * share:g}%" if share else "exact"
    return TheoryCheck(what=what, measured=finite(measured), theory=float(theory), tolerance=said, met=met)


def finite(value: float) -> float | None:
    """The number for strict JSON; None where it is not finite."""
    return float(value) if math.isfinite(value) else None
