"""Reuse through the command: runs that are started together, a second run, and a run that trains everything again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.same_run import differences
from tests.flows.command import SMALL, bakeoff, start

TRIALS = 4


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which three runs of one experiment were started together."""
    home = tmp_path_factory.mktemp("reuse")
    together = [start("run", SMALL, "--run-dir", home / "runs" / name, home=home) for name in "abc"]
    for process in together:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    return home


def reused(folder: Path) -> list[str | None]:
    return [stack.get("reused") for stack in json.loads((folder / "plan.json").read_text())["stacks"]]


@pytest.mark.slow
def test_runs_that_begin_together_are_the_same(home: Path) -> None:
    assert [differences(home / "runs" / "a", home / "runs" / name) for name in "bc"] == [[], []]
    files = list((home / "cache" / "trials").iterdir())
    assert len(files) == TRIALS and not [path for path in files if path.name.startswith(".")]
    assert (home / "cache" / "trials").stat().st_mode & 0o777 == 0o700


@pytest.mark.slow
def test_a_second_run_trains_nothing_and_check_has_said_so(home: Path) -> None:
    said = bakeoff("check", SMALL, home=home).stdout
    assert f"reused: {TRIALS} of {TRIALS} trials are reused (trained by " in said
    done = bakeoff("run", SMALL, "--run-dir", home / "runs" / "again", home=home)
    assert done.returncode == 0, done.stderr
    assert f"{TRIALS} of {TRIALS} trials are reused" in " ".join(done.stderr.split())
    assert all(reused(home / "runs" / "again"))
    assert differences(home / "runs" / "a", home / "runs" / "again") == []
    verdict = json.loads((home / "runs" / "again" / "verdict.json").read_text())
    assert verdict["test_evaluations"] == 1


@pytest.mark.slow
def test_a_new_run_from_a_stage_trains_anew(home: Path) -> None:
    done = bakeoff("run", SMALL, "--from", "train", home=home)
    assert done.returncode == 0, done.stderr
    assert "from stage train on nothing is reused" in " ".join(done.stderr.split())
    folder = Path(done.stdout.split()[-1]).parent
    assert reused(folder) == [None, None]
    assert differences(home / "runs" / "a", folder) == []
