"""Measures the effect of calibration: `python -m tests.bench.calibration`.

First on generated probabilities whose logits are right or too large, fitted on few or many validation rows and judged
on 100,000 new ones: how much calibration gains, and how often it does harm. Then on real networks that trained for too
long (Adam, two hidden layers of 64, no early stopping; scikit-learn's digits, and with `BAKEOFF_DATA` titanic,
german-credit and adult): Brier score and expected calibration error of the shipped model on the test part, before and
after, as its verdict reports them.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
from scipy.special import softmax

from flows.environment import load_tensorflow, quieten
from tasks.evaluation.recalibration import CALIBRATIONS
from tasks.evaluation.rounding import interval, signed_interval
from tests.runs import planned

SETS: dict[str, dict[str, int]] = {"digits": {}, "titanic": {}, "german-credit": {}, "adult": {"rows": 12_000}}
TRIES, NEW = 50, 100_000


def real() -> None:
    print("| data | method | Brier before | after | calibration error before | after | gain in Brier score |")
    print("|---|---|---|---|---|---|---|")
    for name, more in SETS.items():
        if name != "digits" and not os.environ.get("BAKEOFF_DATA"):
            continue
        for method in CALIBRATIONS:
            spec = {
                "data": {"source": name, **more},
                "model": {"mlp": {"hidden": [64, 64]}},
                "train": {"epochs": 60, "seeds": 1, "learning_rate": 0.003, "optimizer": "adam"},
                "evaluate": {"calibrate": method},
            }
            with tempfile.TemporaryDirectory() as folder:
                one = planned(Path(folder), spec)
                effect = one.judge(one.tables()).recalibration
            if effect is None:
                print(f"| {name} | {method} | nothing was shipped | | | | |", flush=True)
                continue
            sides = (effect.before, effect.after)
            told = [interval(side[each]) for each in ("brier_score", "calibration_error") for side in sides]
            print(f"| {' | '.join([name, method, *told, signed_interval(effect.gain)])} |", flush=True)


def drawn(rng: np.random.Generator, rows: int, classes: int, times: float) -> tuple[np.ndarray, np.ndarray]:
    """Draws probabilities whose logits are `times` the right ones, `[rows, classes]`, and the actual classes
    `[rows]`."""
    logits = rng.normal(0, 1.5, (rows, classes))
    right = softmax(logits, axis=1)
    target = (rng.random((rows, 1)) > right.cumsum(axis=1)).sum(axis=1).clip(max=classes - 1)
    return softmax(times * logits, axis=1), target


def brier(probability: np.ndarray, target: np.ndarray) -> float:
    return float(np.mean(np.sum((probability - np.eye(probability.shape[1])[target]) ** 2, axis=1))) / 2


def made() -> None:
    print("| classes | logits too large by | validation rows | Brier before | temperature | harm | isotonic | harm |")
    print("|---|---|---|---|---|---|---|---|")
    for classes in (2, 10):
        for times in (1.0, 3.0):
            new, happened = drawn(np.random.default_rng(1), NEW, classes, times)
            before = brier(new, happened)
            for count in (30, 100, 300, 1000):
                cells = [str(classes), f"{times:g}", str(count), f"{before:.4f}"]
                for fit in CALIBRATIONS.values():
                    after = [
                        brier(fit(*drawn(np.random.default_rng([count, k]), count, classes, times))(new), happened)
                        for k in range(TRIES)
                    ]
                    harm = np.mean(np.array(after) > before)
                    cells += [f"{np.mean(after):.4f}", f"{harm:.0%}"]
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    quieten()
    load_tensorflow()
    made()
    print()
    real()
