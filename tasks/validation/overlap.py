"""Checks for rows and groups that occur in more than one part."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasks.dataset import TEST, TRAIN, VAL, Dataset
from tasks.ranges import Fraction
from tasks.validation.finding import Finding
from tasks.validation.rows import row_digests, rows_in
from tasks.validation.wording import listing, of, percent


def shared_rows(dataset: Dataset, splits: pd.DataFrame, *, share: Fraction = 0.0) -> Finding:
    """No row of the validation or test part should occur in another part too: a model may have memorised it.

    Rows are the same if all inputs and the target are. Each part is compared with the earlier ones: val with train,
    test with train and val. In a table with few distinct rows, equal rows may be different cases (two passengers may
    well be alike), so the check only warns.

    Args:
        share: The share of validation and test rows that may occur in another part. In `[0, 1)`.
    """
    digests = row_digests(dataset)
    train, val, test = (digests[rows_in(splits, part)] for part in (TRAIN, VAL, TEST))
    in_val = int(np.isin(val, train).sum())
    in_test = int(np.isin(test, np.concatenate([train, val])).sum())
    shared, rows = in_val + in_test, len(val) + len(test)
    success = shared <= share * rows
    return Finding(
        success=success,
        expected=f"at most {percent(round(share * rows), rows)} of the validation and test rows" if share else "none",
        observed=f"validation: {of(in_val, len(val))}, test: {of(in_test, len(test))}",
        rows=rows,
        unexpected=shared,
        message=f"{of(shared, rows, 'validation and test rows')} stand in another part too, target included."
        if shared
        else "No row stands in two parts.",
        remedy="copies of one case belong in one part: data.split.group: COLUMN, or take the repeats out of "
        "the file; different cases that happen to look alike may stay",
    )


def shared_groups(dataset: Dataset, splits: pd.DataFrame) -> Finding | None:
    """A group (a game, a patient) must lie in one part only, where the split has groups."""
    grouped = splits.dropna(subset=["group"])
    if grouped.empty:
        return None
    parts = grouped.groupby("group")["part"].nunique()
    shared = sorted(map(str, parts.index[parts > 1]))
    return Finding(
        success=not shared,
        expected="each group in one part",
        observed=f"{of(len(shared), len(parts), 'groups')} in two parts or more",
        rows=len(parts),
        unexpected=len(shared),
        message=f"Groups that stand in two parts or more: {listing(shared)} ({len(shared):,})."
        if shared
        else f"Each of the {len(parts):,} groups stands in one part only.",
        remedy="split by group: data.split.group: COLUMN (a split given by the source is to be mended there)",
    )
