"""Parquet, one file or a folder of them, as columns of numbers, booleans and text that are read on demand."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tasks.datasets.named_rows import repeated, together
from tasks.errors import BadInput
from tasks.memory import give_back

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_BYTES = 8 * 2**20
"""Bytes of decoded values that `ParquetTable.chunks` reads at a time."""
_PAGE_BUFFER = 2**16
"""Bytes read ahead in a column. Without it, all compressed columns of a row group would be read at once."""


@dataclass(frozen=True)
class _File:
    path: Path
    shown: str
    metadata: Any  # kept, since reading it again for each column takes long where there are many
    kinds: dict[str, pa.DataType]


@dataclass(frozen=True)
class ParquetTable:
    """Rows of one Parquet file, or of a folder's files in the order of their names. Has the few methods of a pandas
    frame that a loader needs, and holds no more than was asked for.

    Integers stay integers unless some are missing; then they become float64 (NaN = missing), as do decimals.
    Booleans with blanks become the texts True and False, dates and times ISO 8601 text. Texts are `str`, None
    where missing; equal texts are one object.

    Args:
        kinds: Arrow type of each column, the same for all files.
        rows: Positions of the rows that are wanted, int64, ascending; None: all.
    """

    files: tuple[_File, ...]
    kinds: dict[str, pa.DataType]
    rows: np.ndarray | None = None

    @property
    def columns(self) -> list[str]:
        return list(self.kinds)

    @property
    def index(self) -> pd.Index:
        """The rows' positions in the source, from 0."""
        return pd.RangeIndex(_rows(self.files)) if self.rows is None else pd.Index(self.rows)

    def __len__(self) -> int:
        return _rows(self.files) if self.rows is None else len(self.rows)

    def take(self, positions: np.ndarray) -> ParquetTable:
        """The rows at these positions, ascending."""
        if len(positions) == len(self):
            return self
        return replace(self, rows=positions if self.rows is None else self.rows[positions])

    def __getitem__(self, name: str) -> pd.Series:
        """A whole column, indexed by `index`.

        Raises:
            BadInput: a file is damaged.
        """
        import pyarrow as pa

        if 8 * len(self) > CHUNK_BYTES:  # columns are read one by one: the last one's memory is free by now
            give_back()
        parts = []
        for file in self.files:
            with _readable(file.shown):
                parts += _cast(_open(file).read(columns=[name]).column(name), self.kinds[name]).chunks
        column = _column(pa.chunked_array(parts, self.kinds[name]))
        return column if self.rows is None else column.iloc[self.rows]

    def chunks(self, names: Sequence[str]) -> Iterator[pd.DataFrame]:
        """Yields all rows in order, some at a time, with these columns; the index as in `index`.

        About `CHUNK_BYTES` are decoded at a time, on top of some pages of each column.

        Raises:
            BadInput: a file is damaged.
        """
        size = int(np.clip(CHUNK_BYTES // (8 * max(len(names), 1)), 1_000, 65_536))
        start = 0
        for file in self.files:
            with _readable(file.shown):
                for batch in _open(file).iter_batches(batch_size=size, columns=list(names)):
                    columns = {name: _column(_cast(batch.column(name), self.kinds[name])) for name in names}
                    frame = pd.DataFrame(columns).set_axis(range(start, start + len(batch)))
                    start += len(batch)
                    if self.rows is not None:
                        first, last = np.searchsorted(self.rows, [start - len(batch), start])
                        frame = frame.loc[self.rows[first:last]]
                    if len(frame):
                        yield frame


def holds_parquet(folder: Path) -> bool:
    return any(_is_data(path) for path in folder.iterdir())


def open_parquet(path: Path, shown: str) -> tuple[ParquetTable, tuple[str, ...]]:
    """The columns of a file, or of all `.parquet` files of a folder, and notes on what was left out.

    Columns that hold lists, structures or bytes, and the index that pandas stores, are left out. A column may hold
    integers in one file, and other numbers or nothing in another.

    Raises:
        BadInput: a file is no Parquet file, no file holds rows, or files have different columns.
    """
    if path.is_dir():
        paths = sorted(each for each in path.iterdir() if _is_data(each))
        files = tuple(_file(each, f"{shown.rstrip('/')}/{each.name}") for each in paths)
    else:
        files = (_file(path, shown),)
    if not _rows(files):
        raise BadInput("holds no rows", where=shown)
    kinds = {name: _common(name, files) for name in _same_names(files)}
    left_out = [name for name, kind in kinds.items() if name.startswith("__index_level_") or not _has_values(kind)]
    notes = (f"left out, neither numbers nor text: {', '.join(left_out)}",) if left_out else ()
    if len(files) > 1:
        notes = (f"{len(files)} files, in the order of their names", *notes)
    return ParquetTable(files, {name: kind for name, kind in kinds.items() if name not in left_out}), notes


def _is_data(path: Path) -> bool:
    return path.name.lower().endswith(".parquet") and not path.name.startswith((".", "_"))


def _rows(files: Sequence[_File]) -> int:
    return sum(file.metadata.num_rows for file in files)


def _file(path: Path, shown: str) -> _File:
    import pyarrow.parquet as pq

    try:
        with open(path, "rb") as stream:
            magic = stream.read(4)
    except OSError as error:
        raise BadInput("can't be read", where=shown, got=error.strerror) from error
    if magic != b"PAR1":
        got = f"it begins with {magic.hex(' ')}" if magic else "an empty file"
        raise BadInput("is not a Parquet file", where=shown, got=got, accepted="50 41 52 31 (PAR1)")
    with _readable(shown):
        opened = pq.ParquetFile(path)
        names, types = opened.schema_arrow.names, opened.schema_arrow.types
        metadata = opened.metadata
    if twice := repeated(names):
        remedy = "write the file with a name of its own for every column"
        raise BadInput("columns have the same name", where=shown, got=together(twice), remedy=remedy)
    return _File(path, shown, metadata, {name: _plain(kind) for name, kind in zip(names, types, strict=True)})


def _open(file: _File) -> Any:
    import pyarrow.parquet as pq

    return pq.ParquetFile(os.fspath(file.path), metadata=file.metadata, buffer_size=_PAGE_BUFFER, pre_buffer=False)


@contextmanager
def _readable(shown: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise BadInput(
            "is a damaged Parquet file",
            where=shown,
            got=str(error).splitlines()[0],
            remedy="copy or write the file again",
        ) from error


def _same_names(files: Sequence[_File]) -> list[str]:
    """The columns of the first file, which all others must have too, in any order."""
    first = files[0]
    for file in files[1:]:
        lacking = [name for name in first.kinds if name not in file.kinds]
        more = [name for name in file.kinds if name not in first.kinds]
        if lacking or more:
            got = [f"without {', '.join(lacking)}"] * bool(lacking) + [f"with {', '.join(more)} besides"] * bool(more)
            raise BadInput(
                f"has other columns than {first.shown}",
                where=file.shown,
                got=" and ".join(got),
                remedy="write all files of the folder with the same columns",
            )
    return list(first.kinds)


def _common(name: str, files: Sequence[_File]) -> pa.DataType:
    """The type that a column's values are cast to: the widest of its number types. A file with nulls only takes any
    type."""
    import pyarrow as pa

    common = pa.schema([(name, files[0].kinds[name])])
    for file in files[1:]:
        kind = file.kinds[name]
        try:
            common = pa.unify_schemas([common, pa.schema([(name, kind)])], promote_options="permissive")
        except pa.ArrowException:
            raise BadInput(
                f"column {name} is of another kind than in {files[0].shown}",
                where=file.shown,
                got=f"{kind}, not {common.field(name).type}",
                remedy="write all files of the folder with the same columns",
            ) from None
    return common.field(name).type


def _plain(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _cast(values: Any, kind: pa.DataType) -> pa.ChunkedArray:
    import pyarrow as pa

    chunked = values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])
    return chunked if chunked.type == kind else chunked.cast(kind, safe=False)


def _has_values(kind: pa.DataType) -> bool:
    return _is_number(kind) or _is_text(kind) or _is_said_as_text(kind)


def _is_number(kind: pa.DataType) -> bool:
    from pyarrow import types

    return types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)


def _is_text(kind: pa.DataType) -> bool:
    from pyarrow import types

    return types.is_string(kind) or types.is_large_string(kind)


def _is_said_as_text(kind: pa.DataType) -> bool:
    from pyarrow import types

    return types.is_boolean(kind) or types.is_temporal(kind)


def _column(values: pa.ChunkedArray) -> pd.Series:
    """Converts values of a type that `_has_values` accepts, as `ParquetTable` says."""
    import pyarrow as pa
    from pyarrow import types

    kind = values.type
    if types.is_boolean(kind) and not values.null_count:
        return pd.Series(values.to_numpy(), dtype=bool)
    if types.is_integer(kind) and not values.null_count:
        return pd.Series(values.to_numpy())
    if _is_number(kind):
        return pd.Series(values.cast(pa.float64(), safe=False).to_numpy(), dtype="float64")
    if _is_text(kind):
        return _texts(values)
    return pd.Series([None if value is None else str(value) for value in values.to_pylist()], dtype=object)


def _texts(values: pa.ChunkedArray) -> pd.Series:
    encoded = values.dictionary_encode().combine_chunks()
    words = np.array([*(word.strip() or None for word in encoded.dictionary.to_pylist()), None], dtype=object)
    numbers = encoded.indices.fill_null(len(words) - 1).to_numpy()
    return pd.Series(words[numbers], dtype=object)
