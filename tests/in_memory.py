"""Arrays whose rows a test, or a peer of the bench, can look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.training.feed import Resident
from tasks.training.trial import Arrays


@dataclass(frozen=True)
class InMemory(Arrays):
    """`Arrays` that hold all their rows; the trainers themselves ask for less."""

    train: Resident
    val_inputs: np.ndarray


def in_memory(arrays: Arrays) -> InMemory:
    """The same arrays, where they are in memory."""
    assert isinstance(arrays.train, Resident) and isinstance(arrays.val_inputs, np.ndarray)
    return InMemory(**vars(arrays))
