"""Housekeeping: what it shows is what it removes, and what is in use or a champion's stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.gc import removable
from tasks.run_folder import write_json


def add_run(home: Path, name: str, source: str = "digits") -> Path:
    folder = home / "runs" / name
    folder.mkdir(parents=True)
    write_json(folder / "stages.json", {"stages": {"report": {"status": "done"}}})
    write_json(folder / "plan.json", {"spec": {"data": {"source": source}}})
    (folder / "spec.yaml").write_text("data: {}\n", encoding="utf-8")
    return folder


@pytest.fixture
def old_temporaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's folder for temporary files, with one leftover of ours and two that are not."""
    folder = tmp_path / "tmp"
    for name in ("bakeoff-report-abc", "other-report-abc"):
        (folder / name).mkdir(parents=True)
        os.utime(folder / name, (0, 0))
    (folder / "bakeoff-report-new").mkdir()
    monkeypatch.setattr("flows.gc.tempfile.gettempdir", lambda: str(folder))
    return folder


@pytest.fixture
def full(home: Path, old_temporaries: Path) -> Path:
    """A home with four runs, of which the oldest is a champion's, and a cache."""
    for day, source in enumerate(("titanic", "adult", "wine", "digits"), start=1):
        add_run(home, f"2026010{day}-000000-x", source)
    (home / "champions").mkdir()
    write_json(home / "champions" / "x.json", {"run": "20260101-000000-x"})
    (home / "monitoring" / "x" / "20200101-000000").mkdir(parents=True)
    for name in ("datasets/titanic", "datasets/adult", "augmented/old", "augmented/new"):
        (home / "cache" / name).mkdir(parents=True)
    os.utime(home / "cache" / "augmented" / "old", (0, 0))
    os.utime(home / "cache" / "augmented" / "new", (time.time() + 60, time.time() + 60))
    (home / "runs" / "20260104-000000-x" / ".trials.parquet.999999999").touch()
    (home / "runs" / "notes").mkdir()
    return home


GONE = {
    "20260102-000000-x",
    "adult",
    "old",
    "bakeoff-report-abc",
    ".trials.parquet.999999999",
}


def test_it_shows_first_and_removes_when_told_to(full: Path) -> None:
    runner = CliRunner()
    shown = runner.invoke(app, ["gc", "--keep", "2"])
    assert shown.exit_code == 0, shown.output
    assert {each.path.name for each in removable(full, 2)} == GONE
    assert "5 entries, 0.0 MB; remove them with --yes" in shown.output
    assert all((full / "runs" / f"2026010{day}-000000-x").exists() for day in range(1, 5)), "nothing is gone yet"
    assert "5 entries, 0.0 MB removed" in runner.invoke(app, ["gc", "--keep", "2", "--yes"]).output
    left = {path.name for path in (full / "runs").iterdir()}
    assert left == {"20260101-000000-x", "20260103-000000-x", "20260104-000000-x", "notes"}
    assert removable(full, 2) == []


def test_a_run_that_goes_on_stays(home: Path, old_temporaries: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = add_run(home, "20260101-000000-x")
    write_json(folder / "stages.json", {"stages": {"train": {"status": "running"}}})
    monkeypatch.setattr("tasks.run_state.held_by_another", lambda folder: True)
    assert folder not in {each.path for each in removable(home, 0)}


def test_a_link_is_not_followed(home: Path, old_temporaries: Path, tmp_path: Path) -> None:
    add_run(tmp_path / "elsewhere", "20260101-000000-x")
    (home / "runs").mkdir(parents=True)
    (home / "runs" / "20260101-000000-x").symlink_to(tmp_path / "elsewhere" / "runs" / "20260101-000000-x")
    (home / "cache").mkdir()
    assert {each.path.name for each in removable(home, 0)} == {"bakeoff-report-abc"}


def test_of_no_home_there_is_nothing_to_remove(home: Path, old_temporaries: Path) -> None:
    (old_temporaries / "bakeoff-report-abc").rmdir()
    assert removable(home, 20) == []
    assert not home.exists()


def test_trained_trials_that_no_kept_run_used_go_as_one(full: Path) -> None:
    """Those that one of the kept runs trained or reused were written or touched after it began."""
    folder = full / "cache" / "trials"
    folder.mkdir()
    for name, used in (("a", 0), ("b", 0), (".half", 0), ("c", time.time() + 60)):
        (folder / name).write_bytes(b"0" * 1000)
        os.utime(folder / name, (used, used))
    shown = CliRunner().invoke(app, ["gc", "--keep", "2"]).output
    assert f"0.0 MB  {folder}  (3 trained trials not used since the oldest kept run; trained again when" in shown
    assert len(list(folder.iterdir())) == 4
    CliRunner().invoke(app, ["gc", "--keep", "2", "--yes"])
    assert [path.name for path in folder.iterdir()] == ["c"]
    assert removable(full, 2) == []
