"""The run's tables: their columns, their dtypes on the way to disk and back, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.records.tables import METRICS, PREDICTIONS, SCHEMA_VERSION, TABLES, Table

# The contract with other tools, written out: what stands here may only grow.
COLUMNS = {
    "trials": [
        "trial_id",
        "recipe_id",
        "recipe",
        "optimizer",
        "schedule",
        "variant_id",
        "stage",
        "rung",
        "fold",
        "seed",
        "params",
        "status",
        "reason",
        "trainer",
        "epochs",
        "steps",
        "best_step",
        "parameters",
        "seconds",
        "stack_id",
        "schema_version",
    ],
    "metrics": ["trial_id", "part", "slice", "metric", "value", "rows", "schema_version"],
    "curves": ["trial_id", "epoch", "step", "layer", "name", "value", "schema_version"],
    "predictions": ["trial_id", "part", "row", "target", "class_index", "value", "schema_version"],
    "splits": ["row", "part", "fold", "group", "content", "schema_version"],
    "settings": [
        "recipe_id",
        "recipe",
        "method",
        "number",
        "batch",
        "variant_id",
        "values",
        "status",
        "score",
        "spread",
        "loss",
        "rung",
        "epochs",
        "seconds",
        "schema_version",
    ],
}

values: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.string(): st.none() | st.text(st.characters(exclude_categories=["Cs"])),
    pa.int64(): st.none() | st.integers(-(2**53), 2**53),
    pa.float64(): st.none() | st.floats(allow_nan=False),
}


def rows_of(table: Table) -> st.SearchStrategy[list[dict[str, Any]]]:
    columns = {name: values[kind] for name, kind in table.columns.items()}
    return st.lists(st.fixed_dictionaries({}, optional=columns), max_size=4)


def plain(frame: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """The frame as Python values, None where nothing is."""
    return [
        {name: None if value is pd.NA or value != value else value for name, value in row.items()}
        for row in frame.to_dict("records")
    ]


def test_the_tables_are_those_of_the_contract() -> None:
    assert {name: table.schema.names for name, table in TABLES.items()} == COLUMNS


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_what_is_written_is_read_back(table: Table, data: st.DataObject) -> None:
    rows = data.draw(rows_of(table))
    with TemporaryDirectory() as folder:
        path = table.write(rows, Path(folder))
        assert path == Path(folder) / f"{table.name}.parquet"
        frame = table.read(Path(folder))
        assert list(Path(folder).iterdir()) == [path]
    empty = dict.fromkeys(table.columns)
    assert plain(frame) == [empty | row | {"schema_version": SCHEMA_VERSION} for row in rows]
    pd.testing.assert_frame_equal(frame, table.frame(rows))


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_dtypes_do_not_depend_on_what_is_missing(table: Table) -> None:
    """A missing rung must not turn rung 1 into 1.0, nor an empty column into one of objects."""
    expected = {pa.string(): "string", pa.int64(): "Int64", pa.float64(): "float64"}
    full = {name: {pa.string(): "a", pa.int64(): 1, pa.float64(): 1.0}[kind] for name, kind in table.columns.items()}
    cases: list[list[dict[str, Any]]] = [[], [full], [full, {}], [{}]]
    for rows in cases:
        dtypes = table.frame(rows).dtypes
        assert {name: str(dtype) for name, dtype in dtypes.items()} == {
            **{name: expected[kind] for name, kind in table.columns.items()},
            **dict.fromkeys(table.categories, "category"),
            "schema_version": "Int16",
        }


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_the_version_stands_in_each_row_and_in_the_files_metadata(table: Table, tmp_path: Path) -> None:
    path = table.write([{}, {}], tmp_path)
    assert list(table.read(tmp_path)["schema_version"]) == [SCHEMA_VERSION] * 2
    assert pq.read_schema(path).metadata[b"schema_version"] == str(SCHEMA_VERSION).encode()
    assert pd.read_parquet(path)["schema_version"].tolist() == [SCHEMA_VERSION] * 2, "other tools see it too"


def test_floats_keep_every_bit(tmp_path: Path) -> None:
    numbers = [0.1 + 0.2, math.inf, -0.0, 5e-324, math.nan]
    METRICS.write([{"value": number} for number in numbers], tmp_path)
    read = METRICS.read(tmp_path)["value"].tolist()
    assert [number.hex() for number in read[:4]] == [number.hex() for number in numbers[:4]]
    assert math.isnan(read[4])


def test_a_frame_of_a_table_may_be_written_again(tmp_path: Path) -> None:
    METRICS.write([{"trial_id": "a", "rows": 3}, {"trial_id": "b"}], tmp_path)
    once = METRICS.read(tmp_path)
    METRICS.write(once, tmp_path)
    pd.testing.assert_frame_equal(METRICS.read(tmp_path), once)


def test_the_order_of_columns_and_the_index_do_not_matter() -> None:
    frame = pd.DataFrame({"value": [1.0, 2.0], "trial_id": ["a", "b"]}, index=[7, 7])
    assert list(METRICS.frame(frame).columns) == COLUMNS["metrics"]
    assert METRICS.frame(frame).index.tolist() == [0, 1]


def test_an_unknown_column_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="table metrics has no column valeu; it has trial_id, part"):
        METRICS.frame([{"valeu": 1.0}])
    with pytest.raises(ValueError, match="no column x"):
        METRICS.write([{"x": 1}], tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "row", [{"rows": 1.5}, {"rows": "many"}, {"rows": 2**63}, {"trial_id": 3}, {"value": "high"}, {"part": ["val"]}]
)
def test_a_value_of_another_type_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        METRICS.frame([row])


def failing_half_way(table: Any, where: Path, **options: Any) -> None:
    Path(where).write_bytes(b"half")
    raise OSError("no space left on device")


def interrupted(table: Any, where: Path, **options: Any) -> None:
    Path(where).write_bytes(b"half")
    raise KeyboardInterrupt


@pytest.mark.parametrize("write", [failing_half_way, interrupted])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[..., None]
) -> None:
    METRICS.write([{"trial_id": "old"}], tmp_path)
    monkeypatch.setattr(pq, "write_table", write)
    with pytest.raises((OSError, KeyboardInterrupt)):
        METRICS.write([{"trial_id": "new"}], tmp_path)
    assert METRICS.read(tmp_path)["trial_id"].tolist() == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.parquet"]


def test_a_file_is_small_for_what_it_holds(tmp_path: Path) -> None:
    """MNIST's test part is 10,000 rows of 10 probabilities for each finalist: an id must not be stored with each."""
    rows = pd.DataFrame({"trial_id": "a" * 12, "part": "test", "row": range(100_000), "class_index": 1, "value": 0.5})
    assert PREDICTIONS.write(rows, tmp_path).stat().st_size < 1_000_000


def test_pieces_and_joined_tables_hold_the_same_rows_as_one_that_was_written_whole(tmp_path: Path) -> None:
    rows = [{"trial_id": trial, "part": "test", "row": row, "value": 0.5} for trial in "ab" for row in range(3)]
    whole, pieces, joined = (tmp_path / name for name in ("whole", "pieces", "joined"))
    for folder in (whole, pieces, joined):
        folder.mkdir()
    PREDICTIONS.write(rows, whole)
    PREDICTIONS.write_pieces((pd.DataFrame(rows[start : start + 2]) for start in range(0, 6, 2)), pieces)
    PREDICTIONS.join([whole, pieces], joined)
    pd.testing.assert_frame_equal(PREDICTIONS.read(pieces), PREDICTIONS.read(whole))
    pd.testing.assert_frame_equal(PREDICTIONS.read(joined), PREDICTIONS.frame(rows + rows))
