"""Every table of a run folder: its columns, dtypes and units. This is the contract between stages, report and other
tools.

Tables are Parquet and tidy (one observation per row). `schema_version` is in every row and in the file's metadata. It
increases when a column is renamed, removed or changes its meaning, not when a column is added.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA_VERSION = 1

_text, _int, _float = pa.string(), pa.int64(), pa.float64()


@dataclass(frozen=True, eq=False)
class Table:
    """One table of the run folder.

    Args:
        name: The file is `{name}.parquet`.
        columns: Column name to Arrow type, in order, without `schema_version`.
        categories: Text columns with few different values in many rows: pandas holds them as categories, with about 1
            byte per row instead of 20.
    """

    name: str
    columns: dict[str, pa.DataType]
    categories: tuple[str, ...] = ()

    @property
    def schema(self) -> pa.Schema:
        columns = {**self.columns, "schema_version": pa.int16()}
        return pa.schema(list(columns.items()), metadata={"schema_version": str(SCHEMA_VERSION)})

    def frame(self, rows: pd.DataFrame | list[dict] | None = None) -> pd.DataFrame:
        """`rows` with exactly this table's columns and dtypes; columns not given are null.

        Raises:
            ValueError: a column of `rows` is not in this table, or a value does not fit its type.
        """
        return self._pandas(self._arrow(rows))

    def write(self, rows: pd.DataFrame | list[dict], folder: Path) -> Path:
        """Writes the table to a temporary name, then renames it: readers see the whole table or none."""
        table = self._arrow(rows)
        with self._new(folder) as path:
            pq.write_table(table, path, compression=_COMPRESSION)
        return self._path(folder)

    def write_pieces(self, pieces: Iterable[pd.DataFrame], folder: Path) -> Path:
        """As `write`, from frames one after the other, so that only one is in memory at a time."""
        with self._new(folder) as path, pq.ParquetWriter(path, self.schema, compression=_COMPRESSION) as writer:
            for piece in pieces:
                writer.write_table(self._arrow(piece))
        return self._path(folder)

    def join(self, sources: Sequence[Path], folder: Path) -> Path:
        """Writes the rows of the tables in these folders one after the other, some rows at a time."""
        with self._new(folder) as path, pq.ParquetWriter(path, self.schema, compression=_COMPRESSION) as writer:
            for source in sources:
                with pq.ParquetFile(self._path(source)) as file:
                    for batch in file.iter_batches(_JOINED_ROWS):
                        writer.write_batch(batch)
        return self._path(folder)

    def read(self, folder: Path) -> pd.DataFrame:
        """Reads the whole table, column by column, so that it is never in memory twice."""
        path, names = self._path(folder), self.schema.names
        columns = (pq.read_table(path, columns=[name], read_dictionary=self.categories) for name in names)
        return pd.DataFrame(
            {name: self._pandas(each)[name] for name, each in zip(names, columns, strict=True)}, copy=False
        )

    def _path(self, folder: Path) -> Path:
        return Path(folder) / f"{self.name}.parquet"

    @contextmanager
    def _new(self, folder: Path) -> Iterator[Path]:
        """Yields a temporary path to write to. The file gets the table's name when it is complete."""
        path = self._path(folder)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def _arrow(self, rows: pd.DataFrame | list[dict] | None) -> pa.Table:
        frame = pd.DataFrame(rows if rows is not None else [])
        unknown = sorted(set(frame.columns) - set(self.columns) - {"schema_version"})
        if unknown:
            raise ValueError(f"table {self.name} has no column {', '.join(unknown)}; it has {', '.join(self.columns)}")
        frame = frame.assign(schema_version=SCHEMA_VERSION).reindex(columns=self.schema.names)
        try:
            table = pa.Table.from_pandas(frame, schema=self.schema, preserve_index=False)
        except pa.ArrowTypeError as error:  # a TypeError; all other misfits are ArrowInvalid, which is a ValueError
            raise ValueError(f"table {self.name}: {error}") from None
        return table.replace_schema_metadata(self.schema.metadata)

    def _pandas(self, table: pa.Table) -> pd.DataFrame:
        """Converts some or all columns of this table to pandas."""
        for place, name in enumerate(table.schema.names):
            if name in self.categories and not pa.types.is_dictionary(table.column(place).type):
                table = table.set_column(place, name, table.column(place).dictionary_encode())
        return table.to_pandas(types_mapper=_NULLABLE.get)


