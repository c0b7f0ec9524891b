"""Without a server: a run starts its own Prefect API, prints nothing of Prefect's, and leaves no process behind."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.flows import toy
from tests.flows.servers import PROJECT, processes_with


def start(home: Path, experiment: str = "digits", **variables: str) -> subprocess.Popen[str]:
    """Starts a run without a server in a process of its own, marked by an environment variable so that its child
    processes can be found."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return subprocess.Popen(
        [sys.executable, toy.__file__, str(home), experiment],
        cwd=PROJECT,
        env=environment | {"PYTHONPATH": str(PROJECT), "BAKEOFF_HOME": str(home), "DO_NOT_TRACK": "1"} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def states(home: Path) -> list[str]:
    """Returns the states of the flow runs in the home's Prefect database, oldest first."""
    with sqlite3.connect(home / "prefect" / "prefect.db") as database:
        return [state for (state,) in database.execute("select state_name from flow_run order by created")]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for all tests below, which follow each other like a user's runs."""
    return tmp_path_factory.mktemp("home")


def test_two_runs_at_once_share_a_fresh_home(home: Path) -> None:
    for run in [start(home), start(home)]:
        output, errors = run.communicate(timeout=120)
        assert run.returncode == 0, errors
        assert errors == ""
        assert output.count("\n") == 1, "prefect has nothing to say of its own"
    assert states(home) == ["Completed", "Completed"]
    assert not processes_with("BAKEOFF_HOME", str(home))


@pytest.mark.slow
def test_an_exception_ends_the_run_as_failed(home: Path) -> None:
    run = start(home, "fail")
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 1
    assert errors.count("ValueError: as asked") == 1, "said once, by Python, and not by Prefect as well"
    assert states(home)[-1] == "Failed"
    assert not processes_with("BAKEOFF_HOME", str(home))


@pytest.mark.parametrize(
    ("sent", "state"),
    [
        pytest.param(signal.SIGINT, "Crashed", marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, "Crashed", marks=pytest.mark.slow),
        (signal.SIGKILL, "Running"),  # until the next run, see below
    ],
)
def test_nothing_outlives_a_signal(home: Path, sent: signal.Signals, state: str) -> None:
    run = start(home, "wait")
    assert run.stdout is not None
    assert run.stdout.readline() == "waiting\n"
    assert psutil.Process(run.pid).children(recursive=True) == []
    run.send_signal(sent)
    assert run.wait(timeout=10) == -sent
    run.communicate()
    assert states(home)[-1] == state
    assert not processes_with("BAKEOFF_HOME", str(home))


@pytest.mark.slow
def test_a_killed_run_is_closed_by_the_next(home: Path) -> None:
    killed = start(home, "wait")
    assert killed.stdout is not None
    assert killed.stdout.readline() == "waiting\n"
    meanwhile = start(home)
    assert meanwhile.wait(timeout=60) == 0
    assert states(home)[-2:] == ["Running", "Completed"], "a living run is left alone"
    killed.kill()
    killed.wait()
    assert start(home).wait(timeout=60) == 0
    assert states(home)[-3:] == ["Crashed", "Completed", "Completed"]


@pytest.mark.slow
def test_prefect_speaks_when_asked_to(home: Path) -> None:
    _, errors = start(home, PREFECT_LOGGING_LEVEL="INFO").communicate(timeout=60)
    assert "Finished in state Completed()" in errors


def test_a_server_that_does_not_answer_is_named(home: Path) -> None:
    run = start(home, PREFECT_API_URL="http://127.0.0.1:9/api")
    _, errors = run.communicate(timeout=60)
    assert "PREFECT_API_URL: the Prefect server does not answer" in errors
    assert "http://127.0.0.1:9/api" in errors


@pytest.mark.slow
def test_one_process_keeps_two_homes_apart(tmp_path: Path) -> None:
    for name in ("one", "other", "one"):
        toy.main(str(tmp_path / name))
    assert states(tmp_path / "one") == ["Completed", "Completed"]
    assert states(tmp_path / "other") == ["Completed"]
