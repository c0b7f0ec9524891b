"""Measures the cost of recording training signals: `python -m tests.bench.signals [--workload W1,W2,W4] [--rounds 5]`.

Trains a workload with and without signals, in turn, in one process. Programs are compiled before the first round, so
neither time includes compiling, which signals do not change. Prints for each workload the core seconds without signals,
and the ratio of those with signals to those without: the median over rounds, and the smallest and largest. Reads
`BAKEOFF_DATA`, as `make bench` does.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.bench import data
from tests.bench.peers import bakeoff
from tests.bench.workloads import WORKLOADS, recipes, trials


def ratios(name: str, rounds: int, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Returns, by round, the core seconds without signals, and the ratio of those with signals to those without."""
    workload = WORKLOADS[name]
    data.write(workload.data, folder / name)
    arrays, _ = data.read(workload.data, (folder / name).with_suffix(".npz"))
    chosen = trials(workload, recipes(workload, workload.recipes), workload.epochs)

    def seconds(signals: bool) -> float:
        started = time.process_time()
        bakeoff.train_all(chosen, arrays, signals=signals)
        return time.process_time() - started

    bakeoff.train_all(trials(workload, recipes(workload, workload.recipes), 1), arrays)
    without, over = [], []
    for turn in range(rounds):
        first = bool(turn % 2)
        took = {signals: seconds(signals) for signals in (first, not first)}
        without.append(took[False])
        over.append(took[True] / took[False])
    return np.array(without), np.array(over)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", default="W1,W2,W4")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    bakeoff.open_device()
    with tempfile.TemporaryDirectory() as folder:
        for name in given.workload.split(","):
            without, over = ratios(name, given.rounds, Path(folder))
            print(
                f"{name}: {np.median(without):.1f} core seconds without signals, with them {np.median(over):.3f}x "
                f"({over.min():.3f}-{over.max():.3f}, {given.rounds} rounds)",
                flush=True,
            )


if __name__ == "__main__":
    main()
