"""Rows of a data set: which part they lie in, and a digest of their values."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

from tasks.dataset import Dataset


def rows_in(splits: pd.DataFrame, *parts: str) -> np.ndarray:
    """Positions of the rows that lie in any of `parts`, ascending, int64."""
    return np.unique(splits.loc[splits["part"].isin(parts), "row"].to_numpy(np.int64))


def row_digests(dataset: Dataset, columns: Sequence[str] | None = None) -> np.ndarray:
    """A 64-bit digest of each row's inputs and target, int64 `[rows]`: equal rows, of this data set or of another with
    the same columns, have equal digests.

    Args:
        columns: The inputs that count, of a table; None: all, in order.
    """
    raw = dataset.raw
    if isinstance(raw, np.ndarray):
        inputs = np.array([_array_digest(each) for each in raw], np.uint64)
    else:
        chunks = [raw] if dataset.streamed is None else dataset.streamed.raw.chunks()
        names = list(raw.columns) if columns is None else list(columns)
        inputs = np.concatenate([_table_digests(each[names]) for each in chunks])
    target = dataset.target + 0 if dataset.classes is None else np.array(dataset.classes, object)[dataset.target]
    # As a tuple's hash in pandas: odd multipliers keep (a, b) apart from (b, a).
    both = inputs * np.uint64(1_000_003) + pd.util.hash_array(target) * np.uint64(97_531)
    return both.view(np.int64)


def _table_digests(table: pd.DataFrame) -> np.ndarray:
    numbers = table.select_dtypes("number")
    return pd.util.hash_pandas_object(table.assign(**(numbers + 0.0)), index=False).to_numpy()  # -0.0 equals 0.0


def _array_digest(values: np.ndarray) -> int:
    return int.from_bytes(hashlib.blake2b(values.tobytes(), digest_size=8).digest(), "little")
