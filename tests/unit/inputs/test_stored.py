"""Parquet too large for memory, from the file to what the trainers take: the same data set as in memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.dataset import Dataset
from tasks.datasets import parquet as parquet_module
from tasks.datasets import streamed as datasets_module
from tasks.datasets.load import load_dataset
from tasks.datasets.parquet import open_parquet
from tasks.datasets.splits import split_rows
from tasks.datasets.streamed import default_memory, sample_rows
from tasks.errors import BadInput
from tasks.evaluation.baselines import OnDisk, fit_baselines
from tasks.inputs import stored as module
from tasks.inputs.prepared import Prepared, prepare
from tasks.planning.plan import lay_out
from tasks.run_folder import locked
from tasks.spec.data import Data
from tasks.spec.load import parse_spec
from tasks.training import streaming
from tasks.training.chunks import CHUNK_BYTES
from tasks.training.scoring import EVALUATION_BYTES
from tasks.training.streaming import StreamedRows
from tasks.validation.validate import validate
from tests.in_memory import in_memory

ROWS = 20_000


def people(rows: int = ROWS) -> pd.DataFrame:
    """Every kind of column; a class of 0.1%; blanks everywhere, also in the target."""
    rng = np.random.default_rng(0)
    age = np.where(rng.random(rows) < 0.1, np.nan, rng.normal(40, 10, rows))
    frame = pd.DataFrame({"age": age, "height": rng.normal(size=rows)})
    for index in range(6):
        frame[f"score{index}"] = rng.normal(size=rows)
    blank = rng.random(rows) < 0.5
    frame["children"] = pd.Series(rng.integers(0, 5, rows), dtype="Int64").mask(blank)
    frame["city"] = rng.choice(["Rome", " Oslo", None], rows)
    frame["member"] = rng.choice(["yes", "No", None], rows)
    frame["size"] = rng.choice(["1.5", "2", None], rows)
    frame["flag"] = pd.Series(True, range(rows), dtype="boolean").mask(np.arange(rows) > rows // 2)
    frame["day"] = pd.to_datetime("2024-01-01") + pd.to_timedelta(rng.integers(0, 9, rows), "D")
    frame["group"] = rng.integers(0, 500, rows)
    frame["answer"] = np.where(rng.random(rows) < 0.001, "rare", np.where(frame["height"] > frame["score0"], "a", "b"))
    frame.loc[::1000, "answer"] = None
    return frame


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streamed")
    frame = people()
    frame.to_parquet(folder / "people.parquet", row_group_size=3000)
    (folder / "parts").mkdir()
    for index, start in enumerate(range(0, ROWS, 7000)):
        frame[start : start + 7000].to_parquet(folder / "parts" / f"{index}.parquet", index=False)
    (folder / "parts" / "_SUCCESS").touch()
    return folder


def data_of(folder: Path, memory: str | None, **more: Any) -> Data:
    return Data(**{"source": str(folder / "people.parquet"), "target": "answer", "memory": memory, **more})


def load(folder: Path, memory: str | None = "1 MB", **more: Any) -> Dataset:
    return load_dataset(data_of(folder, memory, **more), home=folder / "home")


def prepared(folder: Path, memory: str | None = "1 MB", **more: Any) -> Prepared:
    dataset = load(folder, memory, **more)
    return prepare(dataset, split_rows(dataset, data_of(folder, memory, **more).split))


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "by group": {"split": {"group": "group"}},
    "by time": {"split": {"time": "day"}},
    "regression": {"target": "height"},
    "some columns": {"features": ["city", "age", "score1", "score2", "score3", "score4", "score5"]},
    "a sample": {"rows": 17_000},
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_the_same_data_set_as_in_memory(folder: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_module, "CHUNK_BYTES", 1)
    ours, theirs = load(folder, **CASES[case]), load(folder, "1 GB", **CASES[case])
    assert ours.streamed is not None and theirs.streamed is None
    assert (ours.digest, ours.classes, ours.rows) == (theirs.digest, theirs.classes, theirs.rows)
    np.testing.assert_array_equal(ours.target, theirs.target)
    pd.testing.assert_frame_equal(ours.extras, theirs.extras)
    pd.testing.assert_frame_equal(ours.table, theirs.table.iloc[ours.streamed.sample].reset_index(drop=True))
    chunks = list(ours.streamed.raw.chunks())
    assert len(chunks) > 1
    pd.testing.assert_frame_equal(pd.concat(chunks).reset_index(drop=True), theirs.table)
    for name in theirs.table.columns:
        pd.testing.assert_series_equal(
            ours.streamed.raw[name].reset_index(drop=True), theirs.table[name], check_names=False
        )
    assert set(ours.notes) > set(theirs.notes) and "streamed from disk" in ours.notes[0]


@pytest.mark.parametrize("memory", ["1 MB", "1 GB"])
def test_a_folder_of_files_is_one_table(folder: Path, memory: str) -> None:
    whole, parts = load(folder, memory), load(folder, memory, source=str(folder / "parts"))
    assert parts.digest == whole.digest
    pd.testing.assert_frame_equal(parts.table, whole.table)
    assert "3 files, in the order of their names" in parts.notes


def test_columns_of_a_folder_are_brought_to_one_kind(tmp_path: Path) -> None:
    pd.DataFrame({"n": [1, 2], "t": pd.Categorical(["a", "b"]), "e": [None, None]}).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame({"e": ["x", " "], "t": ["b", None], "n": [0.5, None]}).to_parquet(tmp_path / "b.parquet")
    table, _ = open_parquet(tmp_path, "data")
    assert table.columns == ["n", "t", "e"] and len(table) == 4
    np.testing.assert_array_equal(table["n"], [1, 2, 0.5, np.nan])
    assert list(table["t"]) == ["a", "b", "b", None] and list(table["e"]) == [None, None, "x", None]
    chunk = pd.concat(table.take(np.array([1, 2])).chunks(["e", "n"]))
    assert list(chunk["e"]) == [None, "x"] and list(chunk["n"]) == [2, 0.5] and list(chunk.index) == [1, 2]


def test_data_that_fit_are_not_streamed(folder: Path) -> None:
    assert load(folder, None).streamed is None
    assert load(folder, "1 MB", rows=2000).streamed is None
    assert load(folder, "1 MB", features=["age"]).streamed is None
    assert 0 < default_memory() <= datasets_module.MOST_MEMORY


@settings(max_examples=50)
@given(st.data(), st.integers(3, 200), st.integers(4, 60))
def test_a_sample_holds_every_part_and_class(data: st.DataObject, rows: int, size: int) -> None:
    parts = np.array(data.draw(st.lists(st.sampled_from(["train", "val", "test"]), min_size=rows, max_size=rows)))
    target = np.array(data.draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows)))
    chosen = sample_rows(parts, target, size, seed=0)
    assert (np.diff(chosen) > 0).all()
    assert set(zip(parts[chosen], target[chosen], strict=True)) == set(zip(parts, target, strict=True))
    assert len(chosen) <= size + 12
    np.testing.assert_array_equal(chosen, sample_rows(parts, target, size, seed=0))


@pytest.mark.parametrize("case", ["plain", "by group", "regression", "a sample"])
def test_preprocessing_is_exact(folder: Path, case: str) -> None:
    ours, theirs = prepared(folder, **CASES[case]), prepared(folder, "1 GB", **CASES[case])
    assert ours.target_scale == theirs.target_scale
    arrays, expected = ours.arrays(), in_memory(theirs.arrays())
    assert isinstance(arrays.train, StreamedRows) and arrays.train.rows == expected.train.rows
    np.testing.assert_array_equal(arrays.train.stored[:], expected.train.inputs)
    targets = np.concatenate([arrays.train.stored.read(block)[1] for block in range(arrays.train.stored.blocks)])
    np.testing.assert_array_equal(targets, expected.train.targets)
    assert targets.dtype == expected.train.target_dtype
    np.testing.assert_array_equal(arrays.val_inputs[:], expected.val_inputs)
    np.testing.assert_array_equal(arrays.val_targets, expected.val_targets)
    inputs, their_inputs = ours.inputs(("val", "test")), theirs.inputs(("val", "test"))
    for part in ("val", "test"):
        np.testing.assert_array_equal(inputs[part][:], their_inputs[part])
        np.testing.assert_array_equal(ours.scored[part], theirs.scored[part])
    held = np.searchsorted(theirs.rows["train"], ours.scored["train"])
    np.testing.assert_array_equal(arrays.to_score["train"], expected.to_score["train"][held])
    assert len(ours.scored["train"]) < len(ours.rows["train"])
    outputs = np.zeros([len(held), 1 if ours.dataset.classes is None else 3], "float32")
    assert np.isfinite(ours.loss("train", outputs))


def test_preprocessed_rows_are_written_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = prepared(folder)
    ready.arrays()
    monkeypatch.setattr(module, "preprocess", None)
    told: list[int] = []
    ready.arrays(lambda done, rows: told.append(done))
    assert not told
    with pytest.raises(TypeError):  # other rows in the parts, so not the same files
        prepared(folder, split={"seed": 1}).arrays()


def test_a_broken_writing_leaves_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = prepared(folder)
    assert ready.dataset.streamed is not None
    cache = tmp_path / "cache"
    ready = replace(ready, dataset=replace(ready.dataset, streamed=replace(ready.dataset.streamed, cache=cache)))

    def stop(done: int, rows: int) -> None:
        assert list(cache.glob(".*/train.parquet"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ready.arrays(stop)
    assert not list(cache.iterdir())
    told: list[tuple[int, int]] = []
    ready.arrays(lambda done, rows: told.append((done, rows)))
    assert told[-1] == (ready.dataset.rows, ready.dataset.rows) and len(list(cache.iterdir())) == 1


def test_what_a_killed_process_left_is_swept_away(folder: Path, tmp_path: Path) -> None:
    ready = prepared(folder)
    assert ready.dataset.streamed is not None
    dataset = replace(ready.dataset, streamed=replace(ready.dataset.streamed, cache=tmp_path))
    (tmp_path / ".left.1").mkdir()
    (tmp_path / ".left.1" / "train.parquet").touch()
    (tmp_path / ".busy.2").mkdir()
    with locked(tmp_path / ".busy.2"):
        replace(ready, dataset=dataset).arrays()
    (kept,) = [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
    assert [path.name for path in tmp_path.glob(".*")] == [".busy.2"]
    assert {path.name for path in kept.iterdir()} == {"train.parquet", "val.parquet", "test.parquet"}


def test_a_file_in_the_cache_s_place_is_said(folder: Path, tmp_path: Path) -> None:
    ready = prepared(folder)
    assert ready.dataset.streamed is not None
    (tmp_path / "cache").touch()
    dataset = replace(ready.dataset, streamed=replace(ready.dataset.streamed, cache=tmp_path / "cache"))
    with pytest.raises(BadInput, match="preprocessed rows can't be written"):
        replace(ready, dataset=dataset).arrays()


def test_validation_says_that_it_saw_a_sample(folder: Path) -> None:
    dataset = load(folder)
    splits = split_rows(dataset, data_of(folder, "1 MB").split)
    result = validate(dataset, splits)
    assert result.sampled == len(dataset.table) and 0 < result.sampled < dataset.rows
    assert result.outcome == "warned", "the class of twenty rows is rare, not missing"
    by_check = {entry.check: entry for entry in result.results}
    assert by_check["missing_class"].success and by_check["too_few_rows"].rows == (splits["part"] == "test").sum()
    whole = load(folder, "1 GB")
    assert validate(whole, splits).sampled is None


def test_a_sample_can_not_answer_for_counts(folder: Path) -> None:
    checks = [{"expect_table_row_count_to_be_between": {"min_value": 10_000}, "severity": "block"}]
    data = data_of(folder, "1 MB", checks=checks)
    dataset = load(folder)
    with pytest.raises(BadInput, match="can't be told from a sample") as error:
        validate(dataset, split_rows(dataset, data.split), data.checks)
    assert error.value.where == "data.checks[0]"


@pytest.mark.parametrize("case", ["plain", "regression"])
def test_baselines_learn_from_the_sample_and_answer_for_every_row(folder: Path, case: str) -> None:
    ready = prepared(folder, **CASES[case])
    dataset = ready.dataset
    assert dataset.streamed is not None
    baselines = fit_baselines(
        ready.features,
        dataset.target,
        ready.rows,
        classes=dataset.classes,
        streamed=OnDisk(dataset.streamed.sample, ready.inputs(("val", "test"))),
    )
    assert len(baselines) == 3
    for baseline in baselines:
        assert (len(baseline.val), len(baseline.test)) == (len(ready.rows["val"]), len(ready.rows["test"]))
        assert np.isfinite(baseline.test).all()
    for baseline in baselines[1:]:
        assert "trained on a random" in str(baseline.note)
        if dataset.classes:
            assert (baseline.test.argmax(1) == dataset.target[ready.rows["test"]]).mean() > 0.9


def plan_of(folder: Path, memory: str, **spec: Any) -> Any:
    ready = prepared(folder, memory)
    written = {"data": {"source": str(folder / "people.parquet"), "target": "answer", "memory": memory}, **spec}
    parts = {part: len(rows) for part, rows in ready.rows.items()}
    return lay_out(parse_spec(written), ready.dataset, parts, ready.features.shape[1:])


def test_the_plan_says_how_rows_are_held_and_shuffled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = plan_of(folder, "1 MB"), plan_of(folder, "1 GB")
    assert [trial.trial_id for trial in ours.trials] == [trial.trial_id for trial in theirs.trials]
    assert (ours.data.streamed, ours.data.shuffle) == (True, "whole")
    assert (theirs.data.streamed, theirs.data.shuffle) == (False, "whole")
    assert ours.data.memory_bytes < 0.6 * theirs.data.memory_bytes
    for stack in ours.stacks:  # weights, gradient, moments; answers for every row that is scored; chunks; windows
        assert stack.memory_bytes > CHUNK_BYTES + EVALUATION_BYTES + stack.lanes * 31 * streaming.BLOCK_BYTES
        assert stack.memory_bytes > 8 * 3 * (ours.parts["val"] + ours.parts["test"]) * stack.size
    monkeypatch.setattr(streaming, "BLOCK_BYTES", 2_000)
    assert plan_of(folder, "1 MB").data.shuffle.startswith("blocks of ")


def test_what_is_not_stacked_is_not_streamed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "tasks.planning.groups.incompatibility", lambda model: "it has a layer that a stack does not know"
    )
    with pytest.raises(BadInput, match="can't be trained on streamed data") as error:
        plan_of(folder, "1 MB")
    assert "a layer that a stack does not know" in str(error.value.got)
