"""Setting a run up: its folder, where it may begin, and what is put on record."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tasks import runs
from tasks.errors import BadInput
from tasks.run_folder import read_json
from tests.runs import WINE, open_run, planned


def test_runs_of_one_second_get_folders_of_their_own(home: Path) -> None:
    folders = [runs.new_folder(home, "mine") for _ in range(3)]
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
        "memory_bytes",
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
    assert runs.environment("digits").git is None


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
