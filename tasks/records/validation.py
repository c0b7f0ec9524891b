"""validation.json: the results of the checks of the data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from tasks.records.documents import RunDocument

Severity = Literal["block", "warn"]
Origin = Literal["inferred", "spec", "comparison"]


@dataclass(frozen=True)
class CheckResult:
    """The result of one check.

    Args:
        check: Its name: an expectation of Great Expectations, or one of `CHECKS`.
        column: The column that it is about, or None.
        origin: Where the check comes from: the suite inferred from the data, the spec, or the comparison of recipes.
        severity: Whether a failure ends the run.
        success: Whether the data are as expected.
        expected, observed: In words.
        rows: The number of things checked: rows, or what the message is about (classes, columns).
        unexpected: How many of them are not as expected; None where that can't be counted.
        message: One sentence.
        remedy: What to do about a failure, or None.
        parameters: For an inferred expectation, its parameters from the data, with which other rows can be checked.
    """

    check: str
    column: str | None
    origin: Origin
    severity: Severity
    success: bool
    expected: str
    observed: str
    rows: int
    unexpected: int | None
    message: str
    remedy: str | None
    parameters: dict[str, Any] | None = None

    @property
    def blocks(self) -> bool:
        """Whether it ends the run."""
        return not self.success and self.severity == "block"


@dataclass(frozen=True)
class ColumnStrength:
    """How well a rule on one or two columns predicts the target.

    Args:
        columns: Their names.
        phrase: The part of the columns that the rule uses: `shop`, `whether fee is missing`, `shop and day together`,
            `a + b`.
        share: Share of the errors of guessing that the rule removes, in [0, 1].
    """

    columns: list[str]
    phrase: str
    share: float


@dataclass(frozen=True, kw_only=True)
class Validation(RunDocument):
    """The results of all checks.

    Args:
        outcome: `blocked` where a `block` check failed, `warned` where another did, else `passed`.
        seconds: The time that the checks took.
        sampled: The number of rows on which the inputs were checked, if it is not all of them, else None.
        strengths: The rules that predict the target best; empty in runs of versions that did not measure them.
        results: The spec's expectations first, then the checks that guard the comparison, then the inferred suite.
    """

    FILE: ClassVar[str] = "validation.json"

    schema_version: int
    outcome: Literal["blocked", "warned", "passed"]
    seconds: float
    sampled: int | None = None
    strengths: list[ColumnStrength] = field(default_factory=list)
    results: list[CheckResult]

    @property
    def blocking(self) -> list[CheckResult]:
        """The results that ended the run."""
        return [result for result in self.results if result.blocks]
