"""Digest of a data set's content: equal on every machine, different whenever data that affect results differ."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pandas as pd

from tasks.dataset import Dataset


class ContentDigest:
    """SHA-256 of names, order and values of the inputs, the target, and the columns that steer the split.

    Numbers are hashed as little-endian bytes (every NaN alike), texts as JSON; each after its name and length. Inputs
    are added one by one, so that no two need to be in memory together.
    """

    def __init__(self) -> None:
        self._digest: Any = hashlib.sha256()

    def add_column(self, kind: str, name: str, column: pd.Series) -> None:
        """Adds a whole column: an `input`, an `unscaled input`, or an `extra` that steers the split."""
        self._add(f"{kind} {json.dumps(name)}", _content(column))

    def finish(self, dataset: Dataset) -> str:
        """Adds everything that is not in the data set's table, and returns the digest (hex)."""
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


def _content(column: pd.Series) -> bytes:
    if pd.api.types.is_numeric_dtype(column):
        return _bytes(column.to_numpy())
    texts = [None if missing else str(value) for value, missing in zip(column, column.isna(), strict=True)]
    return json.dumps(texts).encode()


def _bytes(values: np.ndarray) -> bytes:
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), np.array(np.nan, values.dtype), values)
    return np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"), copy=False)).tobytes()
