"""Rows of a data set: which part they lie in, and a digest of what stands in them."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from tasks.dataset import Dataset


def rows_in(splits: pd.DataFrame, *parts: str) -> np.ndarray:
    """Positions of the rows that lie in any of `parts`, ascending, int64."""
    return np.unique(splits.loc[splits["part"].isin(parts), "row"].to_numpy(np.int64))


def row_digests(dataset: Dataset) -> np.ndarray:
    """A 64-bit digest of each row's inputs and target, int64 `[rows]`; equal rows have equal digests."""
    raw = dataset.raw
    inputs = pd.DataFrame({"array": _array_digests(raw)}) if isinstance(raw, np.ndarray) else raw.copy()
    for name in dataset.numbers:
        inputs[name] += 0.0  # -0.0 equals 0.0
    target = pd.Series(dataset.target + 0, index=inputs.index, name="target")
    return pd.util.hash_pandas_object(pd.concat([inputs, target], axis=1), index=False).to_numpy().view(np.int64)


def _array_digests(arrays: np.ndarray) -> np.ndarray:
    digests = (hashlib.blake2b(array.tobytes(), digest_size=8).digest() for array in arrays)
    return np.frombuffer(b"".join(digests), dtype=np.int64)
