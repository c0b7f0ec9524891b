"""`python -m tests.bench.kill_served --rounds 1`: kills under a real Prefect server and worker, from `make serve`.

In each round, while a run that the worker started trains, these are killed with SIGKILL: the run's process; the worker
with what it started; the server; all of them. Then `make serve` starts again what is gone, and the run, unless it ended
by itself, goes on with `bakeoff resume`. All must leave the tables, plan and verdict of a run that never stopped.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from tasks.run_folder import held_by_another, read_json
from tests.bench.kill import SPECS, Command, differences, uninterrupted, written
from tests.flows.command import bakeoff
from tests.flows.servers import PrefectServer, wait_for
from tests.flows.test_serving import deployment_id, free_port, serve

KIND = "plain"
VICTIMS = ("run", "worker", "server", "server and worker")
WAIT = 300.0
"""Seconds until a run trains, or has ended."""


def processes(home: Path, name: str) -> list[psutil.Process]:
    """A process of `make serve`, with all that it started."""
    noted = read_json(home / "serve" / "serve.json")["processes"]
    found = [psutil.Process(each["pid"]) for each in noted if each["name"] == name and psutil.pid_exists(each["pid"])]
    return [*found, *(child for each in found for child in each.children(recursive=True))]


def victims(home: Path, who: str) -> list[psutil.Process]:
    worker, server = processes(home, "worker"), processes(home, "server")
    return {"run": worker[1:], "worker": worker, "server": server, "server and worker": [*server, *worker]}[who]


def begun(served: PrefectServer) -> Path:
    """Starts the run through the worker; its folder, once there is a plan."""
    there = set((served.home / "runs").glob("*"))
    with served.client() as client:
        parameters = {"request": {"spec": SPECS[KIND]}}
        client.create_flow_run_from_deployment(deployment_id(served, "bake-off"), parameters=parameters)

    def planned() -> Path | None:
        new = set((served.home / "runs").glob("*")) - there
        return next((path for path in new if (path / "plan.json").exists()), None)

    return wait_for(planned, WAIT)


def killed(served: PrefectServer, who: str, moments: random.Random) -> tuple[str, Path]:
    """The stage that a kill met, and the folder of the run, which has ended after it."""
    folder = begun(served)
    time.sleep(moments.uniform(0, 2))
    stages = read_json(folder / "stages.json")["stages"]
    met = next((name for name, record in stages.items() if record["status"] == "running"), "between stages")
    for process in victims(served.home, who):
        if process.is_running():
            process.kill()
    started = serve("start", served.home)
    if started.returncode:
        raise RuntimeError(started.stdout + started.stderr)
    wait_for(lambda: None if held_by_another(folder) else True, WAIT)
    if not (folder / "report.html").exists():
        done = bakeoff("resume", folder, home=served.home)
        if done.returncode:
            raise RuntimeError(done.stderr)
    return met, folder


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.kill_served", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    chosen = parser.parse_args(arguments)
    moments, unlike = random.Random(0), list[str]()
    with tempfile.TemporaryDirectory(prefix="bakeoff-kill-") as temporary:
        whole, home = Path(temporary) / "whole", Path(temporary) / "home"
        uninterrupted(written(KIND, Path(temporary)), whole / "run", whole, Command)
        ports = {"PREFECT_SERVER_API_PORT": str(free_port()), "BAKEOFF_REPORTS_PORT": str(free_port())}
        started = serve("start", home, **ports)
        if started.returncode:
            raise RuntimeError(started.stdout + started.stderr)
        password = (home / "serve" / "password").read_text(encoding="utf-8")
        served = PrefectServer(f"http://127.0.0.1:{ports['PREFECT_SERVER_API_PORT']}", password, home, {})
        print("| killed | while it ran | tables, plan, verdict |\n|---|---|---|", flush=True)
        try:
            for who in VICTIMS * chosen.rounds:
                shutil.rmtree(home / "cache" / "trials", ignore_errors=True)  # else nothing is trained
                met, folder = killed(served, who, moments)
                found = differences(whole / "run", folder)
                print(f"| {who} | {met} | {f'{len(found)} differences' if found else 'the same'} |", flush=True)
                unlike += found
        finally:
            serve("stop", home)
        print("\n".join(unlike))
    return 1 if unlike else 0


if __name__ == "__main__":
    sys.exit(main())
