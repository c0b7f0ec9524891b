"""The digest of a data set's content: equal on every machine, another when what decides results is."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pandas as pd


def content_digest(
    table: pd.DataFrame,
    target: np.ndarray,
    target_name: str,
    classes: tuple[str, ...] | None,
    images: np.ndarray | None,
    given_part: np.ndarray | None,
    extras: pd.DataFrame,
    texts: pd.Series | None = None,
    tokens: str = "",
    sounds: np.ndarray | None = None,
    rate: int | None = None,
) -> str:
    """SHA-256 (hex) of names, order and values of the inputs, the target, and what steers the split.

    Numbers enter as little-endian bytes (every NaN alike), texts as JSON; each behind its name and length.
    """
    digest = hashlib.sha256()

    def add(name: str, content: bytes) -> None:
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)

    for kind, frame in (("input", table), ("extra", extras)):
        for name in frame.columns:
            add(f"{kind} {json.dumps(name)}", _content(frame[name]))
    add(f"target {json.dumps([target_name, classes])}", _bytes(target))
    if images is not None:
        add(f"images {list(images.shape)} {images.dtype.name}", _bytes(images))
    if texts is not None:
        add(f"text {json.dumps(texts.name)} {tokens}", _content(texts))
    if sounds is not None:
        add(f"sounds {list(sounds.shape)} {sounds.dtype.name} {rate}", _bytes(sounds))
    if given_part is not None:
        add("given part", "\n".join(given_part).encode())
    return digest.hexdigest()


def _content(column: pd.Series) -> bytes:
    if pd.api.types.is_numeric_dtype(column):
        return _bytes(column.to_numpy())
    texts = [None if missing else str(value) for value, missing in zip(column, column.isna(), strict=True)]
    return json.dumps(texts).encode()


def _bytes(values: np.ndarray) -> bytes:
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), np.array(np.nan, values.dtype), values)
    return np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"), copy=False)).tobytes()
