"""One data set: raw columns, images, texts or sounds, and what is to be predicted; in memory, or streamed from disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

TRAIN, VAL, TEST = "train", "val", "test"
TABLE, IMAGE, TEXT, AUDIO = "table", "image", "text", "audio"
"""What a data set's inputs are."""


class Columns(Protocol):
    """Raw columns that are not in memory together. What is said of `Dataset.table`'s columns holds for these."""

    @property
    def columns(self) -> list[str]: ...

    def __getitem__(self, name: str) -> pd.Series:
        """A whole column."""
        ...


class RawColumns(Columns, Protocol):
    """Columns whose rows can be read piece by piece, too."""

    def chunks(self) -> Iterator[pd.DataFrame]:
        """All rows in order, some at a time."""
        ...


@dataclass(frozen=True)
class Streamed:
    """Where the rows are that are too many to be in memory together.

    Args:
        raw: All rows, on disk.
        sample: Positions of the rows that `Dataset.table` holds, int64, ascending: a random sample of each part.
        cache: The folder in which preprocessed rows may be kept.
    """

    raw: RawColumns
    sample: np.ndarray
    cache: Path


@dataclass(frozen=True)
class Dataset:
    """Raw inputs and target, aligned by row position.

    Args:
        name: The catalogue's name, or the file's.
        table: Raw feature columns `[rows, columns]`, numbers as float64 (NaN = missing), booleans as float64 0/1,
            categories as `str` (None = missing). Without columns where the inputs are images, texts or sounds. Of
            streamed data only a sample of the rows (`streamed.sample`).
        target: Class index (int64, position in `classes`) or the value (float64). Shape `[rows]`, never missing.
        target_name: The target's column name.
        classes: Class names in order, or None for regression.
        digest: SHA-256 (hex) of the content that decides results: inputs, target, column names and order.
        images: `[rows, height, width, channels]`, uint8 or float32, or None.
        texts: `str`, never missing or blank, dtype object, called as their column is, or None.
        tokens: What texts are divided into for a model: `words` or `trigrams`.
        sounds: `[rows, samples]`, float32 in [-1, 1], padded with zeros at their ends, or None.
        rate: Samples a second, where there are sounds.
        given_part: `train`, `val` or `test` of each row where the source comes already split, else None.
        extras: Columns that steer the split (groups, time, parts), aligned with `table`.
        group: The column of `extras` whose rows stay in one part unless the spec splits by another, else None.
        source: Where it came from: an address or a path, for the report.
        licence: As its source states it.
        notes: What the reader did or noticed ("2 rows without target left out").
        streamed: Where all rows are, if not in `table`.
    """

    name: str
    table: pd.DataFrame
    target: np.ndarray
    target_name: str
    classes: tuple[str, ...] | None
    digest: str
    images: np.ndarray | None = None
    texts: pd.Series | None = None
    tokens: str = "words"
    sounds: np.ndarray | None = None
    rate: int | None = None
    given_part: np.ndarray | None = None
    extras: pd.DataFrame = field(default_factory=pd.DataFrame)
    group: str | None = None
    source: str = ""
    licence: str = ""
    notes: tuple[str, ...] = ()
    streamed: Streamed | None = None

    @property
    def rows(self) -> int:
        return len(self.target)

    @property
    def kind(self) -> str:
        """`image`, `text`, `audio` or `table`."""
        kinds = {IMAGE: self.images, TEXT: self.texts, AUDIO: self.sounds}
        return next((kind for kind, inputs in kinds.items() if inputs is not None), TABLE)

    @property
    def raw(self) -> pd.DataFrame | np.ndarray:
        """The inputs as a preprocessor takes them: the table, images or sounds; texts as a table of one column."""
        if self.texts is not None:
            return self.texts.to_frame()
        return next((inputs for inputs in (self.images, self.sounds) if inputs is not None), self.table)

    @property
    def task(self) -> str:
        """`classification` or `regression`."""
        return "regression" if self.classes is None else "classification"

    @property
    def numbers(self) -> list[str]:
        """Names of the numeric columns, in order."""
        return [name for name in self.table.columns if pd.api.types.is_numeric_dtype(self.table[name])]

    @property
    def categories(self) -> list[str]:
        """Names of the category columns, in order."""
        return [name for name in self.table.columns if name not in set(self.numbers)]

    def in_memory(self, splits: pd.DataFrame) -> tuple[Dataset, pd.DataFrame]:
        """The rows that `table` holds as a data set of their own, with their part of `splits`; else what was given.

        Args:
            splits: Columns of records.SPLITS, one row for each of the data set's, in its order.
        """
        if self.streamed is None:
            return self, splits
        sample = self.streamed.sample
        held = replace(
            self,
            target=self.target[sample],
            given_part=None if self.given_part is None else self.given_part[sample],
            extras=self.extras.iloc[sample].reset_index(drop=True),
            streamed=None,
        )
        return held, splits.iloc[sample].reset_index(drop=True).assign(row=np.arange(len(sample)))
