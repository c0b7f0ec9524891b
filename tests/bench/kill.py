"""`python -m tests.bench.kill [plain] [tuned] [streamed] --kills 10`: tests that runs that are killed and resumed end
like runs that never stopped.

For each kind, one run is made without interruption. Then the run is made again, killed with SIGKILL at random moments
and resumed, until it ends; this is repeated until there were so many kills. All runs must leave the same tables, plan
and verdict, except for seconds.

`--through stages` (the default) calls the stages in processes that are forked with TensorFlow loaded, so that little
time passes before the next kill. It saves stacks every `CHECKPOINT` seconds of training, so that many kills find a
saved stack. `--through command` starts `bakeoff` each time, with its child processes, as a user would.

`--inside` delays each kill until a stack is saved in the middle of its training.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from tasks.run_folder import Stage, locked, read_json
from tests.bench.same_run import differences as unlike
from tests.flows.command import BAKEOFF, PROJECT

WAIT = 600.0
CHECKPOINT = 0.1
"""Seconds of training between checkpoints; the value of real runs is in `tasks.training.saved`."""
_TAKEN_UP = "taken-up"
"""A file in the home folder, with a line for each stack that was resumed from its checkpoint: the step."""

Say = Callable[[str], None]

SPECS = {
    "plain": """
name: plain
data: {source: wine}
model: {kind: mlp, hidden: [8]}
train:
  epochs: 80
  seeds: 2
  optimizer: adam
  regularisation: {dropout: 0.1}
  schedule: {plateau: {patience: 5}}
  early_stopping: {patience: 40}
compare: {averaging: [none, ema], batch_size: [16, 32]}
""",
    "tuned": """
name: tuned
data: {source: wine}
model: {kind: mlp, hidden: [8]}
train: {epochs: 27, seeds: 2, optimizer: momentum}
compare: {method: [successive-halving, gradient]}
tune: {trials: 6, space: {learning_rate: auto, momentum: {low: 0.5, high: 0.99}}}
""",
    "streamed": """
