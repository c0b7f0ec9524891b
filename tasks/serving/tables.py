"""Rows of tables and of texts, from CSV, TSV, Excel, Parquet, or columns of a NumPy archive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from tasks.datasets.arrays import read_inputs
from tasks.datasets.columns import Reading, as_seconds, as_written, inputs_of
from tasks.datasets.delimited import read_delimited, undecodable
from tasks.datasets.excel import ENDINGS as EXCEL
from tasks.datasets.excel import OF_TEXT_FILES, read_excel
from tasks.datasets.parquet import ParquetTable, holds_parquet, open_parquet
from tasks.errors import BadInput
from tasks.serving.rows import Rows

if TYPE_CHECKING:
    from tasks.spec.data import Read

_ACCEPTED = "a CSV, TSV, Excel, Parquet or .npz file, or a folder of Parquet files"
_NAMELESS = "unnamed_1"
"""The name of the first column where pandas or R wrote row numbers."""


def table_rows(path: Path, signature: Mapping[str, Any]) -> tuple[Rows, list[str]]:
    """Reads all rows of a file in the same format as the training data. Returns them, and notes about the columns.

    A value that can't be read counts as missing, and `problems` says so. A row is not usable if it is not UTF-8, or if
    texts are the only input and its text is blank.

    Raises:
        BadInput: the file can't be read, is of another kind, or lacks columns.
    """
    return rows_of(*read_frame(path, signature), signature, path)


def rows_of(
    frame: pd.DataFrame | ParquetTable, broken: np.ndarray, signature: Mapping[str, Any], path: Path
) -> tuple[Rows, list[str]]:
    """As `table_rows`, for the result of `read_frame`.

    Raises:
        BadInput: columns are missing.
    """
    columns = signature["columns"]
    names = [column["name"] for column in columns]
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise BadInput(
            "columns are missing that the model was trained on",
            where=str(path),
            got=f"no {', '.join(missing)}",
            accepted=", ".join(names),
        )
    alone = len(signature["inputs"]) == 1 and signature["inputs"][0]["kind"] == "text"
    usable, problems = ~broken, np.where(broken, "is not UTF-8", "").astype(object)
    inputs: dict[str, pd.Series] = {}
    unread: dict[str, int] = {}
    for column in columns:
        name, reading = column["name"], Reading.from_record(column["reading"])
        raw = frame[name].reset_index(drop=True)
        values, wrong = _values(raw, name, reading, signature)
        unread[name] = len(wrong)
        if alone:
            blank = usable & (values.isna() | (values.fillna("").str.strip() == "")).to_numpy(bool)
            usable &= ~blank
            wrong |= dict.fromkeys(np.flatnonzero(blank), "is blank")
        for row, why in wrong.items():
            if not broken[row]:
                problems[row] += f"{'; ' * bool(problems[row])}{name}: {why}"
        parts = inputs_of(name, reading, values)
        inputs |= {own: parts[own] for own in column["inputs"]}
    nameless = [_NAMELESS] if _NAMELESS not in signature["others"] else []
    beside = [name for name in frame.columns if name not in {*names, *nameless, signature["target"]}]
    ids = pd.DataFrame({name: frame[name].array for name in beside}, index=range(len(usable)))
    new = [str(name) for name in beside if name not in signature["others"]]
    notes = [f"not seen in training, so not used: {', '.join(new)}"] if new else []
    notes += _strange(inputs, signature)
    return Rows(ids, pd.DataFrame(inputs)[usable], usable, list(problems), unread), notes


def _values(
    raw: pd.Series, name: str, reading: Reading, signature: Mapping[str, Any]
) -> tuple[pd.Series, dict[int, str]]:
    """A column's values, read as in training; and by row, why a value can't be read."""
    if name in signature["clock"] and raw.dtype == object:
        values, said = as_seconds(raw), "no time (minutes:seconds)"
    else:
        values, said = reading.read(raw), f"no {reading.kind}"
    bad = raw.notna() & values.isna() & ~as_written(raw).isin(reading.missing)
    if reading.kind == "number":
        infinite = pd.Series(np.isinf(values.to_numpy(np.float64)), values.index)
        values, bad = values.mask(infinite), bad | infinite
    rows = np.flatnonzero(bad.to_numpy(bool))
    written = as_written(raw.iloc[rows])
    return values, {int(row): f"{text!r} is {said}" for row, text in zip(rows, written, strict=True)}


def read_frame(path: Path, signature: Mapping[str, Any]) -> tuple[pd.DataFrame | ParquetTable, np.ndarray]:
    """The content of the file, under the names that training used; and which rows are not UTF-8, bool `[rows]`."""
    name = path.name.lower()
    if name.endswith(".parquet") or (path.is_dir() and holds_parquet(path)):
        table, _ = open_parquet(path, str(path))
        return table, np.zeros(len(table), bool)
    if name.endswith(".npz"):
        x = read_inputs(path, str(path))
        if x.ndim != 2:
            raise BadInput("holds images, but the model takes columns", where=str(path), got=f"{list(x.shape)}")
        return pd.DataFrame(x, columns=[f"x{i}" for i in range(1, x.shape[1] + 1)]), np.zeros(len(x), bool)
    if not path.is_file():
        raise BadInput("the model takes a table", where=str(path), accepted=_ACCEPTED)
    excel = name.endswith(EXCEL)
    frame = (
        _sheet(path, signature) if excel else _delimited(path, signature)
    )  # any other name is read as text: some published files have no ending
    known = {old: new for old, new in signature["rename"].items() if old in frame.columns}
    renamed = {old: new for old, new in known.items() if new not in frame.columns}
    return frame.rename(columns=renamed), undecodable(frame)


def _sheet(path: Path, signature: Mapping[str, Any]) -> pd.DataFrame:
    """The texts of a sheet: of the sheet that training read, or of the first one where training read no Excel file."""
    how = cast("Read", SimpleNamespace(**signature["read"] | OF_TEXT_FILES))
    return read_excel(path, how, str(path), texts=signature["text"])[0]


def _delimited(path: Path, signature: Mapping[str, Any]) -> pd.DataFrame:
    """The file's texts. A file without a header may have no column for the target."""
    read, columns = dict(signature["read"]) | {"sheet": None}, signature["read"]["columns"]

    def read_as(names: Sequence[str] | None) -> pd.DataFrame:
        how = cast("Read", SimpleNamespace(**read | {"columns": names}))
        return read_delimited(path, how, str(path), texts=signature["text"], keep_undecodable=True)

    try:
        return read_as(columns)
    except BadInput as error:
        if error.where != "data.read.columns" or signature["target"] not in (columns or ()):
            raise
    return read_as([name for name in columns if name != signature["target"]])


def _strange(inputs: Mapping[str, pd.Series], signature: Mapping[str, Any]) -> list[str]:
    """Notes on values of categories that training never saw: networks treat them as missing."""
    found = []
    for entry in signature["inputs"]:
        if entry["kind"] == "category" and entry["name"] in inputs:
            values = inputs[entry["name"]].dropna().astype(str)
            new = values[(values != "") & ~values.isin(entry["values"])]
            if len(new):
                said = f"{len(new):,} row{'' if len(new) == 1 else 's'} with a value that training never saw"
                found.append(f"{entry['name']}: {said}, such as {new.iloc[0]!r}: it counts as no value")
    return found
