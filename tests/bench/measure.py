"""Makes one measurement in a process of its own: `python -m tests.bench.measure JOB RESULT`, both JSON files."""

from __future__ import annotations

import importlib
import json
import resource
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.bench import data, searches
from tests.bench.work import Work, check, scaled_seconds
from tests.bench.workloads import SAMPLE_EPOCHS, WORKLOADS, recipes, sample, trials


def main(job_path: Path, result_path: Path) -> None:
    job = json.loads(job_path.read_text())
    result_path.write_text(json.dumps(_TASKS[job["task"]](job)))


def prepare(job: dict[str, Any]) -> dict[str, Any]:
    """Writes a workload's arrays."""
    data.write(WORKLOADS[job["workload"]].data, Path(job["arrays"]))
    return {}


def probe(job: dict[str, Any]) -> dict[str, Any]:
    """Finds a peer's own settings for a workload."""
    peer, work = _opened(job)
    return peer.probe(work)


def train(job: dict[str, Any]) -> dict[str, Any]:
    """Trains a workload; returns the seconds, scaled to the whole comparison where the peer trained a sample, and the
    results."""
    peer, work = _opened(job)
    incompatibility = peer.incompatibility(work) if hasattr(peer, "incompatibility") else None
    if incompatibility:
        return {"incompatibility": incompatibility}
    before = _peak_memory()
    started = time.perf_counter()
    trained = peer.train(work)
    seconds = time.perf_counter() - started
    check(work, trained)
    return {
        "seconds": scaled_seconds(seconds, trained, work.epochs, job["recipes"], job["epochs"]),
        "measured_seconds": seconds,
        "recipes": len(work.recipes),
        "epochs": work.epochs,
        "steps_per_epoch": work.steps_per_epoch,
        "validation_rows": len(work.arrays.val_targets),
        "metric": work.metric,
        "trained": [asdict(one) for one in trained],
        "peak_bytes": _peak_memory(),
        "peak_bytes_before": before,
        "shape": work.arrays.train.shape,
        "outputs": work.arrays.outputs,
        "data": job["origin"],
    }


def grow(job: dict[str, Any]) -> dict[str, Any]:
    """Trains a workload; returns the seconds in all, and the core seconds of the stacks' last epochs, which compile
    nothing."""
    peer, work = _opened(job)
    marks: defaultdict[int, list[float]] = defaultdict(list)

    def note(stack: int, done: int, total: int) -> None:
        if done * work.epochs >= total * (work.epochs - 1):
            marks[stack].append(time.perf_counter())

    started = time.perf_counter()
    peer.train_all(trials(work.workload, work.recipes, work.epochs), work.arrays, note)
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "stacks": len(marks),
        "last_epoch_core_seconds": sum(own[-1] - own[0] for own in marks.values()),
        "steps_per_epoch": work.steps_per_epoch,
        "peak_bytes": _peak_memory(),
    }


def search(job: dict[str, Any]) -> dict[str, Any]:
    """Runs a search; returns its seconds and results."""
    peer = importlib.import_module(f"tests.bench.peers.{job['peer']}")
    peer.open_device()
    with tempfile.TemporaryDirectory() as folder:
        work = searches.opened(
            searches.SEARCHES[job["workload"]], job["settings"], job["epochs"], job["turn"], Path(folder)
        )
        started, busy = time.perf_counter(), time.process_time()
        searched = peer.search(work)
        seconds, busy = time.perf_counter() - started, time.process_time() - busy
    searches.check(work, searched)
    return {
        "settings": work.settings,
        "epochs": work.epochs,
        "seconds": seconds,
        "core_seconds": busy,
        "rate": work.settings / seconds,
        "metric": work.plan.metric,
        "scores": [one.score for one in searched],
        "peak_bytes": _peak_memory(),
    }


def profile(job: dict[str, Any]) -> dict[str, Any]:
    """Measures where the project's time goes."""
    from tests.bench.profiling import profile

    _, work = _opened(job)
    return profile(work)


def _opened(job: dict[str, Any]) -> tuple[Any, Work]:
    """Returns the peer, ready to be timed, and its work."""
    peer = importlib.import_module(f"tests.bench.peers.{job['peer']}")
    workload = WORKLOADS[job["workload"]]
    arrays, job["origin"] = data.read(workload.data, Path(job["arrays"]), job["rows"])
    chosen, epochs = recipes(workload, job["recipes"]), job["epochs"]
    if peer.SAMPLED:
        chosen, epochs = [chosen[index] for index in sample(len(chosen), job["turn"])], min(epochs, SAMPLE_EPOCHS)
    work = Work(workload, arrays, chosen, epochs, job.get("choice", {}))
    peer.open_device(work)
    return peer, work


def _peak_memory() -> int:
    """Returns the peak resident memory of this process so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


_TASKS = {"prepare": prepare, "probe": probe, "train": train, "grow": grow, "search": search, "profile": profile}

if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
