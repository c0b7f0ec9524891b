"""Checks a window of new rows against the expectations of the run that made the champion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from tasks.datasets.columns import as_written
from tasks.monitoring.alarm import RATE
from tasks.monitoring.batch import Batch
from tasks.records.monitoring import Noticed
from tasks.records.validation import Validation
from tasks.spec.models import Spec
from tasks.validation.checks import CHECKS
from tasks.validation.suite import Expectation, Outcome, run
from tasks.validation.validate import COUNTS
from tasks.validation.written import columns_of, finding_of, is_about_texts

_OF_TYPE = "expect_column_values_to_be_of_type"
"""Not checked again: a batch is read in the same way as the training data, so the types are the same."""


def inferred(validation: Validation, columns: Sequence[str]) -> list[Expectation]:
    """The expectations of each column that the run inferred and that held in the run.

    Args:
        validation: The run's validation.json.
        columns: The names of the inputs.
    """
    known = set(columns)
    return [
        Expectation(each.check, each.parameters)
        for each in validation.results
        if each.origin == "inferred"
        and each.success
        and each.column in known
        and each.parameters
        and each.check != _OF_TYPE
    ]


def written(spec: Spec) -> list[Expectation]:
    """The expectations of the spec's author, except those that depend on the number of rows."""
    return [
        Expectation(each.name, each.parameters)
        for each in spec.data.checks
        if each.name not in CHECKS and each.name not in COUNTS
    ]


def broken(batch: Batch, meant: pd.DataFrame, expectations: Sequence[Expectation]) -> Iterator[Noticed]:
    """Yields the expectations that do not hold.

    Where an expectation allows a share of exceptions, a small batch may exceed that share by chance. Then it counts as
    broken only if this is as unlikely as an alarm.

    Args:
        meant: The inputs of the batch and its target, as interpreted values.
    """
    texts = pd.DataFrame({name: as_written(batch.written[name]).array for name in batch.written.columns})
    for textual, frame in ((False, meant), (True, texts)):
        asked = [
            each
            for each in expectations
            if (is_about_texts(each) and not set(columns_of(each)) <= set(meant.columns)) == textual
            and set(columns_of(each)) <= set(frame.columns)
        ]
        for expectation, outcome in zip(asked, run(frame, asked), strict=True):
            if not outcome.success and outcome.error is None and not _by_chance(expectation, outcome):
                found = finding_of(frame, expectation, outcome)
                yield Noticed(column=found.column, fault=True, sentence=found.message)


def _by_chance(expectation: Expectation, outcome: Outcome) -> bool:
    mostly = expectation.parameters.get("mostly")
    if mostly is None or not outcome.unexpected or not outcome.rows:
        return False
    return bool(stats.binom.sf(outcome.unexpected - 1, outcome.rows, 1 - mostly) >= RATE)


def meaning(batch: Batch, target: str, classes: Sequence[str] | None) -> pd.DataFrame:
    """The inputs of a batch, and its target as names of classes."""
    if not classes:
        return batch.inputs.assign(**{target: batch.target})
    labels = [classes[int(each)] if np.isfinite(each) else None for each in batch.target]
    return batch.inputs.assign(**{target: pd.Series(labels, dtype=object)})
