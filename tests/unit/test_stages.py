"""The stages as plain functions: what each takes up, writes, and refuses."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks import stages
from tasks.datasets.load import load_dataset
from tasks.errors import BadInput, Blocked
from tasks.run_folder import read_json
from tasks.spec.load import parse_spec
from tasks.training.export import predict
from tests.runs import Planned, planned

WINE: dict[str, Any] = {"data": {"source": "wine"}, "model": "linear", "train": {"epochs": 1, "seeds": 1}}


def open_run(folder: Path, spec: dict[str, Any] = WINE, **options: Any) -> stages.Run:
    return stages.open_run(parse_spec(spec), "# text\n", ["train.epochs=1"], folder, folder, folder, **options)


# --- folders -------------------------------------------------------------------------------------------------


def test_runs_of_one_second_get_folders_of_their_own(home: Path) -> None:
    folders = [stages.new_folder(home, "mine") for _ in range(3)]
    assert len(set(folders)) == 3
    assert all(folder.parent == home / "runs" and "-mine" in folder.name for folder in folders)


def test_a_run_opens_with_what_is_needed_to_repeat_it(tmp_path: Path) -> None:
    run = open_run(tmp_path / "run")
    assert {path.name for path in run.folder.iterdir()} == {
        "spec.yaml",
        "stages.json",
        "environment.json",
        "model",
        "previews",
        "checkpoints",
    }
    assert (run.folder / "spec.yaml").read_text(encoding="utf-8") == "# text\n"
    environment = read_json(run.folder / "environment.json")
    assert environment["overrides"] == ["train.epochs=1"]
    assert {"keras", "numpy", "pandas", "scikit-learn"} <= set(environment["versions"])
    assert set(environment) == {
        "python",
        "platform",
        "cpus",
        "versions",
        "command",
        "overrides",
        "git",
        "started",
    }


def test_the_revision_is_none_without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_git(*arguments: Any, **options: Any) -> Any:
        raise FileNotFoundError("git")

    monkeypatch.setattr(subprocess, "run", no_git)
    assert stages.environment("digits")["git"] is None


def test_a_new_run_wants_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").touch()
    with pytest.raises(BadInput, match="not empty") as error:
        open_run(tmp_path)
    assert error.value.got == "thesis.doc"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


def test_a_lock_alone_is_not_something(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    open_run(tmp_path)


@pytest.mark.parametrize("start", ["split", "train", "report"])
def test_there_must_be_a_run_to_go_on_from(tmp_path: Path, start: str) -> None:
    with pytest.raises(BadInput, match="no run to go on from"):
        open_run(tmp_path, start=start)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("start", ["load", "split", "search", "report"])
def test_a_run_that_has_no_plan_yet_begins_at_the_beginning(tmp_path: Path, start: str) -> None:
    """Killed before there was anything to go on from; what it was begun with does not matter."""
    open_run(tmp_path)
    assert read_json(tmp_path / "stages.json") == {"stages": {}}
    with pytest.raises(BadInput, match="not empty"):
        open_run(planned(tmp_path / "planned", WINE).folder)
    run = open_run(tmp_path, WINE | {"train": {"epochs": 7}}, start=start)
    assert run.start == "load"
    assert open_run(tmp_path / "planned", start="report").start == "report"


# --- split and validate --------------------------------------------------------------------------------------


def test_parts_are_disjoint_and_complete(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    dataset = stages.load(run)
    splits = stages.split(run, dataset)
    assert sorted(splits["row"]) == list(range(dataset.rows))
    assert splits["row"].is_unique
    assert set(splits["part"]) == {"train", "val", "test"}
    assert (tmp_path / "splits.parquet").exists()


def test_a_blocking_check_stops_the_run_and_shows_what_failed_first(tmp_path: Path) -> None:
    check = {"expect_column_values_to_be_between": {"column": "alcohol", "min_value": 100}, "severity": "block"}
    run = open_run(tmp_path, WINE | {"data": {"source": "wine", "checks": [check]}})
    dataset = stages.load(run)
    with pytest.raises(Blocked) as error:
        stages.validate(run, dataset, stages.split(run, dataset))
    first, *others = error.value.table
    assert (first["answer"], first["column"]) == ("blocks", "alcohol")
    assert "alcohol" in str(error.value.got)
    assert len(others) > 5
    validation = read_json(tmp_path / "validation.json")
    assert validation["outcome"] == "blocked"
    assert len(validation["results"]) == len(error.value.table)


def test_a_warning_does_not_stop_the_run(tmp_path: Path) -> None:
    check = {"expect_column_values_to_be_between": {"column": "alcohol", "min_value": 100}}
    run = open_run(tmp_path, WINE | {"data": {"source": "wine", "checks": [check]}})
    dataset = stages.load(run)
    validation = stages.validate(run, dataset, stages.split(run, dataset))
    assert validation["outcome"] == "warned"
    assert validation == read_json(tmp_path / "validation.json")


def test_the_plan_is_written_before_anything_is_trained(tmp_path: Path) -> None:
    run = planned(tmp_path, WINE)
    assert read_json(tmp_path / "plan.json") == run.plan.as_json()
    assert list((tmp_path / "checkpoints").iterdir()) == []


# --- judge: the model that is shipped ------------------------------------------------------------------------

TABLE: dict[str, Any] = {"data": {"source": "wine"}, "train": {"epochs": 3, "seeds": 2}}
IMAGES: dict[str, Any] = {"data": {"source": "digits", "rows": 120}, "train": {"epochs": 1, "seeds": 2}}
CNN: dict[str, Any] = {"cnn": {"filters": [2], "hidden": [4]}}
SHIPPED: dict[str, dict[str, Any]] = {
    "linear": TABLE | {"model": "linear"},
    "deep": TABLE | {"model": {"mlp": {"hidden": [6] * 6}}},
    "normalised": TABLE
    | {
        "model": {"mlp": {"hidden": [6, 5], "batch_normalisation": True}},
        "train": {"epochs": 3, "seeds": 2, "regularisation": {"dropout": 0.2, "l2": 0.01}},
    },
    "regression": TABLE | {"data": {"source": "diabetes"}},
    "images through an mlp": IMAGES | {"model": {"mlp": {"hidden": [8]}}},
    "images through a cnn": IMAGES | {"model": CNN},
    "a cnn with dropout": IMAGES
    | {"model": CNN, "train": {"epochs": 1, "seeds": 2, "regularisation": {"dropout": 0.2}}},
}
QUICK = ("linear", "normalised", "regression", "images through a cnn")


def raw_rows(run: Planned, rows: np.ndarray) -> Any:
    """Rows of the data as they come from their source, read anew."""
    dataset = load_dataset(run.run.spec.data, home=run.folder)
    return dataset.table.iloc[rows] if dataset.images is None else dataset.images[rows]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in SHIPPED]
)
def test_the_shipped_model_predicts_what_is_recorded_of_its_trial(tmp_path: Path, name: str) -> None:
    run = planned(tmp_path, SHIPPED[name])
    tables = run.tables()
    verdict, predictions = run.judge(tables), tables["predictions"]
    recorded = predictions[
        (predictions["trial_id"] == verdict["shipped"]["trial_id"]) & (predictions["part"] == "test")
    ]
    classes = run.prepared.dataset.classes
    columns = len(classes) if classes else 1
    values = recorded["value"].to_numpy().reshape(-1, columns)
    answers = predict(tmp_path / "model", raw_rows(run, recorded["row"].to_numpy(int)[::columns]))
    np.testing.assert_allclose(answers.reshape(-1, columns), values, rtol=1e-4, atol=1e-5)


def test_another_verdict_counts_as_another_look_at_the_test_part(tmp_path: Path) -> None:
    """The same one does not: whoever goes on with a killed run sees nothing new."""
    run = planned(tmp_path, WINE)
    tables = run.tables()
    once, again = run.judge(tables), run.judge(tables)
    assert (once, once["test_evaluations"]) == (again, 1)
    gated = planned(tmp_path, WINE | {"gates": [{"metric": "accuracy", "at_least": 0.5}]}, start="judge")
    tables = gated.tables()
    assert [gated.judge(tables)["test_evaluations"] for _ in range(2)] == [2, 2]


def test_stages_do_not_depend_on_the_folder_they_run_in(tmp_path: Path) -> None:
    one, other = planned(tmp_path / "one", WINE), planned(tmp_path / "other", WINE)
    assert one.plan == other.plan
    assert replace(one.run, folder=other.folder, base=other.folder, home=other.folder) == other.run
