"""Searches through the command: finished, killed, stopped, and locked against a second process."""

from __future__ import annotations

import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from tasks.planning.recipes import recipes_of
from tasks.run_folder import STAGES, locked, read_json
from tasks.spec.load import load_spec
from tests.bench.kill import Command, differences, killed
from tests.flows.command import PROJECT, bakeoff, start

TUNED = PROJECT / "tests" / "flows" / "tuned.yaml"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def wait_for(path: Path, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def tuned(home: Path) -> Path:
    """Makes a whole run with a search, which was first killed just after its start and then resumed."""
    folder = home / "tuned"
    process = start("run", TUNED, "--run-dir", folder, home=home)
    wait_for(folder / "stages.json")
    process.kill()
    process.communicate()
    assert not (folder / "plan.json").exists()
    done = bakeoff("run", TUNED, "--run-dir", folder, "--from", "search", home=home)
    assert done.returncode == 0, done.stderr
    assert "note: the run was ended before it had a plan, so it begins at the beginning" in done.stderr
    assert done.stdout.splitlines()[-1] == str(folder / "report.html")
    return folder


def test_every_stage_of_a_search_is_on_record(tuned: Path) -> None:
    records = read_json(tuned / "stages.json")["stages"]
    assert list(records) == [stage for stage in STAGES if stage != "stabilise"]
    assert {record["status"] for record in records.values()} == {"done"}
    assert list(tuned.rglob(".*")) == []


def test_the_winner_runs_as_a_spec_of_its_own(tuned: Path, home: Path) -> None:
    (recipe,) = recipes_of(load_spec(tuned / "winner.yaml", [])[0])
    leader = read_json(tuned / "verdict.json")["leader"]
    variant = next(each for each in read_json(tuned / "plan.json")["recipes"] if each["recipe_id"] == leader)
    assert recipe.settings.document == {name: value for name, value in variant["params"].items() if name != "method"}
    done = bakeoff("run", tuned / "winner.yaml", "--run-dir", home / "winner", home=home)
    assert done.returncode == 0, done.stderr
    assert "search" not in read_json(home / "winner" / "stages.json")["stages"]


def test_a_search_in_progress_is_refused_to_others(tuned: Path, home: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tuned, tmp_path / "run"))
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != "lock"}
    with locked(folder):
        done = bakeoff("run", TUNED, "--run-dir", folder, "--from", "search", home=home)
    assert done.returncode == 2
    assert f"{folder}: the run is locked by another process" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != "lock"} == before


def test_a_folder_without_a_run_is_refused_however_often_it_was(home: Path, tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    done = bakeoff("run", TUNED, "--run-dir", tmp_path, "--from", "search", home=home)
    assert done.returncode == 2
    assert "there is no run to go on from" in done.stderr


def test_a_killed_search_ends_like_one_that_never_stopped(tuned: Path, tmp_path: Path) -> None:
    seconds = {name: record["seconds"] for name, record in read_json(tuned / "stages.json")["stages"].items()}
    moments = random.Random(0)
    found = killed(TUNED, tmp_path / "run", tmp_path, Command, kills=2, seconds=seconds, moments=moments, say=print)
    assert len(found.stages) == 2
    assert found.retrained == set()
    assert differences(tuned, found.folder) == []


def test_a_search_stopped_with_ctrl_c_says_how_to_go_on(home: Path) -> None:
    folder = home / "stopped"
    process = start("run", TUNED, "--run-dir", folder, home=home)
    wait_for(folder / "checkpoints" / "wave-000.json")
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "stopped; finished stacks are kept: go on with bakeoff resume RUN" in errors
    assert read_json(folder / "stages.json")["stages"]["search"]["reason"] == "KeyboardInterrupt"
    assert list(folder.rglob(".*")) == []
