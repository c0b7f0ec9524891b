"""The input of a diagnosis: the histories of a recipe's final trials, and what the plan says of the recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tasks.records.settings import RecipeSettings


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a recipe beside its curves.

    Args:
        settings: Its hyperparameters.
        task: `classification` or `regression`.
        scale: How numbers were scaled (`data.scale`); `none`: not at all.
        epochs: Epochs of the whole budget.
        constant_loss: Validation loss of the best answer without inputs; None: not known.
        simple_loss: Validation loss of the best simple model (the baselines); None: not known.
        sure_errors: Of the validation rows whose class the network is surest of, how many have another label; and how
            many of those surest rows there are. None: not known, or regression.
    """

    settings: RecipeSettings
    task: str
    scale: str = "standard"
    epochs: int
    constant_loss: float | None = None
    simple_loss: float | None = None
    sure_errors: tuple[int, int] | None = None

    @property
    def optimizer(self) -> str:
        return self.settings.optimizer.name

    @property
    def linear(self) -> bool:
        return self.settings.model.name == "linear"


@dataclass(frozen=True)
class History:
    """One trial's curves.

    Args:
        seed: Its seed.
        status: As in table `trials`.
        steps: The steps at which each curve was recorded, by `(name, layer)`; layer None: of the whole network.
        values: The values at these steps, float64.
        layers: Those that have signals, from the input to the output.
    """

    seed: int
    status: str
    steps: Mapping[tuple[str, str | None], np.ndarray]
    values: Mapping[tuple[str, str | None], np.ndarray]
    layers: Sequence[str] = ()

    def of(self, name: str, layer: str | None = None) -> np.ndarray:
        """Values by rising step; empty where there are none."""
        return self.values.get((name, layer), np.zeros(0))

    def ratio(self, name: str, over: str, layer: str | None = None) -> np.ndarray:
        """One curve over another, at the steps that have both: values that are not finite are not recorded."""
        none = np.zeros(0, np.int64)
        steps, others = (self.steps.get((each, layer), none) for each in (name, over))
        _, one, other = np.intersect1d(steps, others, return_indices=True)
        return self.of(name, layer)[one] / np.maximum(self.of(over, layer)[other], 1e-30)

    @classmethod
    def read(cls, curves: pd.DataFrame, seed: int, status: str) -> History:
        """From the rows of one trial."""
        steps: dict[tuple[str, str | None], np.ndarray] = {}
        values: dict[tuple[str, str | None], np.ndarray] = {}
        filled = curves.assign(layer=curves["layer"].astype(object).fillna("")).sort_values("step", kind="stable")
        for (name, place), rows in filled.groupby(["name", "layer"], sort=False):
            key = (str(name), str(place) or None)
            steps[key] = rows["step"].to_numpy(np.int64)
            values[key] = rows["value"].to_numpy(np.float64, na_value=np.nan)
        layers = dict.fromkeys(layer for _, layer in values if layer)
        return cls(seed, status, steps, values, list(layers))


@dataclass(frozen=True)
class Case:
    """A recipe under diagnosis."""

    facts: Facts
    histories: Sequence[History] = field(default_factory=list)

    @classmethod
    def of(cls, curves: pd.DataFrame, trials: pd.DataFrame, facts: Facts) -> Case:
        histories = [
            History.read(curves[curves["trial_id"] == trial], int(seed), str(status))
            for trial, seed, status in zip(trials["trial_id"], trials["seed"], trials["status"], strict=True)
        ]
        return cls(facts, histories)