name: streamed
data: {source: rows, target: left, memory: 1 MB}
model: {kind: mlp, hidden: [4]}
train: {epochs: 6, seeds: 4, batch_size: 256}
compare: {optimizer: [sgd, adam]}
""",
}


def written(kind: str, folder: Path) -> Path:
    """Writes the spec of a kind and returns its path; for `streamed` also 60,000 rows of 60 columns, two chunks an
    epoch."""
    if kind == "streamed":
        rng = np.random.default_rng(0)
        frame = pd.DataFrame({f"x{index}": rng.normal(size=60_000) for index in range(60)})
        frame["left"] = np.where(frame["x0"] + frame["x1"] + rng.normal(size=len(frame)) > 0, "yes", "no")
        (folder / "rows").mkdir()
        frame.to_parquet(folder / "rows" / "rows.parquet", index=False)
    spec = folder / f"{kind}.yaml"
    spec.write_text(SPECS[kind], encoding="utf-8")
    return spec


# --- ways to run it ------------------------------------------------------------------------------------------


class Attempt(Protocol):
    """A started run."""

    def ended(self, seconds: float) -> bool:
        """Waits at most so many seconds; returns whether the run has ended.

        Raises:
            RuntimeError: it failed.
        """
        ...

    def kill(self) -> None: ...


Start = Callable[[Path, Path, Path], Attempt]
"""Starts the run of a spec in a run folder with a home folder, or resumes the run that is there."""


class Command:
    """Runs `bakeoff run` in a process group of its own."""

    def __init__(self, spec: Path, folder: Path, home: Path) -> None:
        going_on = ["--from", _stage_to_go_on_from(spec)] if (folder / "stages.json").exists() else []
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        self._process = subprocess.Popen(
            [*BAKEOFF, "run", str(spec), "--run-dir", str(folder), *going_on],
            cwd=PROJECT,
            env=environment | {"BAKEOFF_HOME": str(home)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def ended(self, seconds: float) -> bool:
        try:
            _, errors = self._process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        if self._process.returncode:
            raise RuntimeError(f"the run ended with {self._process.returncode}:\n{errors.decode()}")
        return True

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


class Forked:
    """Runs the stages up to the verdict in a process that was forked with TensorFlow loaded."""

    def __init__(self, spec: Path, folder: Path, home: Path) -> None:
        processes = multiprocessing.get_context("forkserver")
        processes.set_forkserver_preload(["tensorflow", "keras", "great_expectations", "tasks.stages"])
        self._process = processes.Process(target=_through_stages, args=(spec, folder, home))
        self._process.start()

    def ended(self, seconds: float) -> bool:
        self._process.join(seconds)
        if self._process.exitcode:
            raise RuntimeError(f"the stages ended with {self._process.exitcode}")
        return self._process.exitcode == 0

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


def _stage_to_go_on_from(spec: Path) -> Stage:
    from tasks.spec.load import load_spec

    return "search" if load_spec(spec)[0].tune else "train"


def _through_stages(spec: Path, folder: Path, home: Path) -> None:
    from tasks import runs, stages
    from tasks.spec.load import load_spec
    from tasks.training import saved
    from tasks.training.stack import Stack

    load = Stack.load

    def noted(stack: Stack, path: Path) -> None:
        load(stack, path)
        with (home / _TAKEN_UP).open("a") as file:
            file.write(f"{stack.step}\n")

    Stack.load = noted  # type: ignore[method-assign, assignment]
    saved.SECONDS = CHECKPOINT
    start: Stage = _stage_to_go_on_from(spec) if (folder / "stages.json").exists() else "load"
    folder.mkdir(parents=True, exist_ok=True)
    read, text = load_spec(spec)
    with locked(folder):
        run = runs.open_run(read, text, [], spec.parent, home, folder, start=start)
        running = run.stages.running
        with running("load"):
            dataset = stages.load(run)
        with running("split"):
            splits = stages.split(run, dataset)
        if run.start == "load":
            with running("validate"):
                stages.validate(run, dataset, splits)
        with running("plan"):
            plan, prepared, searched = stages.plan(run, dataset, splits)
        if searched:
            with running("search"):
                plan = stages.search(run, plan, prepared, searched)
        with running("train"):
            stages.train(run, plan, prepared)
        with running("evaluate"):
            tables = stages.evaluate(run, plan, prepared)
        with running("judge"):
            stages.judge(run, plan, prepared, tables, splits)


# --- killing -------------------------------------------------------------------------------------------------


@dataclass
class Killed:
    """The record of a run that was killed several times.

    Args:
        stages: For each kill, the stage that was running.
        saved: For each kill, how many stacks were saved in the middle of their training.
        taken_up: The steps at which stacks were resumed.
        retrained: Names of records (a stack, its scores, baselines) that existed at a kill and were written again after
            it.
    """

    folder: Path
    stages: list[str] = field(default_factory=list)
    saved: list[int] = field(default_factory=list)
    taken_up: list[int] = field(default_factory=list)
    retrained: set[str] = field(default_factory=set)


def uninterrupted(spec: Path, folder: Path, home: Path, start: Start) -> Mapping[str, float]:
    """Runs the spec once; returns the seconds of its stages."""
    if not start(spec, folder, home).ended(WAIT):
        raise RuntimeError(f"the run took more than {WAIT:.0f} s")
    return {name: record["seconds"] for name, record in read_json(folder / "stages.json")["stages"].items()}


def killed(
    spec: Path,
    folder: Path,
    home: Path,
    start: Start,
    *,
    kills: int,
    seconds: Mapping[str, float],
    moments: random.Random,
    say: Say,
    inside: bool = False,
) -> Killed:
    """Runs the spec to its end with at most so many kills. A kill comes at a random moment in the first third of the
    time that planning and training take; as long as there is no plan, at any moment of a run's time.

    Args:
        seconds: Seconds of the stages, from `uninterrupted`.
        inside: Whether a kill waits until this attempt has saved a stack, and then comes within a second.
    """
    third = sum(seconds.get(name, 0.0) for name in ("load", "split", "plan", "search", "train")) / 3
    found = Killed(folder)
    finished: dict[str, int] = {}
    while True:
        attempt = start(spec, folder, home)
        within = third if (folder / "plan.json").exists() else sum(seconds.values())
        begun = time.monotonic()
        if len(found.stages) == kills:
            over = attempt.ended(WAIT)
        elif inside:
            over = _until_saved(attempt, folder, time.time()) or attempt.ended(moments.uniform(0, 1))
        else:
            over = attempt.ended(moments.uniform(0, within))
        if not over:
            attempt.kill()
        now = _finished(folder)
        found.retrained |= {name for name, written in finished.items() if now.get(name) != written}
        finished = now
        if over:
            taken_up = home / _TAKEN_UP
            found.taken_up = [int(line) for line in taken_up.read_text().split()] if taken_up.exists() else []
            return found
        if len(found.stages) == kills:
            raise RuntimeError(f"the run took more than {WAIT:.0f} s")
        found.stages.append(_stage(folder))
        found.saved.append(len(list((folder / "checkpoints").glob("paused-*"))))
        there = f"{len(finished)} folders written, {found.saved[-1]} stacks saved"
        say(f"  after {time.monotonic() - begun:.1f} s: {found.stages[-1]}; {there}")


def _until_saved(attempt: Attempt, folder: Path, since: float) -> bool:
    """Waits until a stack is saved after the time `since`; returns whether the run ended before that."""
    while not attempt.ended(0.02):
        for path in (folder / "checkpoints").glob("paused-*"):
            with suppress(FileNotFoundError):  # recorded meanwhile
                if path.stat().st_mtime > since:
                    return False
    return True


def _stage(folder: Path) -> str:
    path = folder / "stages.json"
    records = read_json(path)["stages"] if path.exists() else {}
    return next((name for name, record in records.items() if record["status"] == "running"), "between stages")


def _finished(folder: Path) -> dict[str, int]:
    """Returns the names of the records of stacks and baselines, with the times at which they were written."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / "checkpoints").glob("[!.]*/")}


