"""Runs measurements of the project and its peers in turn, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.machine import sgemm_flops
from tests.bench.searches import SEARCHES
from tests.bench.workloads import WORKLOADS, Workload

BASE = "bakeoff"
PROBED = ("tuned_fit", "jax")
SMALL_RECIPES, SMALL_STEPS = 4, 200

GROWTH = (1, 8, 32, 128, 512)
GROWTH_STEPS = 500

_ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",
    "JAX_PLATFORMS": "cpu",
}

Say = Callable[[str], None]


class MeasurementFailed(Exception):
    """A measuring process failed; the message has the last lines of its error output."""


@dataclass(frozen=True)
class Size:
    """How much of a workload is run: all of it, or a small part to try the bench."""

    small: bool

    def job(self, workload: Workload) -> dict[str, Any]:
        if not self.small:
            return {"recipes": workload.recipes, "epochs": workload.epochs, "rows": None}
        rows = SMALL_STEPS * workload.batch_size
        return {"recipes": min(SMALL_RECIPES, workload.recipes), "epochs": 2, "rows": rows}


class Bench:
    """A folder with the workloads' arrays, and the processes that read them."""

    def __init__(self, folder: Path, size: Size, say: Say) -> None:
        self._folder, self._size, self._say = folder, size, say

    def compare(self, names: Sequence[str], peers: Sequence[str], rounds: int) -> list[dict[str, Any]]:
        """Measures every peer and the project on every workload, `rounds` times; the order rotates from round to
        round."""
        results: list[dict[str, Any]] = []
        everyone = [BASE, *peers]
        choices: dict[tuple[str, str], dict[str, Any]] = {}
        for turn in range(rounds):
            order = everyone[turn % len(everyone) :] + everyone[: turn % len(everyone)]
            for name in names:
                for peer in order:
                    key = (name, peer)
                    if peer in PROBED and key not in choices:
                        choices[key] = self._measured(name, peer, turn, "probe")
                    result = self._measured(name, peer, turn, "train", choice=choices.get(key, {}))
                    results.append({"workload": name, "peer": peer, "round": turn, **result})
                    self._say(_line(results[-1]))
            results.append({"round": turn, "sgemm_flops": sgemm_flops()})
        for (name, peer), choice in choices.items():
            results.append({"workload": name, "peer": peer, "choice": choice})
        return results

    def grow(self, name: str) -> list[dict[str, Any]]:
        """Measures the project alone, on growing numbers of recipes."""
        rows = GROWTH_STEPS * WORKLOADS[name].batch_size
        counts = GROWTH[:3] if self._size.small else GROWTH
        results = []
        for count in counts:
            result = self._measured(name, BASE, 0, "grow", recipes=count, epochs=2, rows=rows)
            results.append({"workload": name, "recipes": count, **result})
            self._say(f"{name}, {count} recipes: {result['seconds']:.1f} s")
        return results

    def search(self, names: Sequence[str], peers: Sequence[str], rounds: int) -> list[dict[str, Any]]:
        """Measures the project's search stage and the peers that search, in turn as in `compare`."""
        results: list[dict[str, Any]] = []
        everyone = [BASE, *peers]
        for turn in range(rounds):
            for name in names:
                for peer in everyone[turn % len(everyone) :] + everyone[: turn % len(everyone)]:
                    search = SEARCHES[name]
                    settings = search.settings if peer == BASE else search.sample
                    size = {"settings": settings, "epochs": search.epochs}
                    if self._size.small:
                        size = {"settings": SMALL_RECIPES, "epochs": 2}
                    result = self._child({"task": "search", "workload": name, "peer": peer, "turn": turn, **size})
                    results.append({"workload": name, "peer": peer, "round": turn, **result})
                    self._say(f"round {turn + 1}, {name}, {peer}: {result['rate']:.2f} trials/s")
        return results

    def profile(self, name: str) -> dict[str, Any]:
        """Measures where the project's time goes on a workload."""
        return self._measured(name, BASE, 0, "profile")

    def _measured(self, name: str, peer: str, turn: int, task: str, **changes: Any) -> dict[str, Any]:
        arrays = self._folder / f"{name}.npz"
        if not arrays.exists():
            self._child({"task": "prepare", "workload": name, "arrays": str(arrays)})
        job = {"task": task, "workload": name, "peer": peer, "turn": turn, "arrays": str(arrays)}
        return self._child({**job, **self._size.job(WORKLOADS[name]), **changes})

    def _child(self, job: dict[str, Any]) -> dict[str, Any]:
        job_path, result_path = self._folder / "job.json", self._folder / "result.json"
        job_path.write_text(json.dumps(job))
        result_path.unlink(missing_ok=True)
        command = [sys.executable, "-m", "tests.bench.measure", str(job_path), str(result_path)]
        ended = subprocess.run(command, env=os.environ | _ENVIRONMENT, capture_output=True, text=True, check=False)
        if ended.returncode:
            tail = "\n".join(ended.stderr.splitlines()[-8:])
            raise MeasurementFailed(f"{job['task']} of {job.get('peer')} on {job['workload']}:\n{tail}")
        return json.loads(result_path.read_text())


@contextmanager
def bench(small: bool, say: Say) -> Iterator[Bench]:
    """Yields a bench whose arrays are deleted afterwards."""
    with tempfile.TemporaryDirectory(prefix="bakeoff-bench-") as folder:
        yield Bench(Path(folder), Size(small), say)


def _line(result: dict[str, Any]) -> str:
    who = f"round {result['round'] + 1}, {result['workload']}, {result['peer']}"
    if "incompatibility" in result:
        return f"{who}: {result['incompatibility']}"
    return f"{who}: {result['seconds']:.1f} s ({result['measured_seconds']:.1f} s measured)"
