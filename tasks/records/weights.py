"""The weights that a stack's trials kept, as stored under a run's `checkpoints/`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

WEIGHTS = "weights.npz"


def folder_of(run: Path, name: str) -> Path:
    """The folder of records called `name`."""
    return run / "checkpoints" / name


def kept_weights(run: Path, stack_id: str) -> dict[str, list[np.ndarray]]:
    """By trial of a finished stack, the weights that it kept, in the order of its Keras model's `weights`. Trials that
    diverged kept none."""
    with np.load(folder_of(run, stack_id) / WEIGHTS, allow_pickle=False) as arrays:
        found: dict[str, list[np.ndarray]] = {}
        for name in sorted(arrays.files, key=_number):
            trial_id, _, _ = name.partition("/")
            found.setdefault(trial_id, []).append(arrays[name])
        return found


def _number(name: str) -> int:
    return int(name.rpartition("/")[2])
