"""Validates a data set before anything is trained on it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol

import pandas as pd

from tasks.dataset import TRAIN, Dataset
from tasks.errors import BadInput
from tasks.records.tables import SCHEMA_VERSION
from tasks.records.validation import CheckResult, ColumnStrength, Severity, Validation
from tasks.validation.checks import CHECKS
from tasks.validation.infer import infer
from tasks.validation.rows import rows_in
from tasks.validation.suite import Expectation
from tasks.validation.written import findings


class CheckEntry(Protocol):
    """An entry of the spec's `data.checks`: an expectation or one of `CHECKS`, with its parameters."""

    @property
    def name(self) -> str: ...
    @property
    def parameters(self) -> dict[str, Any]: ...
    @property
    def severity(self) -> Severity: ...


def validate(dataset: Dataset, splits: pd.DataFrame, checks: Sequence[CheckEntry] = ()) -> Validation:
    """The content of validation.json.

    The spec's expectations come first, then the checks that guard the comparison, then the inferred suite. An entry
    that names one of `CHECKS` replaces that check with its defaults; an expectation replaces an inferred one of the
    same name and column. The inputs of streamed data are checked on the sample that is in memory, everything else on
    every row.

    Args:
        splits: Columns `row` and `part`, and `group` (null without groups), as records.SPLITS.

    Raises:
        BadInput: an entry names a column that is not there, has a wrong parameter, or needs all rows of streamed data;
            `where` is its path.
    """
    started = time.monotonic()
    held, held_splits = dataset.in_memory(splits)
    if held is not dataset:
        _refuse_counts(checks)
    compared, strengths = _compared(dataset, splits, checks)
    results = [*_written(held, checks), *compared]
    stated = {(entry.name, entry.parameters.get("column")) for entry in checks}
    results += infer(held, held_splits, stated, learned=dataset.target[rows_in(splits, TRAIN)])
    failed = {result.severity for result in results if not result.success}
    return Validation(
        schema_version=SCHEMA_VERSION,
        outcome="blocked" if "block" in failed else "warned" if failed else "passed",
        seconds=round(time.monotonic() - started, 3),
        sampled=held.rows if held is not dataset else None,
        strengths=strengths,
        results=results,
    )


def outcome_table(results: Sequence[CheckResult]) -> list[dict[str, str]]:
    """The results as rows of text for a terminal: blocking ones first, then warnings, then passed ones."""
    answers = ["passed" if result.success else "blocks" if result.blocks else "warns" for result in results]
    rows = [
        {
            "answer": answer,
            "check": result.check,
            "column": result.column or "",
            "finding": result.message,
            "remedy": result.remedy or "",
        }
        for answer, result in zip(answers, results, strict=True)
    ]
    return sorted(rows, key=lambda row: ("blocks", "warns", "passed").index(row["answer"]))


def _refuse_counts(checks: Sequence[CheckEntry]) -> None:
    """Refuses expectations about the number of rows, or what grows with it: a sample can't answer them."""
    for index, entry in enumerate(checks):
        if entry.name in COUNTS:
            raise BadInput(
                "can't be told from a sample, and these data are streamed: their inputs are checked on one",
                where=f"data.checks[{index}]",
                got=entry.name,
                remedy="take the check out, or allow more memory (data.memory)",
            )


COUNTS = {
    "expect_table_row_count_to_equal",
    "expect_table_row_count_to_be_between",
    "expect_column_sum_to_be_between",
    "expect_column_unique_value_count_to_be_between",
}


def _written(dataset: Dataset, checks: Sequence[CheckEntry]) -> list[CheckResult]:
    entries = {f"data.checks[{i}]": entry for i, entry in enumerate(checks) if entry.name not in CHECKS}
    found = findings(dataset, {path: Expectation(entry.name, entry.parameters) for path, entry in entries.items()})
    return [
        finding.result(entry.name, "spec", entry.severity)
        for entry, finding in zip(entries.values(), found, strict=True)
    ]


def _compared(
    dataset: Dataset, splits: pd.DataFrame, checks: Sequence[CheckEntry]
) -> tuple[list[CheckResult], list[ColumnStrength]]:
    """The results of this project's own checks, and the strengths that one of them measured."""
    held, held_splits = dataset.in_memory(splits)
    results: list[CheckResult] = []
    strengths: list[ColumnStrength] = []
    for name, check in CHECKS.items():
        asked = [(entry.parameters, entry.severity) for entry in checks if entry.name == name]
        for parameters, severity in asked or [({}, check.severity)]:
            looked_at = (held, held_splits) if check.inputs else (dataset, splits)
            finding = check.function(*looked_at, **parameters)
            if finding is not None:
                results.append(finding.result(name, "spec" if asked else "comparison", severity))
                strengths = list(finding.strengths) or strengths
    return results, strengths
