"""`python -m tests.bench.at_once [EXPERIMENT ...] --same EXPERIMENT`: starts runs together, three of one experiment.

All begin at the same moment in one home folder. Then each experiment runs alone, in a home folder of its own, and its
tables, plan and verdict are compared with those of the run among the others, by the rules of `tests.bench.same_run`.
Prints a Markdown table as results come, wall time together and one after another, the peak memory (each process's share
of shared pages, so that nothing counts twice), and damaged files under `cache/`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tasks.run_folder import is_half_written, read_json
from tasks.sealed import read_sealed
from tests.bench.same_run import differences
from tests.flows.command import start

EXPERIMENTS = ("parking", "german-credit", "births", "mammography", "titanic", "adult", "sms-spam")
SAME, COPIES = "digits", 3
WAIT = 3600.0
"""Timeout of a run in seconds."""
COMPLETE = ("plan.json", "verdict.json", "report.html", "trials.parquet", "metrics.parquet", "model/signature.json")


@dataclass
class Together:
    """Results of runs that were started together.

    Args:
        folders: Run folder by the run's name.
        seconds: Seconds from the common start to the end of each run, by its name.
        waited: How many runs reported that they waited.
        faults: A sentence for each fault: bad exit codes, and missing, damaged or half-written files.
        memory: Peak memory of all processes together, in bytes.
    """

    folders: dict[str, Path] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    waited: int = 0
    faults: list[str] = field(default_factory=list)
    memory: int = 0


def together(experiments: dict[str, object], home: Path) -> Together:
    """Starts the runs at the same moment and waits until all have ended.

    Args:
        experiments: A shipped experiment's name or a spec file, by the run's name.
    """
    found, lock = Together(), threading.Lock()

    def ended(name: str, process: subprocess.Popen[str], started: float) -> None:
        _, errors = process.communicate(timeout=WAIT)
        with lock:
            found.seconds[name] = time.monotonic() - started
            found.waited += "waits for" in errors
            if process.returncode:
                found.faults.append(f"{name} ended with {process.returncode}: {errors[-500:]}")

    started = time.monotonic()
    with _memory(found):
        processes = {}
        for name, experiment in experiments.items():
            found.folders[name] = home / "runs" / name
            processes[name] = start("run", experiment, "--run-dir", found.folders[name], home=home)
        threads = [threading.Thread(target=ended, args=(*each, started)) for each in processes.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found.faults += [f"{name}: no {each}" for name, folder in found.folders.items() for each in _missing(folder)]
    found.faults += _damaged(home)
    return found


def _missing(folder: Path) -> list[str]:
    missing = [name for name in COMPLETE if not (folder / name).is_file()]
    stages = read_json(folder / "stages.json")["stages"] if (folder / "stages.json").exists() else {}
    return missing + [f"end of stage {name}" for name, record in stages.items() if record["status"] != "done"]


def _damaged(home: Path) -> Iterator[str]:
    """Yields a sentence for each damaged cache file and each half-written file."""
    for kind in ("trials/*", "xla/*/*"):
        for path in (home / "cache").glob(kind):
            if path.is_file() and not path.name.startswith(".") and read_sealed(path) is None:
                yield f"damaged: {path}"
    yield from (f"left: {path}" for path in home.rglob(".*") if is_half_written(path))


@contextmanager
def _memory(found: Together) -> Iterator[None]:
    """Records in `found` the peak memory of this process's children while the block runs."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(2.0):
            total = 0
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):
                    total += process.memory_full_info().pss
            found.memory = max(found.memory, total)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def compared(experiment: object, names: Sequence[str], beside: Together, home: Path) -> tuple[float, list[str]]:
    """Runs an experiment alone; returns its seconds, and how the runs made among others differ from it."""
    alone = together({"alone": experiment}, home)
    unlike = [f"{name}: {each}" for name in names for each in differences(alone.folders["alone"], beside.folders[name])]
    return alone.seconds["alone"], [*alone.faults, *unlike]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.at_once", description=__doc__)
    parser.add_argument("experiments", nargs="*", help="names of shipped experiments")
    parser.add_argument("--same", default=SAME, help="the experiment that is started three times")
    chosen = parser.parse_args(arguments)
    copies = [f"{chosen.same}-{number}" for number in range(1, COPIES + 1)]
    runs = {name: name for name in chosen.experiments or EXPERIMENTS} | dict.fromkeys(copies, chosen.same)
    with tempfile.TemporaryDirectory(prefix="bakeoff-at-once-") as temporary:
        beside = together(dict(runs), Path(temporary) / "together")
        wall = max(beside.seconds.values())
        print(f"{len(runs)} runs in {wall:.0f} s, at most {beside.memory / 1e9:.1f} GB, {beside.waited} waited")
        print("\n".join(beside.faults) or "no fault", flush=True)
        print(
            "| experiment | runs | ended after, together | alone | tables, plan, verdict |\n|---|---|---|---|---|",
            flush=True,
        )
        unlike, alone = list(beside.faults), 0.0
        for experiment in dict.fromkeys(runs.values()):
            names = [name for name, of in runs.items() if of == experiment]
            seconds, found = compared(experiment, names, beside, Path(temporary) / f"alone-{experiment}")
            alone, unlike = alone + seconds * len(names), unlike + found
            ends = ", ".join(f"{beside.seconds[name]:.0f} s" for name in names)
            same = "the same" if not found else f"{len(found)} differences"
            print(f"| {experiment} | {len(names)} | {ends} | {seconds:.0f} s | {same} |", flush=True)
        print(f"together {wall:.0f} s, one after another {alone:.0f} s")
        print("\n".join(unlike))
    return 1 if unlike else 0


if __name__ == "__main__":
    sys.exit(main())
