"""Streamed data prepared for training: preprocessed once, piece by piece, and kept on disk for the next run."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tasks.dataset import Columns, Dataset, RawColumns
from tasks.errors import BadInput, Locked
from tasks.preprocessing.tables import preprocess
from tasks.run_folder import locked
from tasks.training.streaming import BlockWriter, StoredRows, block_rows

if TYPE_CHECKING:
    import keras

FORMAT = 1
"""Version of the files' format. It is raised when their content changes."""

RowsWritten = Callable[[int, int], None]
"""Called with (rows written, rows in all)."""


@dataclass(frozen=True)
class _TrainingRows:
    """The training part's rows of columns on disk."""

    raw: Columns
    rows: np.ndarray

    @property
    def columns(self) -> list[str]:
        return self.raw.columns

    def __getitem__(self, name: str) -> pd.Series:
        return self.raw[name].iloc[self.rows]


def training_rows(dataset: Dataset, rows: np.ndarray) -> Columns | pd.DataFrame | np.ndarray:
    """The raw inputs at these positions. Of streamed data, only one column is in memory at a time."""
    if dataset.streamed is not None:
        return _TrainingRows(dataset.streamed.raw, rows)
    return dataset.raw_at(rows)


def stored_parts(
    dataset: Dataset,
    preprocessor: keras.Model,
    features: np.ndarray,
    rows: Mapping[str, np.ndarray],
    target: np.ndarray,
    progress: RowsWritten | None = None,
) -> dict[str, StoredRows]:
    """Every part's preprocessed rows, each in the order of `rows`. They are written unless an earlier run left them.

    The folder's name is a digest of the data, the parts, the target as it is trained on, and the preprocessed sample.
    So rows of another preprocessing have another folder.

    Args:
        dataset: A streamed data set.
        features: Features of its sample, float32 `[n, features]`.
        rows: Row positions of each part, ascending.
        target: The target of all rows as it is trained on: int64, or float32 standardised.

    Raises:
        BadInput: the folder can't be written.
    """
    streamed = dataset.streamed
    assert streamed is not None
    folder = streamed.cache / _key(dataset.digest, features, rows, target)
    if not folder.exists():
        temporary = streamed.cache / f".{folder.name}.{os.getpid()}"
        try:
            temporary.mkdir(parents=True)
            with locked(temporary):
                _sweep(streamed.cache)
                _write(streamed.raw, preprocessor, features.shape[1], rows, target, temporary, progress)
            (temporary / "lock").unlink()
            if not folder.exists():  # else another process was faster, with the same rows
                temporary.rename(folder)
        except OSError as error:
            raise BadInput(
                "the preprocessed rows can't be written",
                where=str(streamed.cache),
                got=error.strerror or str(error),
                remedy="make room or choose another folder with --home",
            ) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return {part: StoredRows(folder / f"{part}.parquet") for part in rows}


def _sweep(cache: Path) -> None:
    """Removes the files of processes that were killed while they wrote. The system has freed their locks."""
    for left in cache.glob(".*"):
        with suppress(Locked), locked(left):
            shutil.rmtree(left, ignore_errors=True)


def _key(digest: str, features: np.ndarray, rows: Mapping[str, np.ndarray], target: np.ndarray) -> str:
    content = hashlib.sha256(json.dumps([FORMAT, digest, block_rows(features.shape[1]), str(target.dtype)]).encode())
    for array in (features, target, *(rows[part] for part in sorted(rows))):
        content.update(f"{array.shape}".encode())
        content.update(np.ascontiguousarray(array).data)
    return content.hexdigest()[:24]


def _write(
    raw: RawColumns,
    preprocessor: keras.Model,
    features: int,
    rows: Mapping[str, np.ndarray],
    target: np.ndarray,
    folder: Path,
    progress: RowsWritten | None,
) -> None:
    """Writes all parts in one pass over the raw rows."""
    with ExitStack() as files:
        writers = {
            part: files.enter_context(BlockWriter(folder / f"{part}.parquet", features, target.dtype)) for part in rows
        }
        done = 0
        for chunk in raw.chunks():
            inputs = preprocess(preprocessor, chunk)
            for part, writer in writers.items():
                first, last = np.searchsorted(rows[part], [done, done + len(chunk)])
                here = rows[part][first:last]
                writer.append(inputs[here - done], target[here])
            done += len(chunk)
            if progress:
                progress(done, len(target))
