"""A run's folder: nothing is half-written, one process at a time, and the stages have an order."""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import BadInput, Locked
from tasks.run_folder import STAGES, locked, make_folder, read_json, sweep, write_json, write_text

HOLDER = """
import sys
from pathlib import Path
from tasks.run_folder import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process_holding(folder: Path) -> Iterator[subprocess.Popen[str]]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder
    finally:
        holder.kill()
        holder.communicate()


def test_a_second_process_is_refused_and_told_who_holds_the_lock(tmp_path: Path) -> None:
    with another_process_holding(tmp_path) as holder, pytest.raises(Locked) as error, locked(tmp_path):
        pass
    assert error.value.where == str(tmp_path)
    assert str(error.value.got).startswith(f"process {holder.pid} since ")
    assert "--run-dir" in str(error.value.remedy)


def test_a_refused_process_leaves_the_holders_note(tmp_path: Path) -> None:
    with another_process_holding(tmp_path) as holder:
        for _ in range(2):
            with pytest.raises(Locked, match=f"process {holder.pid}"), locked(tmp_path):
                pass


def test_the_lock_is_free_after_the_holder_is_killed(tmp_path: Path) -> None:
    with another_process_holding(tmp_path) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with locked(tmp_path):
            assert (tmp_path / "lock").read_text(encoding="utf-8").startswith(f"process {os.getpid()} since ")


def test_the_lock_is_free_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), locked(tmp_path):
        raise RuntimeError
    with locked(tmp_path):
        pass


def test_the_lock_holds_within_one_process_too(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(Locked), locked(tmp_path):
        pass


# --- writing -------------------------------------------------------------------------------------------------


def test_text_is_utf8_and_complete(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    assert write_text(path, "größe: 1\n") == path
    assert path.read_bytes() == "größe: 1\n".encode()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["\ud800", "x" * 10 + "\udfff"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path, text: str) -> None:
    path = write_text(tmp_path / "a", "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, text)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_never_sees_a_half_written_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_text(tmp_path / "a", "old")
    seen = []
    replace = Path.replace

    def look_then_replace(self: Path, target: Path) -> Path:
        seen.append((path.read_text(encoding="utf-8"), self.read_text(encoding="utf-8")))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", look_then_replace)
    write_text(path, "new")
    assert seen == [("old", "new")]


@pytest.mark.parametrize("value", [math.nan, math.inf, {"a": [1, -math.inf]}])
def test_json_is_strict(tmp_path: Path, value: Any) -> None:
    path = write_json(tmp_path / "a.json", {"old": True})
    with pytest.raises(ValueError):
        write_json(path, value)
    assert read_json(path) == {"old": True}


def test_json_comes_back(tmp_path: Path) -> None:
    value = {"name": "Größe", "none": None, "numbers": [1, 0.1, 1e-300]}
    path = write_json(tmp_path / "a.json", value)
    assert read_json(path) == value
    assert "Größe" in path.read_text(encoding="utf-8"), "people read it"


def test_a_folder_is_made_with_its_parents_and_once(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "a" / "b")
    (folder / "kept").touch()
    assert make_folder(folder) == folder
    assert (folder / "kept").exists()


@pytest.mark.parametrize("name", ["file", "file/below", "x" * 300])
def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match="can't be made") as error:
        make_folder(tmp_path / name)
    assert error.value.where == str(tmp_path / name)


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_killed_processes_left_half_written_is_swept(tmp_path: Path) -> None:
    dead = ended_process()
    (tmp_path / "checkpoints" / "0123456789ab").mkdir(parents=True)
    (tmp_path / "checkpoints" / f".0123456789ab.{dead}.t81").mkdir()
    (tmp_path / "checkpoints" / f".0123456789ab.{dead}.t81" / "trials.parquet").touch()
    (tmp_path / "model").mkdir()
    kept = [".hidden", ".2", f".plan.json.{os.getpid()}", f"plan.json.{dead}", "checkpoints/paused-0123456789ab.npz"]
    gone = [f".plan.json.{dead}", f"checkpoints/.wave-000.json.{dead}", f"model/.model.keras.{dead}.keras"]
    for name in [*kept, *gone]:
        (tmp_path / name).touch()
    sweep(tmp_path)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left == {*kept, "checkpoints", "checkpoints/0123456789ab", "model"}


def test_every_temporary_name_is_one_that_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.execution.recording import write_folder
    from tasks.records.tables import TABLES

    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", ended_process)
        for name in ("replace", "rename", "unlink"):
            patch.setattr(Path, name, lambda self, *arguments, **options: self)
        patch.setattr(shutil, "rmtree", lambda *arguments, **options: None)
        write_text(tmp_path / "plan.json", "{}")
        TABLES["settings"].write([], tmp_path)
        (tmp_path / "checkpoints").mkdir()
        write_folder(tmp_path / "checkpoints" / "0123456789ab", {}, {})
    assert len([*tmp_path.rglob(".*")]) == 3
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [tmp_path / "checkpoints"]
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_the_stages_stand_in_order() -> None:
    assert STAGES == (
        "load",
        "split",
        "validate",
        "plan",
        "search",
        "train",
        "stabilise",
        "evaluate",
        "judge",
        "report",
    )
