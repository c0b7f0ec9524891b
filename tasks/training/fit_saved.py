"""The state of a trial that `Model.fit` trains, on disk: what a killed run takes up between two evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.training.fit_averages import FitAverages
from tasks.training.saved import Checkpoint, read_arrays, write_state
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
        """Writes the state after so many steps, if the last checkpoint is old enough."""
        if self.checkpoint.due:
            self.checkpoint.write(lambda path: self._save(path, step))

    def _save(self, path: Path, step: int) -> None:
        outcome = self.watch.outcome
        state = {"of": self._identity(), "step": step, "watch": self.watch.state(), "outcome": outcome.plain()}
        listed: dict[str, Sequence[Any]] = {
            "variables": [each.numpy() for each in self.model.variables],
            "optimizer": [each.numpy() for each in self.model.optimizer.variables],
            "kept": outcome.weights or [],
            "mean": self.averages.mean,
        }
        listed |= {f"ends/{number}": end for number, end in enumerate(self.averages.ends)}
        arrays = {f"{name}/{index}": array for name, found in listed.items() for index, array in enumerate(found)}
        write_state(path, state, arrays)

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
        self.averages.ends = arrays.ends()
        return int(state["step"])

    def _identity(self) -> list[str]:
        return [self.watch.outcome.trial.trial_id, self.checkpoint.key]
