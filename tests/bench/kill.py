"""`python -m tests.bench.kill [SPEC] --kills 10`: whether a search that is killed and taken up again ends like one that
never stopped.

The search runs once without interruption. Then it runs again, is killed with SIGKILL at random moments, together with
all that it started, and is taken up until it ends. Both must leave the same tables, but for seconds.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from tasks.records.tables import TABLES
from tasks.run_folder import read_json
from tests.flows.command import BAKEOFF, PROJECT

EVERY_SEARCH = Path(__file__).with_name("search.yaml")
WAIT = 600.0

Say = Callable[[str], None]


@dataclass
class Killed:
    """What became of a run that was killed again and again.

    Args:
        kills: How often it was; less than asked where it ended before.
        retrained: Stacks that were finished at some kill and were written again after it.
    """

    folder: Path
    kills: int = 0
    retrained: set[str] = field(default_factory=set)


def start(spec: Path, folder: Path, home: Path) -> subprocess.Popen[bytes]:
    """`bakeoff run` in a process group of its own, which goes on where the folder holds a run."""
    going_on = ["--from", "search"] if (folder / "stages.json").exists() else []
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return subprocess.Popen(
        [*BAKEOFF, "run", str(spec), "--run-dir", str(folder), *going_on],
        cwd=PROJECT,
        env=environment | {"BAKEOFF_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[bytes]) -> None:
    """Waits for a run's end.

    Raises:
        RuntimeError: it failed.
    """
    _, errors = process.communicate(timeout=WAIT)
    if process.returncode:
        raise RuntimeError(f"the run ended with {process.returncode}:\n{errors.decode()}")


def uninterrupted(spec: Path, folder: Path, home: Path) -> float:
    """Runs it once; the seconds it took."""
    began = time.monotonic()
    finish(start(spec, folder, home))
    return time.monotonic() - began


def killed(
    spec: Path, folder: Path, home: Path, *, kills: int, seconds: float, search: float, seed: int, say: Say
) -> Killed:
    """Runs it with kills: two of three so soon after the search goes on that it is not over before the last of them,
    the third in the first half of the time that all would take.

    Args:
        seconds: That a run takes without them.
        search: That its search takes.
        seed: Of the moments.
    """
    moments, found = random.Random(seed), Killed(folder)
    finished: dict[str, int] = {}
    while found.kills < kills:
        process = start(spec, folder, home)
        anywhere = found.kills % 3 == 2
        if not anywhere:
            _wait_for_search(process, folder)
        after = moments.uniform(0, seconds / 2 if anywhere else search / max(2, kills / 2))
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            found.kills += 1
        else:
            finish(process)
            break
        now = _finished(folder)
        found.retrained |= {name for name, written in finished.items() if now.get(name) != written}
        finished = now
        since = "the start" if anywhere else "the search's beginning"
        say(f"kill {found.kills}: {after:.1f} s after {since}; on record: {_stage(folder)}, {len(finished)} stacks")
    finish(start(spec, folder, home))
    now = _finished(folder)
    found.retrained |= {name for name, written in finished.items() if now.get(name) != written}
    return found


def _wait_for_search(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Until this process searches; it is over where the process has ended."""
    before = _began(folder)
    deadline = time.monotonic() + WAIT
    while process.poll() is None and _began(folder) in (None, before):
        if time.monotonic() > deadline:
            raise RuntimeError("the search did not begin")
        time.sleep(0.02)


def _began(folder: Path) -> str | None:
    """When the search that is on record as running began; None without one."""
    path = folder / "stages.json"
    record = read_json(path)["stages"].get("search", {}) if path.exists() else {}
    return record["started"] if record.get("status") == "running" else None


def _stage(folder: Path) -> str:
    path = folder / "stages.json"
    records = read_json(path)["stages"] if path.exists() else {}
    running = [name for name, record in records.items() if record["status"] == "running"]
    return f"{running[-1]} runs" if running else "nothing runs"


def _finished(folder: Path) -> dict[str, int]:
    """The stacks that are recorded, and when each was."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / "checkpoints").glob("[!.]*/")}


def differences(one: Path, other: Path) -> list[str]:
    """In which tables two runs differ, seconds apart; and what the other one left half-written."""
    found = []
    for name in TABLES:
        whole, resumed = (
            pd.read_parquet(folder / f"{name}.parquet").drop(columns="seconds", errors="ignore")
            for folder in (one, other)
        )
        try:
            pd.testing.assert_frame_equal(whole, resumed, check_exact=True)
        except AssertionError as error:
            found.append(f"{name}: {error}")
    found += [f"left behind: {path}" for path in other.rglob(".*")]
    found += [f"left behind: {path}" for path in other.rglob("paused-*")]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.kill", description=__doc__)
    parser.add_argument("spec", nargs="?", type=Path, default=EVERY_SEARCH)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()

    def say(line: str) -> None:
        print(line, flush=True)

    with tempfile.TemporaryDirectory(prefix="bakeoff-kill-") as temporary:
        home = Path(temporary)
        seconds = uninterrupted(arguments.spec, home / "whole", home)
        search = read_json(home / "whole" / "stages.json")["stages"]["search"]["seconds"]
        say(f"without interruption: {seconds:.0f} s, of these the search {search:.0f} s")
        found = killed(
            arguments.spec,
            home / "killed",
            home,
            kills=arguments.kills,
            seconds=seconds,
            search=search,
            seed=arguments.seed,
            say=say,
        )
        unlike = differences(home / "whole", home / "killed")
    say(f"killed {found.kills} times; finished stacks that were trained again: {len(found.retrained)}")
    for each in unlike:
        say(each)
    say("the same tables" if not unlike else "the tables differ")
    return 1 if unlike or found.retrained else 0


if __name__ == "__main__":
    sys.exit(main())
