"""One data set in memory: raw columns or images, and what is to be predicted."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

TRAIN, VAL, TEST = "train", "val", "test"


@dataclass(frozen=True)
class Dataset:
    """Raw inputs and target, aligned by row position.

    Args:
        name: The catalogue's name, or the file's.
        table: Raw feature columns `[rows, columns]`, numbers as float64 (NaN = missing), booleans as float64 0/1,
            categories as `str` (None = missing). Without columns where the inputs are images.
        target: Class index (int64, position in `classes`) or the value (float64). Shape `[rows]`, never missing.
        target_name: The target's column name.
        classes: Class names in order, or None for regression.
        digest: SHA-256 (hex) of the content that decides results: inputs, target, column names and order.
        images: `[rows, height, width, channels]`, uint8 or float32, or None for tables.
        given_part: `train`, `val` or `test` of each row where the source comes already split, else None.
        extras: Columns that steer the split (groups, time, parts), aligned with `table`.
        group: The column of `extras` whose rows stay in one part unless the spec splits by another, else None.
        source: Where it came from: an address or a path, for the report.
        licence: As its source states it.
        notes: What the reader did or noticed ("2 rows without target left out").
    """

    name: str
    table: pd.DataFrame
    target: np.ndarray
    target_name: str
    classes: tuple[str, ...] | None
    digest: str
    images: np.ndarray | None = None
    given_part: np.ndarray | None = None
    extras: pd.DataFrame = field(default_factory=pd.DataFrame)
    group: str | None = None
    source: str = ""
    licence: str = ""
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        return len(self.target)

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
