"""What one check found, before its origin and its severity are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.records.validation import CheckResult, ColumnStrength, Origin, Severity


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Args:
        success: Whether the data are as expected.
        expected: In words: "between 0 and 100".
        observed: In words: "min 0.42, max 80".
        rows: How many were looked at: rows, or what the message is about (classes, columns).
        unexpected: How many of them are not as expected; None where that can't be counted, as for a mean.
        message: One sentence that someone who does not know the code understands.
        remedy: What to do about a failure, or None.
        column: The one column it is about, or None.
        severity: The severity, if this failure is milder than the check's others; None: the check's own.
        strengths: Columns' strengths for validation.json, from the check that measures them.
    """

    success: bool
    expected: str
    observed: str
    rows: int
    unexpected: int | None
    message: str
    remedy: str | None = None
    column: str | None = None
    severity: Severity | None = None
    strengths: Sequence[ColumnStrength] = ()

    def result(
        self, check: str, origin: Origin, severity: Severity, parameters: Mapping[str, Any] | None = None
    ) -> CheckResult:
        """One entry of validation.json's `results`.

        Args:
            parameters: What an inferred expectation learned, so that other rows can be checked against it.
        """
        return CheckResult(
            check=check,
            column=self.column,
            origin=origin,
            severity=self.severity or severity,
            success=self.success,
            expected=self.expected,
            observed=self.observed,
            rows=self.rows,
            unexpected=self.unexpected,
            message=self.message,
            remedy=None if self.success else self.remedy,
            parameters=None if parameters is None else dict(parameters),
        )
