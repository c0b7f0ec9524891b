"""Measures the cost of training in other processes: `python -m tests.bench.dask [measure] [simulate] [cores]`.

`measure` starts schedulers and workers on this machine. It measures wall time and processor time; other work on the
machine changes the latter less. `simulate` simulates up to 1,000 workers with the measured costs
(`tests.bench.distance`). `cores` shows how the plan divides trials for machines of 1, 2, 4, 16 and 64 cores.
distance.md has the results.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from flows.environment import for_workers, load_tensorflow, quieten
from tasks.distributed.executor import DaskExecutor
from tasks.distributed.runners import DaskRunner
from tasks.execution.archive import Archive
from tasks.execution.board import Board
from tasks.execution.trainer import Work
from tasks.planning.cost_model import MAX_BYTES
from tasks.planning.jobs import Job
from tasks.planning.peak import PROCESS_BYTES
from tests.bench.distance import WORKERS, WORKLOADS, Costs, Workload, median_of
from tests.bench.same_run import differences
from tests.dask_processes import Processes, dask_processes
from tests.runs import Planned, planned

SPEC: dict[str, Any] = {
    "data": {"source": "wine"},
    "model": {"kind": "mlp", "hidden": [16]},
    "train": {"epochs": 300, "seeds": 4, "optimizer": "momentum"},
    "compare": {"batch_size": [8, 9, 10, 11, 12, 13]},
}
"""Gives six stacks, one for each batch size."""
REPEATS = 2
TRIPS = 100

RUNS = 25
"""Simulations of each number of workers."""


def processor_seconds(processes: Sequence[psutil.Process]) -> float:
    """Returns the processor seconds that the processes have used so far."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def say(line: str) -> None:
    print(line, flush=True)


@contextmanager
def workers_ready(folder: Path, count: int) -> Iterator[tuple[Processes, DaskExecutor, list[psutil.Process]]]:
    """Starts a scheduler and workers; yields them, an executor, and their processes, the scheduler's first."""
    with dask_processes(folder, count) as processes:
        executor = DaskExecutor(DaskRunner(processes.address), folder, folder, for_workers())
        with closing(executor):
            executor.machine()
            yield processes, executor, [psutil.Process(each.pid) for each in processes.started]


def trained(folder: Path, executor: DaskExecutor | None) -> tuple[Planned, float]:
    """Trains a run in a folder with a home of its own; returns the run and the seconds of its training."""
    run = planned(folder, SPEC, **({"executor": executor} if executor else {}))
    since = time.monotonic()
    run.train()
    return run, time.monotonic() - since


def measure_trips(folder: Path) -> None:
    """Prints the cost of a job whose stack is already trained: only the round trip."""
    with workers_ready(folder / "dask", 1) as (_, executor, processes):
        run, _ = trained(folder / "run", executor)
        prepared = run.prepared.by_fold
        work = Work(Job.of(run.plan), prepared, run.folder, run.folder, Archive.of(run.folder, prepared, run.folder))
        stacks, own = run.plan.stacks, psutil.Process(os.getpid())
        with executor.crew(work, stacks, Board(work.job, stacks)) as crew:
            crew([work.asked(stacks[0])])
            before = [processor_seconds([each]) for each in (own, *processes)]
            trips = []
            for _ in range(TRIPS):
                begun = time.monotonic()
                crew([work.asked(stacks[0])])
                trips.append(time.monotonic() - begun)
            spent = [processor_seconds([each]) - was for each, was in zip((own, *processes), before, strict=True)]
        size = sum(path.stat().st_size for folder in run.stacks() for path in folder.iterdir())
        order = len(json.dumps(executor._order(work, Path("job-0123456789abcdef.json"))))
        say(f"a job that has nothing to do: {1000 * median(trips):.0f} ms by the clock ({TRIPS} times)")
        for name, seconds in zip(("this process", "scheduler", "worker"), spent, strict=True):
            say(f"  processor time of {name}: {1000 * seconds / TRIPS:.1f} ms")
        held = size / len(stacks) / 1e3
        say(f"  order of {order} bytes; records of {held:.0f} kB a stack of {stacks[0].size} trials")


def measure_start(folder: Path) -> None:
    """Prints what a new worker spends before its first step."""
    with workers_ready(folder / "dask", 1) as (_, executor, processes):
        run = planned(folder / "run", {**SPEC, "train": {**SPEC["train"], "epochs": 1}}, executor=executor)
        before, since = processor_seconds(processes[1:]), time.monotonic()
        work = Work(Job.of(run.plan), run.prepared.by_fold, run.folder, run.folder, None)
        with executor.crew(work, run.plan.stacks, Board(work.job, run.plan.stacks)) as crew:
            introduced = time.monotonic() - since, processor_seconds(processes[1:]) - before
            crew([work.asked(run.plan.stacks[0])])
            first = time.monotonic() - since, processor_seconds(processes[1:]) - before
            crew([work.asked(run.plan.stacks[1])])
            second = time.monotonic() - since, processor_seconds(processes[1:]) - before
        for what, (clock, spent) in {
            "introduction": introduced,
            "first stack, one epoch": (first[0] - introduced[0], first[1] - introduced[1]),
            "second stack, one epoch": (second[0] - first[0], second[1] - first[1]),
        }.items():
            say(f"a new worker's {what}: {clock:.1f} s by the clock, {spent:.1f} s of processor time")


