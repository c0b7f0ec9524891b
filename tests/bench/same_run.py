"""Tests whether two run folders hold the same results: `python -m tests.bench.same_run RUN OTHER`.

Compares ids and tables, plan.json and verdict.json: figures of the test part to 1e-6 relative, all else exactly. Left
out are: seconds and the probe, since they are measured; which run trained a reused stack; and the size of the model's
files, which hold times and layers' names. `--subset` lets OTHER hold more rows than RUN.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.dataset import TEST
from tasks.records.tables import TABLES, Table

TOLERANCE = 1e-6
"""Relative tolerance for figures of the test part and figures derived from them."""

MEASURED = frozenset({"seconds", "probe", "augmentation_seconds", "reused", "model_bytes"})
"""Keys and columns that differ from run to run."""

_SECONDS_SAID = re.compile(r"takes about [\d,.]+ s more of training")
"""A sentence in the advice of verdict.json, whose seconds are measured too."""

KEYS = {
    "trials": ["trial_id"],
    "metrics": ["trial_id", "part", "slice", "metric"],
    "curves": ["trial_id", "epoch", "step", "layer", "name"],
    "predictions": ["trial_id", "part", "row", "class_index"],
    "splits": ["row"],
    "settings": ["recipe_id", "number"],
}
"""The columns that identify a row of each table."""


def differences(one: Path, other: Path, *, subset: bool = False) -> list[str]:
    """Returns a sentence for each difference; an empty list if the runs are the same.

    Args:
        subset: Whether `other` may hold rows that `one` lacks.
    """
    found = [said for table in TABLES.values() for said in _tables(table, one, other, subset)]
    for name in ("plan", "verdict"):
        documents = [folder / f"{name}.json" for folder in (one, other)]
        if all(path.exists() for path in documents):
            found += _documents(name, *(json.loads(path.read_text(encoding="utf-8")) for path in documents))
        elif any(path.exists() for path in documents):
            found.append(f"{name}.json is in one of the folders only")
    return found


def _tables(table: Table, one: Path, other: Path, subset: bool) -> Iterator[str]:
    there = [(folder / f"{table.name}.parquet").exists() for folder in (one, other)]
    if not all(there):
        if any(there):
            yield f"table {table.name} is in one of the folders only"
        return
    yield from table_differences(table.name, table.read(one), table.read(other), subset=subset)


def table_differences(name: str, one: pd.DataFrame, other: pd.DataFrame, *, subset: bool = False) -> Iterator[str]:
    """Yields a sentence for each column of a table that differs, or a single one if the rows differ."""
    keys = KEYS[name]
    first, second = (
        frame.drop(columns=[*MEASURED & set(frame)]).set_index(keys).sort_index() for frame in (one, other)
    )
    if subset:
        second = second[second.index.isin(first.index)]
    if not first.index.equals(second.index):
        yield f"table {name}: the rows are not the same ({len(one):,} and {len(other):,})"
        return
    on_test = first.index.get_level_values("part") == TEST if "part" in keys else np.zeros(len(first), bool)
    for column in first:
        same = _same(first[column], second[column], on_test)
        if not same.all():
            yield f"table {name}, column {column}: {int((~same).sum()):,} of {len(same):,} rows differ"


def _same(one: pd.Series, other: pd.Series, on_test: np.ndarray) -> np.ndarray:
    missing = (one.isna() & other.isna()).to_numpy(bool)
    if not pd.api.types.is_float_dtype(one):
        return missing | (one == other).fillna(False).to_numpy(bool)
    first, second = one.to_numpy(np.float64), other.to_numpy(np.float64)
    close = np.isclose(first, second, rtol=TOLERANCE, atol=0)
    return missing | (first == second) | (on_test & close)


def _documents(place: str, one: Any, other: Any) -> Iterator[str]:
    """Yields a sentence for each place where two JSON values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in dict.fromkeys([*one, *other]):
            if key in MEASURED:
                continue
            if key not in one or key not in other:
                yield f"{place}.{key} is in one of them only"
            else:
                yield from _documents(f"{place}.{key}", one[key], other[key])
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from _documents(f"{place}[{index}]", *pair)
    elif isinstance(one, float) and isinstance(other, float):
        if not np.isclose(one, other, rtol=TOLERANCE, atol=0, equal_nan=True):
            yield f"{place}: {one!r} and {other!r}"
    elif isinstance(one, str) and isinstance(other, str):
        if _SECONDS_SAID.sub("", one) != _SECONDS_SAID.sub("", other):
            yield f"{place}: {one!r} and {other!r}"
    elif one != other:
        yield f"{place}: {one!r} and {other!r}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--subset", action="store_true", help="OTHER may hold more rows")
    chosen = parser.parse_args()
    found = differences(chosen.run, chosen.other, subset=chosen.subset)
    print("\n".join(found) or "the same")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
