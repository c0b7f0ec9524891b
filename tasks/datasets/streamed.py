"""Data too large for memory: when they are streamed, which rows are still held in memory, and how the others are
read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.dataset import TEST, TRAIN, VAL, Dataset, Streamed
from tasks.datasets.columns import Reading, inputs_of
from tasks.datasets.parquet import ParquetTable
from tasks.datasets.splits import split_rows
from tasks.memory import memory_bytes
from tasks.spec.data import Data

MOST_MEMORY = 4_000_000_000
"""Bytes that decoded data may take if the spec does not say; a quarter of the machine's memory if that is less. It is
not a share of the *free* memory, with which two runs of one spec would shuffle differently."""
VALUE_BYTES = 8
SAMPLE_ROWS = 200_000
LEAST_SAMPLE_ROWS = 1_000
_SHARES = {TRAIN: 0.5, VAL: 0.25, TEST: 0.25}


@dataclass(frozen=True)
class Sampling:
    """The decision to stream data, and which of their rows are held in memory.

    Args:
        rows: Positions, int64, ascending.
        notes: What a reader of the results must know about it.
    """

    rows: np.ndarray
    notes: tuple[str, ...]


def default_memory() -> int:
    """Bytes that decoded data may take on this machine, or in this container."""
    return min(MOST_MEMORY, memory_bytes() // 4)


def decide(dataset: Dataset, frame: ParquetTable, inputs: list[str], data: Data) -> Sampling | None:
    """Decides whether data are streamed. Returns which rows are then held in memory, or None if data are not streamed.

    Args:
        dataset: The data set, complete but for its inputs.
        frame: The table that holds its columns.
        inputs: Names of the columns that may become inputs.

    Raises:
        BadInput: the data can't be split as the spec says.
    """
    width = VALUE_BYTES * (len(inputs) + len(dataset.extras.columns) + 1)
    allowed = default_memory() if data.memory is None else data.memory
    if dataset.rows * width <= allowed:
        return None
    parts = split_rows(dataset, data.split)["part"].to_numpy(object)
    size = int(np.clip(allowed // width, LEAST_SAMPLE_ROWS, SAMPLE_ROWS))
    rows = sample_rows(parts, dataset.target if dataset.classes else None, size, data.split.seed)
    listed = ", ".join(f"{(parts[rows] == part).sum():,} of {(parts == part).sum():,} {part}" for part in _SHARES)
    notes = (
        f"streamed from disk: in memory it would take about {_shown(dataset.rows * width)}, and {_shown(allowed)} are "
        "allowed (data.memory)",
        f"inputs are validated on a random sample of the rows ({listed}); its training rows are what the baselines "
        "learn from, and stand for the training part in its metrics",
        "preprocessing is learned from every training row, and the target is checked on every row",
    )
    return Sampling(rows, notes)


def sample_rows(parts: np.ndarray, target: np.ndarray | None, size: int, seed: int) -> np.ndarray:
    """Positions of a random sample: half of it training rows, a quarter each of validation and test rows (all rows of a
    smaller part), and in each part at least one row of every class that it has. Int64, ascending.

    Args:
        parts: The part of each row.
        target: Class indices, or None for regression.
        size: Rows in all, without those added for rare classes.
    """
    rng = np.random.default_rng([seed, len(parts)])
    chosen = []
    for part, share in _SHARES.items():
        order = rng.permutation(np.flatnonzero(parts == part))
        chosen.append(order[: max(1, int(share * size))])
        if target is not None:
            _, first = np.unique(target[order], return_index=True)
            chosen.append(order[first])
    return np.unique(np.concatenate(chosen))


def stream(
    dataset: Dataset, frame: ParquetTable, readings: Mapping[str, Source], sampling: Sampling, cache: Path
) -> Dataset:
    """The data set whose table holds the sample, with its other rows on disk.

    Args:
        readings: Where each input comes from, in order.
    """
    raw = OnDisk(frame, readings)
    return replace(dataset, streamed=Streamed(raw, sampling.rows, cache), notes=(*sampling.notes, *dataset.notes))


Source = tuple[str, Reading]
"""A column of the file, and how it is read."""


@dataclass(frozen=True)
class OnDisk:
    """A `dataset.RawColumns` in Parquet.

    Args:
        readings: Where each input comes from, in order.
    """

    frame: ParquetTable
    readings: Mapping[str, Source]
    _dates: dict[str, pd.Series] = field(default_factory=dict, repr=False, compare=False)
    """Caches the column of dates that was read last, since its year, month and day are asked for one after the
    other."""

    @property
    def columns(self) -> list[str]:
        return list(self.readings)

    def __getitem__(self, own: str) -> pd.Series:
        name, reading = self.readings[own]
        values = self._dates.get(name)
        if values is None:
            self._dates.clear()
            values = reading.read(self.frame[name])
            if reading.kind == "date":
                self._dates[name] = values
        return inputs_of(name, reading, values)[own]

    def chunks(self) -> Iterator[pd.DataFrame]:
        sources = dict(self.readings.values())
        for chunk in self.frame.chunks(list(sources)):
            made: dict[str, pd.Series] = {}
            for name, reading in sources.items():
                made |= inputs_of(name, reading, reading.read(chunk[name]))
            yield pd.DataFrame({own: made[own] for own in self.readings})


def _shown(size: float) -> str:
    """`1.5 GB`, `20 MB`."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size / 1e3:.3g} kB"
