"""The suite inferred from the data: what a careful person expects of any data set, checked by Great Expectations."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import pandas as pd

from tasks.dataset import TEST, TRAIN, VAL, Dataset
from tasks.records.validation import CheckResult
from tasks.validation.by_case import of_classes, of_rows
from tasks.validation.by_column import of_all_rows, of_held_rows
from tasks.validation.by_profile import of_wide_table
from tasks.validation.inferred import Suite
from tasks.validation.rows import rows_in
from tasks.validation.suite import run

WIDE = 100
"""Columns above which a table is checked through its profile instead of column by column."""


def infer(
    dataset: Dataset,
    splits: pd.DataFrame,
    stated: Collection[tuple[str, str | None]] = (),
    *,
    learned: np.ndarray | None = None,
) -> list[CheckResult]:
    """Results of the inferred suite, as in validation.json.

    Args:
        stated: (expectation, column) pairs of the spec. An expectation of that name is then not inferred for that input
            column.
        learned: The target of all training rows, where the data set is only a sample.
    """
    left_out = {pair for pair in stated if pair[1] in dataset.table.columns}
    results = []
    for frame, suite in _suites(dataset, splits, learned):
        wanted = [item for item in suite if (item.expectation.name, item.column) not in left_out]
        outcomes = run(frame, [item.expectation for item in wanted])
        results += [
            item.finding(outcome).result(item.expectation.name, "inferred", item.severity, item.expectation.parameters)
            for item, outcome in zip(wanted, outcomes, strict=True)
        ]
    return results


def _suites(dataset: Dataset, splits: pd.DataFrame, learned: np.ndarray | None) -> Iterator[Suite]:
    train, held = rows_in(splits, TRAIN), rows_in(splits, VAL, TEST)
    yield from dataset.form.suites(dataset, train, held)
    yield of_rows(dataset)
    if dataset.classes is not None:
        target = dataset.target[train] if learned is None else learned
        yield of_classes(dataset.classes, target, dataset.target_name)


def of_table(table: pd.DataFrame, train: np.ndarray, held: np.ndarray) -> Iterator[Suite]:
    """Suites for all of a table's rows and for the held rows: column by column, or for a wide table by its profile."""
    if len(table.columns) > WIDE:
        yield of_wide_table(table, train, held)
    elif len(table.columns):
        yield table, list(of_all_rows(table, train))
        yield table.iloc[held], list(of_held_rows(table.iloc[train]))
