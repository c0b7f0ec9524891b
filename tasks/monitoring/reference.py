"""The reference: the rows that a shipped model learned from and was measured on, in order, stored beside the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.dataset import TEST, Dataset
from tasks.datasets.splits import time_order
from tasks.errors import BadInput
from tasks.evaluation.slices import Slicing
from tasks.spec.models import Spec

REFERENCE = "reference.parquet"
IN_RUN = f"checkpoints/{REFERENCE}"
"""Path in a run's folder, beside other files that hold rows of the data. A champion has the file beside its model."""

MOST = 20_000
"""The largest number of rows that are stored; they are the last ones."""
_INPUT, _SLICING, _TARGET, _PART = "input:", "slices by ", "target", "part"


@dataclass(frozen=True)
class Reference:
    """Reference rows in order: by time where the split was by time, else in the order of the source.

    Args:
        inputs: The rows as the model takes them.
        target: Class index or value, float64 `[rows]`.
        tested: Rows that the model was measured on and did not learn from, bool `[rows]`.
        slices: The name of each row's slice, for each slicing by values.
    """

    inputs: pd.DataFrame
    target: np.ndarray
    tested: np.ndarray
    slices: pd.DataFrame


def write_reference(
    run: Path, dataset: Dataset, splits: pd.DataFrame, spec: Spec, slicings: Sequence[Slicing]
) -> Path | None:
    """Stores the last rows of a data set of columns or texts. For other data it stores nothing and returns None.

    Args:
        run: The run's folder.
        slicings: The slicings of `evaluate.slices`, in that order.
    """
    held, parts = dataset.in_memory(splits)
    if not isinstance(held.raw, pd.DataFrame):
        return None
    time = spec.data.split.time
    order = np.arange(held.rows) if time is None else time_order(held, time)
    rows = order[-MOST:]
    kept = held.raw.iloc[rows].reset_index(drop=True).add_prefix(_INPUT)
    for entry, slicing in zip(spec.evaluate.slices, slicings, strict=True):
        if not isinstance(entry, dict):  # for slices by quantiles, the bounds are not on record
            names = np.array([each.name for each in slicing.slices], object)
            kept[slicing_name(slicing.columns)] = names[slicing.of_row[rows]]
    kept[_TARGET] = held.target[rows].astype(np.float64)
    kept[_PART] = parts["part"].to_numpy(str)[rows]
    path = run / IN_RUN
    kept.to_parquet(path, index=False)
    return path


def slicing_name(columns: Sequence[str]) -> str:
    """The reference's column name for a slicing."""
    return _SLICING + " and ".join(columns)


def read_reference(folder: Path) -> Reference:
    """Reads what `write_reference` stored, from a champion's folder.

    Raises:
        BadInput: the champion has no reference.
    """
    path = folder / REFERENCE
    if not path.is_file():
        raise BadInput(
            "the champion has no reference to hold new rows against",
            where=str(folder),
            accepted="the model of a table or of texts, shipped by this version",
            remedy="run the experiment again and promote that run",
        )
    table = pd.read_parquet(path)
    named = {name: name.removeprefix(_INPUT) for name in table.columns if name.startswith(_INPUT)}
    return Reference(
        table[list(named)].rename(columns=named),
        table[_TARGET].to_numpy(np.float64),
        (table[_PART] == TEST).to_numpy(bool),
        table[[name for name in table.columns if name.startswith(_SLICING)]],
    )
