"""`python -m tests.bench.optimizers [W1 ...]`: what the optimizers of 2026 cost, beside AdamW and `Model.fit`.

The seven recipes of `tests.bench.ranks`, each with 16 learning rates on a workload's network and rows, stacked as they
are planned; each in a process of its own, in turn, for some rounds. `Model.fit` trains a sample of two of them, scaled
to all (`tests.bench.peers.fit`), where Keras has the optimizer. Compiling and validation after every epoch are in the
times. Prints a row for each recipe: the median and the range of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from tasks.training.averaging import AVERAGINGS
from tasks.training.optimizers import OPTIMIZERS
from tests.bench import data
from tests.bench.ranks import NAMES
from tests.bench.work import Work, check, scaled_seconds
from tests.bench.workloads import SAMPLE_EPOCHS, WORKLOADS, recipes, sample, trials

RECIPES = 16
COMPARED = {
    **{title: (optimizer, "none") for optimizer, title in NAMES.items()},
    **{f"{NAMES[optimizer]} + EMA": (optimizer, "ema") for optimizer in ("adamw", "muon")},
}
"""Optimizer and average by title; AdamW, which the others are held to, comes first."""


def measured(name: str, arrays_path: Path, title: str, turn: int) -> dict[str, float | None]:
    """Seconds of all recipes in this process: ours, and those of `Model.fit` where Keras can."""
    from tests.bench.peers import bakeoff, fit

    optimizer, averaging = COMPARED[title]
    workload = replace(WORKLOADS[name], optimizers=(optimizer,), recipes=RECIPES)
    arrays, _ = data.read(workload.data, arrays_path, None)
    chosen = recipes(workload, RECIPES)
    bakeoff.open_device()
    bound = [replace(trial, averaging=AVERAGINGS[averaging]()) for trial in trials(workload, chosen, workload.epochs)]
    started = time.perf_counter()
    bakeoff.train_all(bound, arrays)
    ours = time.perf_counter() - started
    if averaging != "none" or not OPTIMIZERS[optimizer]().keras_class:
        return {"ours": ours, "fit": None}
    work = Work(workload, arrays, [chosen[index] for index in sample(RECIPES, turn)], SAMPLE_EPOCHS)
    fit.open_device()
    started = time.perf_counter()
    found = fit.train(work)
    seconds = time.perf_counter() - started
    check(work, found)
    return {"ours": ours, "fit": scaled_seconds(seconds, found, SAMPLE_EPOCHS, RECIPES, workload.epochs)}


def rounds_of(name: str, count: int, arrays_path: Path) -> dict[str, list[dict[str, Any]]]:
    """What each recipe took in each round."""
    found: dict[str, list[dict[str, Any]]] = {title: [] for title in COMPARED}
    for turn in range(count):
        for title, measurements in found.items():
            words = [sys.executable, "-m", "tests.bench.optimizers", "--one"]
            words.append(json.dumps([name, str(arrays_path), title, turn]))
            done = subprocess.run(words, env=os.environ, capture_output=True, text=True, check=True)
            measurements.append(json.loads(done.stdout.splitlines()[-1]))
    return found


def show(name: str, found: dict[str, list[dict[str, Any]]]) -> None:
    """Prints a workload's rows."""
    first = [each["ours"] for each in found[NAMES["adamw"]]]
    for title, measurements in found.items():
        ours = [each["ours"] for each in measurements]
        ratios = sorted(one / other for one, other in zip(ours, first, strict=True))
        times = [each["fit"] / each["ours"] for each in measurements if each["fit"]]
        cells = [name, title, f"{median(ours):.1f} s", f"{median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})"]
        cells.append(f"{median(times):.0f}x ({min(times):.0f}-{max(times):.0f})" if times else "none in Keras")
        print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("workloads", nargs="*", default=["W2"], help="; ".join(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        name, arrays_path, title, turn = json.loads(asked.one)
        print(json.dumps(measured(name, Path(arrays_path), title, turn)))
        return
    print("| workload | recipe | 16 learning rates | of AdamW's | `Model.fit` takes |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="bakeoff-bench-") as folder:
        for name in asked.workloads:
            arrays_path = Path(folder) / f"{name}.npz"
            data.write(WORKLOADS[name].data, arrays_path)
            show(name, rounds_of(name, asked.rounds, arrays_path))


if __name__ == "__main__":
    main()
