"""Parquet as a frame of numbers, booleans and text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from tasks.errors import BadInput

if TYPE_CHECKING:
    import pyarrow as pa


def read_parquet(path: Path, shown: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The file's columns as numbers, booleans or text, and notes on what was left out.

    Integers stay integers unless some are missing; then they become float64 (NaN = missing), as do decimals.
    Booleans with blanks become the texts True and False, dates and times ISO 8601 text. Texts are `str`, None
    where missing.
    Columns that hold lists, structures or bytes, and the index that pandas stores, are left out.

    Raises:
        BadInput: the file is no Parquet file, or holds no rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with open(path, "rb") as stream:
            magic = stream.read(4)
    except OSError as error:
        raise BadInput("can't be read", where=shown, got=error.strerror) from error
    if magic != b"PAR1":
        got = f"it begins with {magic.hex(' ')}" if magic else "an empty file"
        raise BadInput("is not a Parquet file", where=shown, got=got, accepted="50 41 52 31 (PAR1)")
    try:
        table = pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError) as error:
        raise BadInput(
            "is a damaged Parquet file",
            where=shown,
            got=str(error).splitlines()[0],
            remedy="copy or write the file again",
        ) from error
    twice = sorted({name for name in table.column_names if table.column_names.count(name) > 1})
    if twice:
        raise BadInput("a column name stands twice", where=shown, got=", ".join(twice))
    if not table.num_rows:
        raise BadInput("holds no rows", where=shown)
    columns, left_out = {}, []
    for name in table.column_names:
        column = None if name.startswith("__index_level_") else _column(table[name])
        if column is None:
            left_out.append(name)
        else:
            columns[name] = column
    notes = (f"left out, neither numbers nor text: {', '.join(left_out)}",) if left_out else ()
    return pd.DataFrame(columns), notes


def _column(values: pa.ChunkedArray) -> pd.Series | None:
    import pyarrow as pa
    from pyarrow import types

    kind = values.type
    if types.is_dictionary(kind):
        values, kind = values.cast(kind.value_type), kind.value_type
    if types.is_boolean(kind) and not values.null_count:
        return pd.Series(values.to_numpy(), dtype=bool)
    if types.is_integer(kind) and not values.null_count:
        return pd.Series(values.to_numpy())
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return pd.Series(values.cast(pa.float64(), safe=False).to_numpy(), dtype="float64")
    is_text = types.is_string(kind) or types.is_large_string(kind)
    if is_text or types.is_boolean(kind) or types.is_temporal(kind):
        texts = [None if value is None else str(value).strip() or None for value in values.to_pylist()]
        return pd.Series(texts, dtype=object)
    return None
