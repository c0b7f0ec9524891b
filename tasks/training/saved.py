"""A stack's state on disk: one `.npz` file of its arrays, in which one array holds all else as JSON. It is written at
the rungs of a search, and every minute while the stack trains."""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tasks.run_folder import replacing
from tasks.training.program import Slots
from tasks.training.stacked_layers import Tensor
from tasks.training.trial import Outcome

SECONDS = 60.0
"""Seconds of training from one checkpoint to the next. A killed run loses at most this much and one chunk of steps. It
is a constant, since nobody has a reason to lose more, and writing takes a small part of it."""


@dataclass
class Checkpoint:
    """Where a stack's state is kept until the stack is recorded.

    Args:
        path: The file, whether it is there or not.
        key: Stands for all that decides the stack's outcomes: a state with another key is not loaded.
    """

    path: Path
    key: str
    _last: float = field(default_factory=time.monotonic)

    @property
    def due(self) -> bool:
        """Whether the last checkpoint, or the beginning, is long enough ago."""
        return time.monotonic() - self._last >= SECONDS

    def write(self, save: Callable[[Path], None]) -> None:
        """Has the state written to the file. A full disk costs the checkpoint, not the run."""
        with suppress(OSError):
            save(self.path)
        self._last = time.monotonic()


def write_arrays(
    path: Path,
    state: Mapping[str, Any],
    weights: Sequence[Tensor],
    kept: Sequence[Tensor],
    slots: Slots,
    outcomes: Sequence[Outcome],
    ends: Sequence[Sequence[Tensor]],
    beside: Sequence[Tensor],
) -> None:
    """Writes the file in one step: it exists only once it is complete.

    Args:
        state: Plain values.
        ends: Weights at the ends of the latest epochs, as `EpochEnds` holds them.
        beside: Other tensors that steps change.
    """
    arrays: dict[str, np.ndarray] = {}
    for name, listed in (("weights", weights), ("kept", kept), ("beside", beside)):
        arrays |= {f"{name}/{index}": weight.numpy() for index, weight in enumerate(listed)}
    for number, end in enumerate(ends):
        arrays |= {f"ends/{number}/{index}": weight.numpy() for index, weight in enumerate(end)}
    for number, blocks in enumerate(slots):
        for place, block in enumerate(blocks):
            arrays |= {f"slots/{number}/{place}/{index}": slot.numpy() for index, slot in enumerate(block)}
    for number, outcome in enumerate(outcomes):
        arrays |= {f"outcomes/{number}/{index}": weight for index, weight in enumerate(outcome.weights or [])}
        arrays |= {f"outputs/{number}/{name}": values for name, values in outcome.outputs.items()}
    write_state(path, {**state, "slots": [[len(block) for block in blocks] for blocks in slots]}, arrays)


def write_state(path: Path, state: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Writes plain values and arrays, as `read_arrays` reads them; the file appears only when it is complete."""
    plain = np.frombuffer(json.dumps(state).encode(), np.uint8)
    with replacing(path) as file:
        np.savez(file, allow_pickle=False, state=plain, **arrays)


@dataclass(frozen=True)
class SavedArrays:
    """Arrays by name, as `write_arrays` named them."""

    by_name: Mapping[str, np.ndarray]

    def under(self, prefix: str) -> dict[str, np.ndarray]:
        return {name.removeprefix(prefix): array for name, array in self.by_name.items() if name.startswith(prefix)}

    def arrays(self, name: str) -> list[np.ndarray]:
        """`weights`, `kept`, `beside` or one of `ends`."""
        found = self.under(f"{name}/")
        return [found[str(index)] for index in range(len(found))]

    def ends(self) -> list[list[np.ndarray]]:
        numbers = {name.split("/")[0] for name in self.under("ends/")}
        return [self.arrays(f"ends/{number}") for number in range(len(numbers))]

    def listed(self, name: str) -> list[Tensor]:
        """`arrays` as tensors."""
        import tensorflow as tf

        return [tf.constant(array) for array in self.arrays(name)]

    def slots(self, counts: Sequence[Sequence[int]]) -> Slots:
        """Args:
        counts: For each rule and block, how many arrays its state has.
        """
        import tensorflow as tf

        return [
            [
                tuple(tf.constant(self.by_name[f"slots/{number}/{place}/{index}"]) for index in range(count))
                for place, count in enumerate(of_blocks)
            ]
            for number, of_blocks in enumerate(counts)
        ]

    def fill(self, outcomes: Sequence[Outcome]) -> None:
        """Puts weights and outputs into outcomes, in the order in which they were written."""
        for number, outcome in enumerate(outcomes):
            weights = self.under(f"outcomes/{number}/")
            outcome.weights = [weights[str(index)] for index in range(len(weights))] or None
            outcome.outputs = self.under(f"outputs/{number}/")


def read_arrays(path: Path) -> tuple[dict[str, Any], SavedArrays]:
    """Reads the plain values and the arrays. A stack's plain value `slots` says how many arrays each block's state has.

    Raises:
        ValueError: it is no such file, or not whole.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except (zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{path} is not whole: {error}") from error
    return json.loads(arrays["state"].tobytes()), SavedArrays(arrays)
