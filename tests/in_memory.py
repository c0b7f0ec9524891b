"""Arrays in memory, whose rows a test or a peer of the bench can read directly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.training.feed import Resident
from tasks.training.trial import Arrays


@dataclass(frozen=True)
class InMemory(Arrays):
    """`Arrays` with all rows in memory; the trainers themselves require less."""

    train: Resident
    val_inputs: np.ndarray


def in_memory(arrays: Arrays) -> InMemory:
    """Returns the same arrays as `InMemory`; fails if they are not in memory."""
    assert isinstance(arrays.train, Resident) and isinstance(arrays.val_inputs, np.ndarray)
    return InMemory(**vars(arrays))
