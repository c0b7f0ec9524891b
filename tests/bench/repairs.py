"""Tests whether the ladder cures a validation loss that fluctuates under Adam: `python -m tests.bench.repairs`.

Trains small networks with Adam at 20 times its usual rate, on two bundled data sets and, with BAKEOFF_DATA, on titanic.
The ladder is that of the stage `stabilise`, tried on training and validation rows; a cure is confirmed on fresh seeds.
The control is the best of random settings that take the same number of training steps, on the same fresh seeds.
"""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path

from tasks.execution.stabilising import Workshop
from tasks.records.repairs import Repair, TriedRepair
from tests.runs import planned

KIND = "fluctuating_validation_loss"
SETS = ("digits", "diabetes")
PUBLIC = ("titanic",)
RATE = 0.02


def repaired(data: str, folder: Path) -> Repair:
    """Trains one recipe on a data set and repairs it."""
    spec = {
        "data": {"source": data},
        "model": {"mlp": {"hidden": [64, 64]}},
        "train": {"epochs": 30, "seeds": 3, "batch_size": 16, "optimizer": {"adam": {"learning_rate": RATE}}},
    }
    run = planned(folder, spec)
    run.train()
    shop = Workshop.of(run.run.spec, run.plan, run.prepared, run.folder, folder)
    return shop.walk(run.plan.recipes[0], KIND)


def row(data: str, repair: Repair) -> str:
    """Returns a row of the table."""
    walked = len(repair.rungs)
    proof, control = repair.proof, repair.control_proof or repair.control
    by = proof.words if repair.cured and proof else "not cured"
    cells = [
        data,
        _number(repair.restless),
        f"{by} (rung {walked})",
        _said(proof),
        _said(control) + (" (cured)" if control and control.cured else " (not cured)"),
        f"{repair.steps:,}",
    ]
    return f"| {' | '.join(cells)} |"


def _said(tried: TriedRepair | None) -> str:
    if tried is None:
        return "none"
    change = tried.loss_change
    if change.mean is None or change.low is None or change.high is None:
        return f"{_number(tried.restless)}; diverged"
    mean, low, high = (math.exp(each) for each in (change.mean, change.low, change.high))
    return f"{_number(tried.restless)}; {mean:.2f} ({low:.2f} to {high:.2f})"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.2g}"


def main() -> None:
    print(
        "| data | fluctuation before | cured by | on fresh seeds: fluctuation; ratio of the loss | control: the same | "
        "steps of each |\n|---|---|---|---|---|---|",
        flush=True,
    )
    for data in (*SETS, *(PUBLIC if os.environ.get("BAKEOFF_DATA") else ())):
        with tempfile.TemporaryDirectory() as folder:
            print(row(data, repaired(data, Path(folder))), flush=True)


if __name__ == "__main__":
    main()