def measure_workers(folder: Path) -> None:
    """Trains the same six stacks in this process and on 1, 2 and 4 workers; prints times and whether the tables
    agree."""
    reference: Path | None = None
    own = psutil.Process(os.getpid())
    for count in (0, 1, 2, 4):
        clocks, spents = [], []
        with dask_of(folder / f"dask-{count}", count) as (executor, processes):
            trained(folder / f"warm-{count}", executor)
            for repeat in range(1 if count == 4 else REPEATS):
                before = processor_seconds([own, *processes])
                run, clock = trained(folder / f"run-{count}-{repeat}", executor)
                clocks.append(clock)
                spents.append(processor_seconds([own, *processes]) - before)
        run.tables()
        reference = reference or run.folder
        found = [] if run.folder == reference else differences(reference, run.folder)
        unlike = [each for each in found if not each.startswith("plan.cost.")]  # depends on the workers
        who = f"{count} workers" if count else "this process"
        say(
            f"{who}: {median(clocks):.1f} s by the clock ({min(clocks):.1f} to {max(clocks):.1f}), "
            f"{median(spents):.1f} s of processor time; load {os.getloadavg()[0]:.1f}; "
            f"{'same tables' if not unlike else f'{len(unlike)} differences, such as {unlike[0]}'}"
        )


@contextmanager
def dask_of(folder: Path, count: int) -> Iterator[tuple[DaskExecutor | None, list[psutil.Process]]]:
    """Starts `count` workers and yields their executor and processes; with 0 workers: None and no processes."""
    if not count:
        yield None, []
        return
    with workers_ready(folder, count) as (_, executor, processes):
        yield executor, processes


def measure() -> None:
    quieten()
    load_tensorflow()
    for part in (measure_start, measure_trips, measure_workers):
        with tempfile.TemporaryDirectory() as folder:
            part(Path(folder))


MEASURED = Costs(handing=0.01, start=8.0, reads=5e7, writes=1e6)
"""Costs that `measure` found, with a data set of 50 MB and records of 1 MB a stack."""


def simulate() -> None:
    for workload in WORKLOADS:
        say(f"\n{workload.title}\n{'workers':>8}{'stacks':>8}{'seconds':>10}{'speedup':>9}{'each':>7}  scheduler store")
        alone = median_of(workload.seconds(1), 1, MEASURED, RUNS).seconds
        for workers in WORKERS:
            found = median_of(workload.seconds(workers), workers, MEASURED, RUNS)
            speedup = alone / found.seconds
            say(
                f"{workers:8}{found.jobs:8}{found.seconds:10.1f}{speedup:9.1f}{speedup / workers:7.0%}"
                f"{found.handing:9.1%}{found.store:7.1%}"
            )
    what_would_change_it()


def what_would_change_it() -> None:
    """Prints the simulated seconds with one cost changed at a time."""
    base: Workload = WORKLOADS[3]
    changes = {
        "as measured": MEASURED,
        "scheduler ten times as slow": replace(MEASURED, handing=10 * MEASURED.handing),
        "workers that are ready": replace(MEASURED, start=0.0, reads=0.0),
        "a store of 2 GB/s": replace(MEASURED, store=2e9),
        "all of equal pace": replace(MEASURED, spread=0.0, slow=0.0),
        "half of the workers twice as slow": replace(MEASURED, slow=0.5),
    }
    say(f"\n{base.title}\n{'':36}{'64':>9}{'256':>9}{'1000':>9}  seconds")
    seconds = {workers: base.seconds(workers) for workers in (64, 256, 1000)}
    for title, costs in changes.items():
        found = [median_of(of_stacks, workers, costs, RUNS).seconds for workers, of_stacks in seconds.items()]
        say(f"{title:36}" + "".join(f"{each:9.1f}" for each in found))


def cores() -> None:
    """Prints how the plan divides trials for one machine, all of whose cores share its memory."""
    for workload in WORKLOADS[1], WORKLOADS[3], WORKLOADS[4]:
        heads = f"{'cores':>6}{'stacks':>8}{'largest':>9}{'at a time':>11}{'GB':>7}{'seconds':>10}{'speedup':>9}"
        say(f"\n{workload.title}\n{heads}")
        alone = workload.on_one_machine(1).seconds
        for count in (1, 2, 4, 16, 64):
            division = workload.on_one_machine(count)
            sizes = [len(stack) for stack in division.stacks]
            side = min(count, len(sizes))
            held = side * max(sizes) * workload.work.trial_bytes
            assert held <= MAX_BYTES, "more memory than stacks may take"
            say(
                f"{count:6}{len(sizes):8}{max(sizes):9}{side:11}{(held + PROCESS_BYTES) / 1e9:7.1f}"
                f"{division.seconds:10.1f}{alone / division.seconds:9.1f}"
            )


PARTS = {"measure": measure, "simulate": simulate, "cores": cores}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    asked = parser.parse_args().parts or [*PARTS]
    if unknown := sorted(set(asked) - PARTS.keys()):
        parser.error(f"there is no {', '.join(unknown)}: one of {', '.join(PARTS)}")
    for part in asked:
        PARTS[part]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