_COMPRESSION = "zstd"
_JOINED_ROWS = 2**18

# Nullable integers stay integers in pandas (a missing rung must not turn rung 1 into 1.0).
_NULLABLE = {pa.int64(): pd.Int64Dtype(), pa.int16(): pd.Int16Dtype(), pa.string(): pd.StringDtype()}

TRIALS = Table(
    "trials",
    {
        "trial_id": _text,
        "recipe_id": _text,
        "recipe": _text,  # readable: "adam · cosine"
        "optimizer": _text,
        "schedule": _text,
        "variant_id": _text,
        "stage": _text,  # search, final, baseline; fold, mixed: trained without a fold that is held out to judge
        "rung": _int,
        "fold": _int,
        "seed": _int,
        "params": _text,  # JSON, complete: every hyperparameter of the variant
        "status": _text,  # ok, diverged, pruned, skipped, failed
        "reason": _text,  # why, where status is not ok; where it is ok: the target whose reaching ended the trial
        "trainer": _text,  # stack, fit; sklearn for a baseline
        "epochs": _int,  # epochs trained; the last one may be incomplete
        "steps": _int,  # steps trained
        "best_step": _int,  # the step whose weights were kept
        "parameters": _int,  # trainable weights
        "seconds": _float,  # wall clock; a stacked trial's share of its stack
        "stack_id": _text,
    },
)

METRICS = Table(
    "metrics",
    {
        "trial_id": _text,
        "part": _text,  # train, val, test
        "slice": _text,  # null = all rows
        "metric": _text,
        "value": _float,  # in the metric's own unit
        "rows": _int,
    },
)

CURVES = Table(
    "curves",
    {
        "trial_id": _text,
        "epoch": _int,  # 1 = during or after the first epoch; 0 = before it
        "step": _int,  # from 1 (0 = before the first); an epoch may hold several evaluations
        "layer": _text,  # null = whole model
        "name": _text,  # train_loss, val_loss, val_accuracy, learning_rate, ...; of final trials also
        # grad_norm, update_ratio, dead_units, saturation, activation_std, ...: tasks/training/signals.py lists them
        "value": _float,
    },
)

PREDICTIONS = Table(
    "predictions",
    {
        "trial_id": _text,
        "part": _text,  # val, test; where folds judge, test: the rows held out by the folds of the first repeat
        "row": _int,  # position in the data set, as in `splits`
        "target": _float,  # class index, or the value to predict
        "class_index": _int,  # null for regression
        "value": _float,  # probability of that class, or the predicted value
    },
    categories=("trial_id", "part"),
)

SPLITS = Table(
    "splits",
    {
        "row": _int,  # position in the data set
        "part": _text,  # train, val, test
        "fold": _int,  # null without cross-validation; where folds judge, the fold of the first repeat
        "group": _text,  # null without groups
        "content": _int,  # digest of the row's inputs and target: for the same columns, equal rows have equal digests
    },
    categories=("part",),
)

SETTINGS = Table(  # one row per setting that the search tried, in the order of suggestion; no rows without a search
    "settings",
    {
        "recipe_id": _text,
        "recipe": _text,
        "method": _text,  # the method that suggested it: grid, random, quasi-random, tpe, successive-halving, gradient
        "number": _int,  # order within the recipe, from 0
        "batch": _int,  # the round: all its settings are suggested before the result of any of them is known
        "variant_id": _text,
        "values": _text,  # JSON: searched name to value, only what is active
        "status": _text,  # ok (without a score: the metric is not defined on some of the rows), diverged, pruned
        "score": _float,  # mean over seeds and folds of the deciding metric on val, in its own unit; null: see `status`
        "spread": _float,  # standard deviation over seeds and folds (n - 1); null for a single trial
        "loss": _float,  # mean of the loss on val, without penalties: among equal scores the lower one is better
        "rung": _int,  # the last rung reached; null without rungs
        "epochs": _float,  # epochs trained, summed over seeds and folds
        "seconds": _float,  # likewise
    },
)

TABLES = {table.name: table for table in (TRIALS, METRICS, CURVES, PREDICTIONS, SPLITS, SETTINGS)}
