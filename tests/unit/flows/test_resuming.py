"""What `bakeoff resume` reads from a run's folder, and which it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.resuming import unfinished
from tasks.errors import BadInput
from tasks.run_folder import write_json
from tasks.runs import environment


def killed(folder: Path, experiment: str, overrides: list[str]) -> Path:
    folder.mkdir(parents=True)
    write_json(folder / "stages.json", {"stages": {"load": {"status": "done"}, "train": {"status": "running"}}})
    environment(experiment, overrides).write(folder)
    (folder / "spec.yaml").touch()
    return folder


def test_spec_and_overrides_are_those_that_it_was_begun_with(tmp_path: Path) -> None:
    spec = tmp_path / "it's mine.yaml"
    spec.touch()
    overrides = ["train.epochs=5", "description=two words"]
    folder = killed(tmp_path / "runs" / "one", str(spec), overrides)
    for name in ("one", str(folder)):
        found = unfinished(name, tmp_path)
        assert (found.folder, found.experiment, list(found.overrides)) == (folder, str(spec), overrides)


def test_a_spec_that_is_gone_is_the_copy_in_the_folder(tmp_path: Path) -> None:
    folder = killed(tmp_path / "runs" / "one", "gone.yaml", [])
    assert unfinished("one", tmp_path).experiment == str(folder / "spec.yaml")


def test_a_run_that_came_to_its_end_is_refused(tmp_path: Path) -> None:
    folder = killed(tmp_path / "runs" / "one", "digits", [])
    write_json(folder / "stages.json", {"stages": {"report": {"status": "done"}}})
    with pytest.raises(BadInput, match="came to its end"):
        unfinished("one", tmp_path)


def test_a_run_that_had_hardly_begun_is_refused(tmp_path: Path) -> None:
    (killed(tmp_path / "runs" / "one", "digits", []) / "environment.json").unlink()
    with pytest.raises(BadInput, match="ended before it began"):
        unfinished("one", tmp_path)


def test_no_run_is_refused(tmp_path: Path) -> None:
    killed(tmp_path / "runs" / "one", "digits", [])
    with pytest.raises(BadInput, match="no such run") as refused:
        unfinished("on", tmp_path)
    assert "one" in (refused.value.accepted or "")
