"""How a data set's rows are divided into slices, by columns that need not be inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tasks.dataset import Dataset
from tasks.datasets.columns import as_written, numbers_of
from tasks.errors import BadInput, nearest
from tasks.evaluation.fairness import FAIRNESS
from tasks.evaluation.slices import Slice, Slicing, chosen
from tasks.evaluation.wording import number
from tasks.spec.data import Data
from tasks.spec.gates import Gate
from tasks.spec.models import Spec
from tasks.spec.slices import columns_of

MISSING = "missing"
"""Name of the slice of rows without a value."""
MOST = 50
"""The most slices of one slicing."""


def slicings_of(spec: Spec, dataset: Dataset) -> tuple[Slicing, ...]:
    """The slicings of `evaluate.slices`, in its order.

    Raises:
        BadInput: a column is not in memory, is the target, or has too many values; a gate names a slice without rows;
            or a fairness gate is set for a target of other than two classes.
    """
    entries = spec.evaluate.slices
    slicings = tuple(_slicing(dataset, each, f"evaluate.slices[{at}]", spec.data) for at, each in enumerate(entries))
    for index, gate in enumerate(spec.gates):
        _check(gate, f"gates[{index}]", slicings, dataset)
    return slicings


def _check(gate: Gate, where: str, slicings: Sequence[Slicing], dataset: Dataset) -> None:
    if gate.metric in FAIRNESS and (dataset.classes is None or len(dataset.classes) != 2):
        raise BadInput(
            f"{gate.metric} needs a target with two classes",
            where=f"{where}.metric",
            got="a quantity" if dataset.classes is None else f"{len(dataset.classes)} classes",
            remedy="set a gate on a metric of a slice instead: {metric: ..., slice: {COLUMN: VALUE}}",
        )
    if gate.slice is None:
        return
    slicing = chosen(slicings, list(gate.slice))
    if slicing.at(gate.slice) is None:
        said = [" and ".join(each.values) for each in slicing.slices]
        wanted = " and ".join(gate.slice[column] for column in slicing.columns)
        raise BadInput(
            f"no row is in this slice of {slicing.name}",
            where=f"{where}.slice",
            got=wanted,
            accepted=nearest(wanted, said),
        )


def _slicing(dataset: Dataset, entry: Any, where: str, data: Data) -> Slicing:
    columns = columns_of(entry)
    for name in columns:
        _at_hand(dataset, name, where)
    if isinstance(entry, dict):
        return _quantiles(dataset.written[columns[0]], entry[columns[0]], where, data)
    texts = [as_written(dataset.written[name]).fillna(MISSING).to_numpy(str) for name in columns]
    joined = pd.MultiIndex.from_arrays(texts)
    of_row, distinct = pd.factorize(joined, sort=True)
    if len(distinct) > MOST:
        raise BadInput(
            "makes too many slices",
            where=where,
            got=f"{len(distinct):,}",
            accepted=f"at most {MOST}",
            remedy=f"divide a number into quantiles, as {{{columns[0]}: 4}}, or name another column",
        )
    slices = [Slice(tuple(map(str, values)), ", ".join(map(str, values))) for values in distinct]
    return Slicing(columns, slices, np.asarray(of_row))


def _at_hand(dataset: Dataset, name: str, where: str) -> None:
    if dataset.streamed is not None or not len(dataset.written.columns):
        problem = "slices need a table in memory, whose columns are at hand"
        remedy = "raise data.memory" if dataset.streamed is not None else "take evaluate.slices out"
        raise BadInput(problem, where=where, got=name, remedy=remedy)
    if name == dataset.target_name:
        raise BadInput(
            "names the target: the report shows its classes separately anyway",
            where=where,
            got=name,
            remedy="name another column",
        )
    if name not in dataset.written.columns:
        known = [each for each in dataset.written.columns if each != dataset.target_name]
        raise BadInput("there is no such column", where=where, got=name, accepted=nearest(name, known))


def _quantiles(column: pd.Series, parts: int, where: str, data: Data) -> Slicing:
    """Slices with about equally many rows of the whole data set, and a slice of the rows without a value. There are
    fewer slices if many rows have the same value."""
    name = str(column.name)
    reading, values = numbers_of(column, data.columns.get(name), data.read)
    if values is None:
        raise BadInput(
            "quantiles need a column of numbers",
            where=where,
            got=f"column {name}: {reading.kind}",
            remedy=f"slice by its values, as [{name}]",
        )
    known = np.isfinite(values)
    cuts = np.unique(np.quantile(values[known], np.linspace(0, 1, parts + 1)[1:-1])) if known.any() else np.empty(0)
    of_row = np.searchsorted(cuts, values, side="left")
    of_row[~known] = len(cuts) + 1
    present, of_row = np.unique(of_row, return_inverse=True)
    slices = []
    for place, part in enumerate(present):
        if part > len(cuts):
            slices.append(Slice((MISSING,), MISSING))
            continue
        own = values[of_row == place]
        slices.append(Slice((str(place + 1),), f"{number(own.min())} to {number(own.max())} ({place + 1})"))
    return Slicing((name,), slices, of_row)
