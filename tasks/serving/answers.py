"""A shipped model's answers for the rows of a file.

The file is read in the same way as the training data. `signature.json` records how the training file and each of its
columns were read, and the same code reads files in training and here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.choice import choose
from tasks.serving.media import media_rows
from tasks.serving.rows import Rows
from tasks.serving.tables import table_rows
from tasks.training.exported import Exported, load_exported

ROW, PREDICTION, PROBLEM = "row", "prediction", "problem"


def answers(model: Path, file: Path) -> tuple[pd.DataFrame, list[str]]:
    """Returns the model's answers, one row for each row of the file, and notes about the file.

    Args:
        model: The folder that a run shipped.
        file: A file in the same format as the training data. For a table or texts: a CSV, TSV, Excel, Parquet or .npz
            file, or a folder of Parquet files. For images or sounds: one file, a folder or an archive of them, or
            arrays.

    Returns:
        `row` (from 1); the columns that identify a row: those that are neither inputs nor the target, or `file`, its
        path in the folder; `prediction` (a class, or the value) and `probability of CLASS` for each class, all empty
        where the row can't be used; and `problem`: what could not be read in the row, else empty. In a table, such a
        value counts as missing.

    Raises:
        BadInput: the model is missing, or the file can't be read or does not fit the model.
    """
    exported = load_exported(model)
    signature = exported.signature
    taken = signature["inputs"][0]
    if "shape" in taken:
        parts, notes = media_rows(file, taken)
    else:
        rows, notes = table_rows(file, signature)
        parts = iter([rows])
    answered = pd.concat([_answered(rows, exported) for rows in parts], ignore_index=True)
    choice = signature.get("choice")
    if choice and "threshold" in choice:
        said = f"{signature['positive']} is predicted at a probability of {choice['threshold']:.4g} or more"
        notes = [*notes, f"{said}, {choice['how']}"]
    elif choice:
        notes = [*notes, f"predicted is {choice['how']}"]
    if calibration := signature.get("calibration"):
        how = "by a temperature" if "temperature" in calibration else "by isotonic regression"
        notes = [*notes, f"probabilities are calibrated {how}, fitted on the validation part"]
    if real := signature.get("real_prior"):
        shares = ", ".join(f"{name} {share:.4g}" for name, share in real["shares"].items())
        notes = [*notes, f"probabilities are corrected to these real shares of the classes: {shares}"]
    answered.insert(0, _free(ROW, list(answered.columns)), np.arange(1, len(answered) + 1))
    return answered, notes


def _answered(rows: Rows, exported: Exported) -> pd.DataFrame:
    classes, ids = exported.signature["classes"], [str(name) for name in rows.ids.columns]
    shape = (len(rows.usable), len(classes) if classes else 1)
    output = np.full(shape, np.nan, np.float32 if classes else np.float64)
    if rows.usable.any():
        output[rows.usable] = exported.asked(rows.inputs).reshape(-1, shape[1])
    columns: dict[str, Any] = {name: rows.ids[name].array for name in rows.ids.columns}
    if classes:
        chosen = np.where(
            rows.usable, chosen_classes(np.where(rows.usable[:, None], output, 0), exported), len(classes)
        )
        columns[_free(PREDICTION, ids)] = np.array([*classes, None], dtype=object)[chosen]
        columns |= {_free(f"probability of {name}", ids): output[:, place] for place, name in enumerate(classes)}
    else:
        columns[_free(PREDICTION, ids)] = output[:, 0]
    columns[_free(PROBLEM, ids)] = rows.problems
    return pd.DataFrame(columns)


def chosen_classes(probability: np.ndarray, exported: Exported) -> np.ndarray:
    """Chooses class indices `[rows]` by the rule in the signature."""
    signature = exported.signature
    choice, positive = signature.get("choice") or {}, signature["positive"]
    place = signature["classes"].index(positive) if positive in signature["classes"] else None
    return choose(probability, positive=place, threshold=choice.get("threshold"), costs=choice.get("costs"))


def _free(name: str, taken: Sequence[str]) -> str:
    """The name; where the file uses it already, the name with an addition."""
    while name in taken:
        name = f"{name} (model)"
    return name
