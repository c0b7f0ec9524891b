"""This project's own checks: for faults that ruin a comparison although every value looks right.

A check is a pure function `(dataset, splits, *, parameters) -> Finding | None`; None means that it does not apply. A
spec may set its keyword-only parameters, whose types and defaults are the schema. `splits` is the table of that name in
records.py.

To add one: write the function and put it in `CHECKS`; the contract tests and the spec follow from the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tasks.records.validation import Severity
from tasks.validation.columns import constant_column, identifier_column, infinite_value, unequal_scales
from tasks.validation.finding import Finding
from tasks.validation.leak import target_leak
from tasks.validation.overlap import shared_groups, shared_rows
from tasks.validation.parts import capped_target, missing_class, too_few_rows
from tasks.validation.repeats import repeated_id


@dataclass(frozen=True)
class Check:
    """A check, and how severe a failure is unless the spec says otherwise.

    Args:
        inputs: Whether it looks at input columns. If not, it sees every row even of streamed data, not just a sample.
    """

    function: Callable[..., Finding | None]
    severity: Severity
    inputs: bool = True


CHECKS: dict[str, Check] = {
    "target_leak": Check(target_leak, "block"),
    "repeated_id": Check(repeated_id, "warn"),
    "shared_groups": Check(shared_groups, "block", inputs=False),
    "shared_rows": Check(shared_rows, "warn"),
    "missing_class": Check(missing_class, "block", inputs=False),
    "too_few_rows": Check(too_few_rows, "warn", inputs=False),
    "infinite_value": Check(infinite_value, "block"),
    "constant_column": Check(constant_column, "warn"),
    "identifier_column": Check(identifier_column, "warn"),
    "unequal_scales": Check(unequal_scales, "warn"),
    "capped_target": Check(capped_target, "warn", inputs=False),
}
