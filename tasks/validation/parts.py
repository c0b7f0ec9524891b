"""What each part must hold for its metrics to mean something."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from tasks.dataset import TEST, TRAIN, VAL, Dataset
from tasks.ranges import Count, Share
from tasks.validation.finding import Finding
from tasks.validation.rows import rows_in
from tasks.validation.wording import keeping, listing, of

FEWEST_ROWS = 3
"""A class of fewer rows can't be in all three parts."""


def missing_class(dataset: Dataset, splits: pd.DataFrame) -> Finding | None:
    """Every class must occur in every part that has rows.

    Absent from train, it can't be learned; absent from val or test, recall and ROC AUC are undefined there.
    """
    if dataset.classes is None:
        return None
    counts = {
        part: np.bincount(dataset.target[rows_in(splits, part)], minlength=len(dataset.classes))
        for part in (TRAIN, VAL, TEST)
        if (splits["part"] == part).any()
    }
    absent = [
        f"{name} in {part}"
        for part, count in counts.items()
        for name, n in zip(dataset.classes, count, strict=True)
        if n == 0
    ]
    return Finding(
        success=not absent,
        expected="every class in train, val and test",
        observed=f"absent: {listing(absent)}" if absent else "all there",
        rows=len(dataset.classes) * len(counts),
        unexpected=len(absent),
        message=f"Some classes of {dataset.target_name} are absent from a part: {listing(absent)}."
        if absent
        else f"Every class of {dataset.target_name} occurs in every part.",
        remedy=_for_absent(dataset, counts),
        column=dataset.target_name,
    )


def _for_absent(dataset: Dataset, counts: Mapping[str, np.ndarray]) -> str:
    """The remedy: a class of one or two rows needs more rows or is left out; a larger one can be divided."""
    assert dataset.classes is not None
    rows = sum(counts.values())
    absent = np.any([count == 0 for count in counts.values()], axis=0)
    small = absent & (rows < FEWEST_ROWS)
    if small.any():
        kept = [name for name, gone in zip(dataset.classes, small, strict=True) if not gone]
        return f"add rows of {'them' if small.sum() > 1 else 'it'}, or leave such classes out: {keeping(kept)}"
    return "data.split.stratify: true, or larger data.split.test or validation"


def too_few_rows(dataset: Dataset, splits: pd.DataFrame, *, rows: Count = 50) -> Finding:
    """The test part should have `rows` rows: with 50, an accuracy of 0.8 is known to +-0.11 (95%)."""
    test = len(rows_in(splits, TEST))
    return Finding(
        success=test >= rows,
        expected=f"at least {rows:,} test rows",
        observed=f"{test:,}",
        rows=test,
        unexpected=max(rows - test, 0),
        message=f"The test part has {test:,} rows"
        + ("." if test >= rows else ": the intervals around its metrics will be wide."),
        remedy="more data, or a larger data.split.test",
    )


def capped_target(dataset: Dataset, splits: pd.DataFrame, *, share: Share = 0.01) -> Finding | None:
    """A target to predict should not pile up at its smallest or largest value, as a capped measurement does.

    Args:
        share: From this share of all rows on, the extreme value counts as a cap, if no other value is more common. In
            `(0, 1]`.
    """
    if dataset.classes is not None:
        return None
    values, counts = np.unique(dataset.target, return_counts=True)
    commonest = int(counts.argmax())
    piled = len(values) >= 50 and commonest in (0, len(values) - 1) and counts.max() >= share * dataset.rows
    many = of(int(counts.max()), dataset.rows)
    side = "smallest" if commonest == 0 else "largest"
    return Finding(
        success=not piled,
        expected=f"the most common value is not the smallest or largest, or has below {share:.0%} of the rows",
        observed=f"commonest value {values[commonest]:,.6g}: {many}",
        rows=dataset.rows,
        unexpected=int(counts.max()) if piled else 0,
        message=f"{many} have exactly the {side} {dataset.target_name}, {values[commonest]:,.6g}: it looks "
        "cut off there, and errors at that end are not real ones."
        if piled
        else f"{dataset.target_name} does not pile up at either end.",
        remedy="leave the capped rows out, or read the metrics with that in mind",
        column=dataset.target_name,
    )
