"""Computes how many independent rows grouped rows are worth.

Rows of one group (a patient, a speaker) are alike: together they hold less information than as many rows of different
groups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasks.evaluation.intervals import Array, NoInterval

if TYPE_CHECKING:
    import pandas as pd


def groups_of(splits: pd.DataFrame, part: str, rows: np.ndarray) -> np.ndarray | None:
    """The group of each of `rows`, or None where the rows have no groups.

    Args:
        splits: Table `splits`.
        part: The part of the rows. Where rows are held out in turn, none has the part `test`: then all parts are
            searched.
        rows: Positions of the rows in the data set.
    """
    own = splits[splits["part"] == part]
    of_part = (splits if own.empty else own).drop_duplicates("row").set_index("row")["group"]
    if of_part.isna().all():
        return None
    return of_part.reindex(rows).fillna("").to_numpy(dtype=str)


def sums(columns: Array, groups: np.ndarray | None) -> Array:
    """The sums over each group, `[groups, k]`, of `columns` `[rows, k]`; the columns themselves without groups.

    Raises:
        NoInterval: there is only one group, which says nothing about how groups differ.
    """
    if groups is None:
        return columns
    names, of_row = np.unique(groups, return_inverse=True)
    if len(names) == 1:
        raise NoInterval("its rows are all of one group")
    return np.stack([np.bincount(of_row, column, minlength=len(names)) for column in columns.T], axis=1)


def design_effect(influence: Array, groups: np.ndarray | None) -> float:
    """The factor by which groups raise an estimate's variance: 1 or more, and 1 without groups or with groups of one
    row.

    It is the variance of the groups' sums, divided by the variance of as many independent rows (Kish 1965, 8.2). An
    estimate that is not a mean is linearised first. Where the rows do not differ at all, a group counts as one row.

    Args:
        influence: Influence of each row on the estimate `[rows]`, centred at 0.
        groups: The group of each row `[rows]`, or None.

    Raises:
        NoInterval: there is one group.
    """
    if groups is None:
        return 1.0
    totals = sums(influence[:, None], groups)[:, 0]
    rows, count = len(influence), len(totals)
    alone = rows / (rows - 1) * float(influence @ influence) if rows > 1 else 0.0
    if alone <= 1e-24 * rows:  # nothing but rounding
        return rows / count
    return max(count / (count - 1) * float(totals @ totals) / alone, 1.0)


def fewest(counted: np.ndarray, groups: np.ndarray | None) -> int:
    """The number of rows that are `counted` (bool `[rows]`), or of groups that hold such a row."""
    return int(counted.sum()) if groups is None else len(np.unique(np.asarray(groups)[counted]))


def quantile(confidence: float, rows: int, groups: np.ndarray | None) -> float:
    """Student's t quantile for a two-sided interval. Degrees of freedom: rows (or groups) minus 1, at least 1."""
    from scipy.special import stdtrit

    count = rows if groups is None else len(np.unique(groups))
    return float(stdtrit(max(count - 1, 1), (1 + confidence) / 2))