def differences(one: Path, other: Path) -> list[str]:
    """Returns the differences of two runs except for seconds, and the half-written files that `other` left."""
    left = [*other.rglob(".*"), *other.rglob("paused-*")]
    return [*unlike(one, other), *(f"left behind: {path}" for path in left)]


# --- the measurement -----------------------------------------------------------------------------------------


def measure(
    kind: str, start: Start, kills: int, moments: random.Random, folder: Path, say: Say, *, inside: bool = False
) -> bool:
    """Kills runs of a kind `kills` times and prints the result as a table row; returns whether all ended alike."""
    folder.mkdir()
    spec, rounds = written(kind, folder), list[Killed]()
    seconds = uninterrupted(spec, folder / "whole" / "run", folder / "whole", start)
    say(f"{kind}: {sum(seconds.values()):.0f} s without interruption")
    unlike: list[str] = []
    while (left := kills - sum(len(each.stages) for each in rounds)) > 0:
        home = folder / f"killed-{len(rounds)}"  # a home for each run, else the second would reuse trials of the first
        how = {"kills": left, "seconds": seconds, "moments": moments, "inside": inside}
        rounds.append(killed(spec, home / "run", home, start, say=say, **how))
        unlike += differences(folder / "whole" / "run", home / "run")
        say(f"  ended after {len(rounds[-1].stages)} kills, {len(unlike)} differences")
    say("\n".join(unlike))
    stages = [stage for each in rounds for stage in each.stages]
    counted = ", ".join(f"{stage} {stages.count(stage)}" for stage in dict.fromkeys(sorted(stages)))
    retrained = sum(len(each.retrained) for each in rounds)
    saved = sum(count > 0 for each in rounds for count in each.saved)
    taken_up = sum(len(each.taken_up) for each in rounds)
    say(
        f"| {kind} | {len(rounds)} | {len(stages)} | {counted} | {saved} | {taken_up} | {retrained} |"
        f" {'the same' if not unlike else f'{len(unlike)} differences'} |"
    )
    return not unlike and not retrained


HEADER = """
| run | runs | kills | at the kill there ran | kills that found stacks half trained | stacks taken up inside | \
what was recorded and written again | tables, plan, verdict |
|---|---|---|---|---|---|---|---|
""".strip()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.kill", description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=list(SPECS), help="default: all")
    parser.add_argument("--kills", type=int, default=10, help="of each kind")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--through", choices=["stages", "command"], default="stages")
    parser.add_argument("--inside", action="store_true", help="kill only where a stack lies saved")
    chosen = parser.parse_args(arguments)
    start: Start = Forked if chosen.through == "stages" else Command

    def say(line: str) -> None:
        if line:
            print(line, flush=True)

    say(HEADER)
    with tempfile.TemporaryDirectory(prefix="bakeoff-kill-") as temporary:
        moments = random.Random(chosen.seed)
        same = [
            measure(kind, start, chosen.kills, moments, Path(temporary) / kind, say, inside=chosen.inside)
            for kind in chosen.kinds or SPECS
        ]
    return 0 if all(same) else 1


if __name__ == "__main__":
    sys.exit(main())
