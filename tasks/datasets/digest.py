"""Digests of a data set's content and of its rows: equal on every machine, others when what decides results is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tasks.dataset import Dataset


class ContentDigest:
    """SHA-256 of names, order and values of the inputs, the target, and what steers the split.

    Numbers enter as little-endian bytes (every NaN alike), texts as JSON; each behind its name and length. Inputs are
    added one by one, so that no two need to be in memory together.
    """

    def __init__(self) -> None:
        self._digest: Any = hashlib.sha256()

    def add_column(self, kind: str, name: str, column: pd.Series) -> None:
        """Adds a whole column: an `input`, an `unscaled input`, or an `extra` that steers the split."""
        self._add(f"{kind} {json.dumps(name)}", _content(column))

    def finish(self, dataset: Dataset) -> str:
        """Adds all that is not in the data set's table, and gives the digest (hex)."""
        for name in dataset.extras.columns:
            self.add_column("extra", name, dataset.extras[name])
        self._add(f"target {json.dumps([dataset.target_name, dataset.classes])}", _bytes(dataset.target))
        if dataset.medium is not None:
            values, identity = dataset.medium.values, dataset.medium.kind.identity
            assert identity is not None
            content = _bytes(values) if isinstance(values, np.ndarray) else _content(values)
            self._add(identity(dataset.medium), content)
        if dataset.given_part is not None:
            self._add("given part", "\n".join(dataset.given_part).encode())
        return self._digest.hexdigest()

    def _add(self, name: str, content: bytes) -> None:
        self._digest.update(f"{name} {len(content)}\n".encode())
        self._digest.update(content)


def row_digests(dataset: Dataset, columns: Sequence[str] | None = None) -> np.ndarray:
    """A digest of each row's inputs and target, int64 `[rows]`: equal rows, of this data set or of another with the
    same columns, have equal ones.

    Args:
        columns: The inputs that count, of a table; None: all, in order.
    """
    raw = dataset.raw
    if isinstance(raw, np.ndarray):
        inputs = np.array([_row_digest(each) for each in raw], np.uint64)
    else:
        chunks = [raw] if dataset.streamed is None else dataset.streamed.raw.chunks()
        names = list(raw.columns) if columns is None else list(columns)
        inputs = np.concatenate([pd.util.hash_pandas_object(each[names], index=False).to_numpy() for each in chunks])
    target = dataset.target if dataset.classes is None else np.array(dataset.classes, object)[dataset.target]
    # As a tuple's hash in pandas: odd multipliers keep (a, b) apart from (b, a).
    both = inputs * np.uint64(1_000_003) + pd.util.hash_array(target) * np.uint64(97_531)
    return both.view(np.int64)


def _row_digest(values: np.ndarray) -> int:
    return int.from_bytes(hashlib.blake2b(values.tobytes(), digest_size=8).digest(), "little")


def _content(column: pd.Series) -> bytes:
    if pd.api.types.is_numeric_dtype(column):
        return _bytes(column.to_numpy())
    texts = [None if missing else str(value) for value, missing in zip(column, column.isna(), strict=True)]
    return json.dumps(texts).encode()


def _bytes(values: np.ndarray) -> bytes:
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), np.array(np.nan, values.dtype), values)
    return np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"), copy=False)).tobytes()
