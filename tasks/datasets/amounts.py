"""Cost columns: each says what a mistake costs in its row. A cost column may be an input too."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tasks.dataset import Dataset
from tasks.datasets.columns import numbers_of
from tasks.errors import BadInput, nearest
from tasks.evaluation.intervals import Array
from tasks.spec.data import Data


def amounts(dataset: Dataset, columns: Mapping[str, str], data: Data) -> dict[str, Array]:
    """Reads cost columns as numbers: float64 `[rows]`, under the keys of `columns`.

    Args:
        columns: Column names by key.
        data: How the spec reads columns.

    Raises:
        BadInput: the data have no columns in memory, a column is unknown, is the target or holds no numbers, or a row
            has no number.
    """
    return {key: _numbers(dataset, name, data) for key, name in columns.items()}


def _numbers(dataset: Dataset, name: str, data: Data) -> Array:
    where = "evaluate.cost"
    if dataset.streamed is not None or not len(dataset.written.columns):
        problem = "costs by column need a table in memory"
        raise BadInput(problem, where=where, got=name, remedy="give a number, or raise data.memory")
    if name not in dataset.written.columns:
        raise BadInput(
            "there is no such column", where=where, got=name, accepted=nearest(name, dataset.written.columns)
        )
    if name == dataset.target_name:
        raise BadInput("names the target", where=where, got=name, remedy="name a column that holds amounts")
    reading, values = numbers_of(dataset.written[name].rename(name), data.columns.get(name), data.read)
    if values is None:
        raise BadInput("holds no numbers", where=where, got=f"column {name}: {reading.kind}")
    gaps = np.flatnonzero(~np.isfinite(values))
    if len(gaps):
        raise BadInput(
            "has no cost in some rows",
            where=where,
            got=f"column {name}: {len(gaps):,} of {len(values):,} rows, the first is row {gaps[0] + 1}",
            remedy="fill them in, or give a number",
        )
    return values
