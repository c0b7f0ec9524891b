"""Id columns: each value names a thing with several related rows, such as a customer, a patient or a machine."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pandas as pd

from tasks.dataset import Dataset
from tasks.ranges import Share
from tasks.validation.finding import Finding
from tasks.validation.strength import codes_of
from tasks.validation.wording import listing

_FEWEST_THINGS, _MOST_ROWS_EACH, _FEWEST_ROWS_EACH = 20, 50.0, 1.5
_PERMUTATIONS = 200
_NAMED = re.compile(r"(^|[_\W])(id|ids|key|code|no|nr|number|uuid|name|customer|patient|user|client|device|account)$")
"""Endings of the names of columns that say whom a row is about, in lower case."""


def repeated_id(dataset: Dataset, splits: pd.DataFrame, *, excess: Share = 0.2) -> Finding | None:
    """Rows of one id should not share the target more than other rows do, unless they stand in one part.

    Otherwise the test part holds things that training has seen, and its metrics do not hold for new things. A column
    counts as an id if it has at least 20 values, with 1.5 to 50 rows each on average, and holds texts or whole numbers.
    Whole numbers whose neighbours have similar targets are a quantity, not an id. Columns that are no inputs are
    checked too. How much rows of one id share is the intraclass correlation of the target (analysis of variance; Donner
    and Koval 1980). It is compared with 200 random permutations.

    Args:
        excess: From this intraclass correlation on the id matters. In `(0, 1]`.
    """
    if splits["group"].notna().any() or not (len(dataset.table.columns) or len(dataset.beside.columns)):
        return None
    found = list(_shared(dataset, excess))
    names = [name for name, _ in found]
    first = names[0] if names else ""
    each = "has" if len(names) == 1 else "have"
    return Finding(
        success=not found,
        expected=f"rows of one id share under {excess:.0%} of the target's variance",
        observed=", ".join(f"{name}: {shared:.0%}" for name, shared in found[:5]) or "no id that matters",
        rows=dataset.rows,
        unexpected=len(found),
        message=f"{listing(names)} {each} several rows for each value, which share the target: rows of one {first} "
        "stand in training and in the test part, so figures are better than on new ones."
        if found
        else "No column repeats like an id whose rows share the target.",
        remedy=f"data.split.group: {first}, unless every {first} to be predicted is in the training rows",
        column=first if len(names) == 1 else None,
    )


def _shared(dataset: Dataset, least: float) -> Iterator[tuple[str, float]]:
    """Yields each column that may be an id and whose intraclass correlation is at least `least` and above chance, with
    that correlation. Most other columns are ruled out by the first few permutations."""
    target = _as_numbers(dataset)
    for name, column in [*dataset.table.items(), *dataset.beside.items()]:
        codes = _id_codes(column, str(name))
        if codes is None:
            continue
        shared = intraclass(codes, target)
        if shared < least:
            continue
        rng = np.random.default_rng(0)
        chance = (intraclass(rng.permutation(codes), target) for _ in range(_PERMUTATIONS))
        if all(shared > each for each in chance) and not _is_a_quantity(column, target, shared):
            yield str(name), shared


def _as_numbers(dataset: Dataset) -> np.ndarray:
    """The target as float64 `[rows, outputs]`: its value, or an indicator of each class."""
    if dataset.classes is None:
        return dataset.target.astype(np.float64)[:, None]
    return np.eye(len(dataset.classes))[dataset.target]


def _id_codes(column: pd.Series, name: str) -> np.ndarray | None:
    """The code of each row's value, or None if the column can't be an id. Each missing value gets a code of its own."""
    number = pd.api.types.is_numeric_dtype(column)
    present = column.notna().to_numpy()
    things = column.nunique()
    if things < _FEWEST_THINGS or not _FEWEST_ROWS_EACH <= present.sum() / things <= _MOST_ROWS_EACH:
        return None
    if number and not np.equal(np.mod(column[present].to_numpy(np.float64), 1), 0).all():
        return None
    # A category with many values is like an id. If its name does not say so, its values must have few rows each.
    if not number and not _NAMED.search(name.lower()) and present.sum() / things > _MOST_ROWS_EACH / 5:
        return None
    codes = codes_of(column)
    codes[~present] = codes.max() + 1 + np.arange((~present).sum())
    return codes


def intraclass(codes: np.ndarray, target: np.ndarray) -> float:
    """The share of the target's variance that rows of one value share, at most 1; about 0 where they share none.

    Args:
        codes: Which value each row has, int64 `[rows]`.
        target: float64 `[rows, outputs]`.
    """
    sizes = np.bincount(codes)
    used = sizes > 0
    groups, rows = int(used.sum()), len(codes)
    if groups < 2 or groups == rows:
        return 0.0
    sums = np.column_stack([np.bincount(codes, weights=each, minlength=len(sizes)) for each in target.T])[used]
    level = target.mean(axis=0)
    between = float((np.square(sums) / sizes[used, None]).sum() - rows * np.square(level).sum()) / (groups - 1)
    within = float(np.square(target).sum() - (np.square(sums) / sizes[used, None]).sum()) / (rows - groups)
    typical = (rows - np.square(sizes).sum() / rows) / (groups - 1)
    total = between + (typical - 1) * within
    return (between - within) / total if total > 0 else 0.0


def _is_a_quantity(column: pd.Series, target: np.ndarray, shared: float) -> bool:
    """Whether neighbouring values share the target nearly as much as equal values do: then the number is a
    measurement."""
    if not pd.api.types.is_numeric_dtype(column):
        return False
    order = np.unique(column.to_numpy(np.float64), return_inverse=True)[1]
    # Values are paired with their upper and with their lower neighbours; the smaller share counts.
    joined = [intraclass((order + shift) // 2, target) for shift in (0, 1)]
    return min(joined) >= 0.75 * shared
