"""`Model.fit` tuned as far as Keras goes: XLA or not, many steps in one call, large validation batches.

`probe` tries the combinations once for each workload, and the bench prints the fastest.
"""

from __future__ import annotations

import itertools
import time
from typing import Any

from tests.bench.peers.fit import fit, open_device
from tests.bench.work import Trained, Work, scaled_seconds

__all__ = ["SAMPLED", "open_device", "probe", "train"]

SAMPLED = True
VALIDATION_ROWS = 2048


def probe(work: Work) -> dict[str, Any]:
    """Returns the fastest setting for this workload, measured on one recipe of the sample."""
    choices = [
        {"jit_compile": xla, "steps_per_execution": steps}
        for xla, steps in itertools.product((True, False), (work.steps_per_epoch, 50))
    ]
    return min(choices, key=lambda choice: _seconds(work, choice))


def train(work: Work) -> list[Trained]:
    return [fit(work, recipe, VALIDATION_ROWS, **work.choice) for recipe in work.recipes]


def _seconds(work: Work, choice: dict[str, Any]) -> float:
    started = time.perf_counter()
    one = fit(work, work.recipes[-1], VALIDATION_ROWS, **choice)
    return scaled_seconds(time.perf_counter() - started, [one], work.epochs, 1, work.workload.epochs)
