"""validation.json: what the checks of the data found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from tasks.records.documents import RunDocument

Severity = Literal["block", "warn"]
Origin = Literal["inferred", "spec", "comparison"]


@dataclass(frozen=True)
class CheckResult:
    """What one check found.

    Args:
        check: Its name: an expectation of Great Expectations, or one of `CHECKS`.
        column: The one that it is about, or None.
        origin: Who asked for it: the suite inferred from the data, the spec, or the comparison of recipes.
        severity: Whether a failure ends the run.
        success: Whether the data are as expected.
        expected, observed: In words.
        rows: How many were looked at: rows, or what the message is about (classes, columns).
        unexpected: How many of them are not as expected; None where that can't be counted.
        message: One sentence.
        remedy: What to do about a failure, or None.
        parameters: Of an inferred expectation, what it learned: with them it can be held against other rows.
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
    """How much of the target a rule on one or two columns tells.

    Args:
        columns: Their names.
        phrase: What the rule sees of them: `shop`, `whether fee is missing`, `shop and day together`, `a + b`.
        share: Of the errors of guessing that it removes, in [0, 1].
    """

    columns: list[str]
    phrase: str
    share: float


@dataclass(frozen=True, kw_only=True)
class Validation(RunDocument):
    """What all checks found.

    Args:
        outcome: `blocked` where a `block` check failed, `warned` where another did, else `passed`.
        seconds: That the checks took.
        sampled: Rows on which the inputs were checked where that is not all of them, else None.
        strengths: The rules that tell most of the target; none of runs that were checked before they were measured.
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
