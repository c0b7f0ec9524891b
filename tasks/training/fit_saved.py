"""The state of a trial that `Model.fit` trains, on disk: what a killed run takes up between two evaluations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.run_folder import replacing
from tasks.training.fit_averages import FitAverages
from tasks.training.saved import Checkpoint, read_arrays
from tasks.training.watch import Watch

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class FitState:
    """What training changes.

    Args:
        model: Compiled; its variables include the states of random number generators.
        watch: With the outcome so far.
        averages: Of the weights.
        checkpoint: Where it is written.
    """

    model: keras.Model
    watch: Watch
    averages: FitAverages
    checkpoint: Checkpoint

    def save_if_due(self, step: int) -> None:
        """Writes the state after so many steps, if the last checkpoint is old enough. A full disk costs the checkpoint,
        not the run."""
        if not self.checkpoint.due:
            return
        with suppress(OSError):
            self._save(step)
        self.checkpoint.written()

    def _save(self, step: int) -> None:
        outcome = self.watch.outcome
        state = {
            "of": self._identity(),
            "step": step,
            "watch": self.watch.state(),
            "outcome": outcome.plain(),
            "slots": [],
        }
        listed: dict[str, Sequence[Any]] = {
            "variables": [each.numpy() for each in self.model.variables],
            "optimizer": [each.numpy() for each in self.model.optimizer.variables],
            "kept": outcome.weights or [],
            "mean": self.averages.mean,
        }
        listed |= {f"ends/{number}": end for number, end in enumerate(self.averages.ends)}
        arrays = {f"{name}/{index}": array for name, found in listed.items() for index, array in enumerate(found)}
        with replacing(self.checkpoint.path) as file:
            np.savez(file, allow_pickle=False, state=np.frombuffer(json.dumps(state).encode(), np.uint8), **arrays)

    def load(self) -> int:
        """Takes up what was saved of the same trial.

        Returns:
            The steps that it has taken; 0 where nothing whole lies there.
        """
        if not self.checkpoint.path.exists():
            return 0
        try:
            state, arrays = read_arrays(self.checkpoint.path)
        except ValueError:
            return 0
        if state["of"] != self._identity():
            return 0
        self.model.optimizer.build(self.model.trainable_variables)
        for name, variables in (("variables", self.model.variables), ("optimizer", self.model.optimizer.variables)):
            for variable, value in zip(variables, arrays.arrays(name), strict=True):
                variable.assign(value)
        self.watch.resume(state["watch"])
        self.watch.outcome.resume(state["outcome"])
        self.watch.outcome.weights = arrays.arrays("kept") or None
        self.averages.mean = arrays.arrays("mean")
        numbers = {name.split("/")[0] for name in arrays.under("ends/")}
        self.averages.ends = [arrays.arrays(f"ends/{number}") for number in range(len(numbers))]
        return int(state["step"])

    def _identity(self) -> list[str]:
        return [self.watch.outcome.trial.trial_id, self.checkpoint.key]
