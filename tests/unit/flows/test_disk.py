"""Folders that can't be written to are named at once; a disk that fills up on the way is named as what went wrong."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from flows.cli import main
from flows.disk import check_writable, disk_faults
from tasks.errors import BadInput
from tests.flows.command import SMALL


def free(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(total=10**12, free=count))


def test_a_folder_that_can_be_made_is_not_made(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("below", "said"),
    [
        ("file", "the folder can't be made"),
        ("file/below", "file is no folder"),
        ("a" * 300, "File name too long"),
        ("b/" + "a" * 300, "a name that is too long"),
    ],
    ids=["file", "below", "long", "later"],
)
def test_what_can_be_no_folder_is_named(below: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match=said) as refused:
        check_writable(tmp_path / below)
    assert refused.value.where == str(tmp_path / below)


def test_a_place_without_files_and_a_full_disk_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="can't be written to"):
        check_writable(Path("/proc/self/nowhere"))
    free(monkeypatch, 2_600_000)
    with pytest.raises(BadInput, match="the disk is full") as refused:
        check_writable(tmp_path)
    assert refused.value.got == "2.6 MB free" and refused.value.remedy


@pytest.mark.parametrize(("command", "option"), [("run", "--home"), ("run", "--run-dir"), ("check", "--home")])
def test_the_command_answers_at_once(
    command: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path))
    monkeypatch.setattr("flows.console.run_with_progress", lambda **_: pytest.fail("begun"))
    monkeypatch.setattr("flows.check.show_check", lambda *_, **__: pytest.fail("begun"))
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as end:
        main([command, str(SMALL), option, str(tmp_path / "file" / "x")])
    assert end.value.code == 2 and "the folder can't be made" in capsys.readouterr().err


def test_a_full_disk_on_the_way_is_named_with_folder_and_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "runs" / "trials.parquet"))
    with pytest.raises(BadInput, match="the disk is full") as refused, disk_faults(tmp_path):
        try:
            raise full
        except OSError as error:
            raise RuntimeError("a library's own words") from error
    assert refused.value.where == str(tmp_path / "runs") and "bakeoff resume" in (refused.value.remedy or "")
    with pytest.raises(ZeroDivisionError), disk_faults(tmp_path):
        raise ZeroDivisionError
    free(monkeypatch, 100_000)
    with pytest.raises(BadInput, match="the disk is full"), disk_faults(tmp_path):
        raise RuntimeError("Prefect's API did not start in this process")
    with pytest.raises(typer.Exit), disk_faults(tmp_path):
        raise typer.Exit(3)


def test_arguments_that_are_no_utf8_and_used_up_memory_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["list", "runs", "--home", os.fsdecode(b"/tmp/\xff")])
    assert end.value.code == 2 and "not UTF-8" in capsys.readouterr().err

    def large(*_: object) -> None:
        raise MemoryError("Unable to allocate 1 PiB")

    monkeypatch.setattr("flows.listing.lines", large)
    with pytest.raises(SystemExit) as end:
        main(["list", "models"])
    assert end.value.code == 2 and "the memory is used up\n  got:      Unable to allocate" in capsys.readouterr().err
