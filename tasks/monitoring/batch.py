"""Reads a batch of new rows in the same way as the training data: its inputs, its labels if it has some, and its
schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.datasets.catalogue import CATALOGUE, Entry
from tasks.datasets.columns import as_written
from tasks.datasets.parquet import ParquetTable
from tasks.datasets.slices import MISSING
from tasks.errors import BadInput
from tasks.records.monitoring import Noticed
from tasks.serving.rows import Rows
from tasks.serving.tables import read_frame, rows_of
from tasks.spec.data import Data
from tasks.spec.models import Spec
from tasks.spec.slices import columns_of
from tasks.validation.wording import listing, of

_MOSTLY = 0.5
"""If a larger share of a column's values can't be read, the column is of another kind."""


@dataclass(frozen=True)
class Batch:
    """The usable rows of a file, in its order.

    Args:
        inputs: The rows as the model takes them.
        written: The same rows as the file has them.
        target: Class index or value, float64 `[rows]`; NaN without a label.
        slices: The name of each row's slice, for each slicing by values whose columns are in the file.
        noticed: Findings about the schema.
    """

    inputs: pd.DataFrame
    written: pd.DataFrame
    target: np.ndarray
    slices: Mapping[str, np.ndarray]
    noticed: tuple[Noticed, ...]

    def window(self, rows: slice) -> Batch:
        """Some consecutive rows."""
        return Batch(
            self.inputs.iloc[rows].reset_index(drop=True),
            self.written.iloc[rows].reset_index(drop=True),
            self.target[rows],
            {name: values[rows] for name, values in self.slices.items()},
            self.noticed,
        )


def read_batch(path: Path, signature: Mapping[str, Any], spec: Spec) -> Batch:
    """Reads a file.

    Args:
        signature: The signature of the champion's model.
        spec: The spec of the run that made the model.

    Raises:
        BadInput: the file can't be read, lacks columns, or holds no row that can be used.
    """
    frame, broken = read_frame(path, signature)
    rows, notes = rows_of(frame, broken, signature, path)
    if not rows.usable.any():
        got = "no rows" if not len(rows.usable) else f"{len(rows.usable):,} rows: {next(filter(None, rows.problems))}"
        raise BadInput("holds no row that can be used", where=str(path), got=got)
    written = pd.DataFrame({str(name): frame[name].array for name in frame.columns})[rows.usable].reset_index(drop=True)
    target, said = _labels(written, signature, spec.data)
    noticed = [*_schema(frame, rows, signature), *(Noticed(fault=False, sentence=f"{each}.") for each in notes), *said]
    assert isinstance(rows.inputs, pd.DataFrame)
    return Batch(rows.inputs.reset_index(drop=True), written, target, _slices(written, spec), tuple(noticed))


def _schema(frame: pd.DataFrame | ParquetTable, rows: Rows, signature: Mapping[str, Any]) -> Iterator[Noticed]:
    """Findings about columns of another kind or in another order, and about rows that can't be used."""
    names = [column["name"] for column in signature["columns"]]
    found = [str(name) for name in frame.columns if name in names]
    if found != names:
        yield Noticed(
            fault=False,
            sentence="The columns come in another order than in training; they are read by their names.",
        )
    unusable = int((~rows.usable).sum())
    if unusable:
        many = of(unusable, len(rows.usable))
        yield Noticed(fault=True, sentence=f"{many} can't be used: {next(filter(None, rows.problems))}.")
    kinds = {column["name"]: column["reading"]["kind"] for column in signature["columns"]}
    for name, count in rows.unread.items():
        if not count or kinds[name] == "text":
            continue
        present = int(pd.Series(frame[name]).notna().sum())
        many, other = of(count, present, "values"), count > _MOSTLY * present
        said = f"{name} is of another kind: {many} can't be read as {kinds[name]}, and count as missing."
        some = f"{many} of {name} can't be read as {kinds[name]}, and count as missing."
        yield Noticed(column=name, fault=other, sentence=said if other else some)


def _labels(written: pd.DataFrame, signature: Mapping[str, Any], data: Data) -> tuple[np.ndarray, list[Noticed]]:
    """Class index or value of each row, NaN where there is no label; and findings about the labels."""
    name, classes = signature["target"], signature["classes"]
    if name not in written.columns or written[name].isna().all():
        why = f"There are no labels (column {name}), so errors and calibration are not known."
        return np.full(len(written), np.nan), [Noticed(fault=False, sentence=why)]
    column = written[name]
    if not classes:
        values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, copy=True)
        values[~np.isfinite(values)] = np.nan
        strangers = column.notna() & np.isnan(values)
    else:
        texts = as_written(column)
        values = texts.map(_meant(data, classes)).to_numpy(np.float64, na_value=np.nan)
        numbers = {float(name): at for at, name in enumerate(classes)} if all(map(_is_number, classes)) else {}
        same = pd.to_numeric(texts, errors="coerce").map(numbers).to_numpy(np.float64, na_value=np.nan)
        values = np.where(np.isnan(values), same, values)  # a label 1.0 means the class 1
        strangers = texts.notna() & np.isnan(values)
    if not strangers.any():
        return values, []
    many = of(int(strangers.sum()), len(column), "labels")
    such = listing(dict.fromkeys(map(str, column[strangers])), most=3)
    known_as = "none of the champion's classes" if classes else "no numbers"
    return values, [Noticed(column=name, fault=True, sentence=f"{many} are {known_as}, such as {such}.")]


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _meant(data: Data, classes: list[str]) -> dict[str, int]:
    """The texts that mean each class in a file: its name, spellings that the spec joins, values of the catalogue."""
    entry = CATALOGUE.get(data.source, Entry())
    place = {name: at for at, name in enumerate(classes)}
    spellings = dict(place)
    if isinstance(data.classes, Mapping):
        spellings |= {str(each): place[name] for name, written in data.classes.items() for each in written}
    spellings |= {value: place[name] for value, name in (entry.names or {}).items() if name in place}
    if entry.target_suffix:
        spellings |= {f"{text}{entry.target_suffix}": at for text, at in spellings.items()}
    return spellings


def _slices(written: pd.DataFrame, spec: Spec) -> dict[str, np.ndarray]:
    from tasks.monitoring.reference import slicing_name

    found = {}
    for entry in spec.evaluate.slices:
        columns = columns_of(entry)
        if not isinstance(entry, dict) and all(name in written.columns for name in columns):
            texts = [as_written(written[name]).fillna(MISSING).to_numpy(str) for name in columns]
            found[slicing_name(columns)] = np.array([", ".join(each) for each in zip(*texts, strict=True)], object)
    return found
