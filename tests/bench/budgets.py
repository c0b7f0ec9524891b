"""`python -m tests.bench.budgets [--epochs 5 10 20]`: what several budgets cost in one run.

Beside it stand the longest budget alone and a run for each. One hidden layer on scikit-learn's digits, 16 learning
rates under `wsd`, 2 seeds. Each round trains them in turn, each in a process of its own. Prints seconds and processor
seconds of training, the median of the rounds, and how many figures on the test part differ between the two ways.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

RATES = [float(rate) for rate in np.geomspace(1e-4, 1e-1, 16).round(6)]


def spec(epochs: Sequence[int]) -> dict[str, Any]:
    """A run that compares these budgets."""
    return {
        "data": {"source": "digits"},
        "model": {"kind": "mlp", "hidden": [128]},
        "train": {"seeds": 2, "batch_size": 32, "schedule": "wsd"},
        "compare": {"epochs": list(epochs), "optimizer": [{"adamw": {"learning_rate": rate}} for rate in RATES]},
    }


def trained(epochs: Sequence[int]) -> dict[str, Any]:
    """Seconds of a run's training in this process, and what it scored: by variant and seed, on the test part."""
    from tests.runs import planned

    with tempfile.TemporaryDirectory() as home:
        run = planned(Path(home), spec(epochs))
        started, busy = time.monotonic(), time.process_time()
        run.train()
        seconds = {"seconds": time.monotonic() - started, "processor": time.process_time() - busy}
        metrics = run.tables()["metrics"].query("part == 'test' and metric == 'log_loss'")
        values = metrics[metrics["slice"].isna()].set_index("trial_id")["value"]
        named = {trial.trial_id: f"{trial.variant_id}-{trial.seed}" for trial in run.plan.trials}
    return {**seconds, "scores": {named[trial]: float(value) for trial, value in values.items() if trial in named}}


def apart(epochs: Sequence[int]) -> dict[str, Any]:
    """As `trained`, in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.budgets", "--once", "--epochs", *map(str, epochs)]
    said = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(said.stdout.splitlines()[-1])
    return found


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--epochs", nargs="+", type=int, default=[5, 10, 20])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.once:
        print(json.dumps(trained(asked.epochs)))
        return
    rounds = []
    for _ in range(asked.rounds):
        together, longest = apart(asked.epochs), apart([max(asked.epochs)])
        single = [longest if each == max(asked.epochs) else apart([each]) for each in asked.epochs]
        rounds.append((together, longest, single))
    print("| way | seconds | processor seconds |\n|---|---|---|")
    budgets = ", ".join(map(str, asked.epochs))
    for name, figures in (
        (f"{budgets} epochs in one run", [[together] for together, _, _ in rounds]),
        (f"{max(asked.epochs)} epochs alone", [[longest] for _, longest, _ in rounds]),
        (f"{budgets} epochs, a run each", [single for *_, single in rounds]),
    ):
        both = [median(sum(each[key] for each in run) for run in figures) for key in ("seconds", "processor")]
        print(f"| {name} | {both[0]:.1f} | {both[1]:.1f} |")
    together, _, single = rounds[0]
    scores = {name: value for each in single for name, value in each["scores"].items()}
    differ = sum(not np.isclose(value, together["scores"][name], rtol=1e-6) for name, value in scores.items())
    print(f"\n{differ} of {len(scores)} figures on the test part differ by more than 1e-6.")


if __name__ == "__main__":
    main()
