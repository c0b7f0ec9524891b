"""What a shipped model says of the rows of a file.

The file is read as the training data were: `signature.json` holds how the file was read and how each column was, so the
same code decides the same in training and here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.datasets.columns import Reading, as_written, inputs_of
from tasks.datasets.sources import read_source
from tasks.errors import BadInput
from tasks.spec.models import Data
from tasks.training.export import predict, read_signature

ROW, PREDICTION, PROBLEM = "row", "prediction", "problem"


def answers(model: Path, file: Path) -> tuple[pd.DataFrame, list[str]]:
    """The model's answers, one row for each of the file's, and what to know about its columns.

    Args:
        model: The folder that a run shipped.
        file: A CSV, TSV or Parquet file, or a folder of Parquet files, written as the training data were.

    Returns:
        `row` (from 1), the file's columns that are neither inputs nor the target, `prediction` (a class, or the value),
        `probability of CLASS` for each class, and `problem`: what could not be read of the row and counts as missing,
        else empty.

    Raises:
        BadInput: the model is not there, takes no tables, or the file lacks columns or can't be read.
    """
    signature = read_signature(model)
    columns = signature.get("columns")
    if not columns:
        raise BadInput(
            "this model does not say how it reads files",
            where=str(model),
            accepted="the model of a table or of texts, of this version",
            remedy="call model.keras with arrays, as signature.json describes them",
        )
    asked = {"source": str(file.resolve()), "read": signature["read"], "text": signature["text"] or None}
    data = Data.model_validate(asked)
    frame = read_source(data, Path(), None, None).frame
    names = [column["name"] for column in columns]
    _refuse_missing(names, list(frame.columns), file)
    inputs, problems = _read(frame, columns)
    ids = [name for name in frame.columns if name not in {*names, signature["target"]}]
    rows = pd.DataFrame({name: frame[name].array for name in ids})
    rows.insert(0, _free(ROW, ids), np.arange(1, len(inputs) + 1))
    output = predict(model, inputs)
    classes = signature["classes"]
    if classes:
        rows[_free(PREDICTION, ids)] = np.array(classes, dtype=object)[output.argmax(axis=1)]
        for place, name in enumerate(classes):
            rows[_free(f"probability of {name}", ids)] = output[:, place]
    else:
        rows[_free(PREDICTION, ids)] = output
    rows[_free(PROBLEM, ids)] = problems
    new = [name for name in ids if name not in signature["others"]]
    return rows, [f"not seen in training, so not used: {', '.join(map(str, new))}"] if new else []


def _refuse_missing(names: Sequence[str], there: Sequence[str], file: Path) -> None:
    missing = [name for name in names if name not in there]
    if missing:
        raise BadInput(
            "columns are missing that the model was trained on",
            where=str(file),
            got=f"no {', '.join(missing)}",
            accepted=", ".join(names),
        )


def _read(frame: Any, columns: Sequence[Mapping[str, Any]]) -> tuple[pd.DataFrame, list[str]]:
    """The model's inputs, and for each row what could not be read."""
    inputs: dict[str, pd.Series] = {}
    problems = [""] * len(frame)
    for column in columns:
        name, reading = column["name"], Reading.from_record(column["reading"])
        raw = frame[name]
        values = reading.read(raw)
        parts = inputs_of(name, reading, values)
        inputs |= {own: parts[own] for own in column["inputs"]}
        known = as_written(raw).isin(reading.missing)
        for row in np.flatnonzero((raw.notna() & values.isna() & ~known).to_numpy()):
            said = f"{name}: {as_written(raw.iloc[[row]]).iloc[0]!r} is no {reading.kind}"
            problems[row] = f"{problems[row]}; {said}" if problems[row] else said
    return pd.DataFrame({name: column.reset_index(drop=True) for name, column in inputs.items()}), problems


def _free(name: str, taken: Sequence[str]) -> str:
    """The name, or one like it that the file does not use."""
    while name in taken:
        name = f"{name} (model)"
    return name
