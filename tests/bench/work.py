"""The work that a peer is given, the results that it returns, and the scaling of its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bench.workloads import Recipe, Workload
from tests.in_memory import InMemory


@dataclass(frozen=True)
class Work:
    """One comparison, or the sample of it that a slow peer trains.

    Args:
        recipes: Recipes to train.
        epochs: Epochs of each recipe.
        choice: A peer's own settings, found by its `probe`.
    """

    workload: Workload
    arrays: InMemory
    recipes: Sequence[Recipe]
    epochs: int
    choice: dict[str, Any] = field(default_factory=dict)

    @property
    def steps_per_epoch(self) -> int:
        return self.arrays.steps_per_epoch(self.workload.batch_size)

    @property
    def metric(self) -> str:
        return "val_rmse" if self.arrays.classes is None else "val_accuracy"


@dataclass(frozen=True)
class Trained:
    """The result of one recipe.

    Args:
        steps: Training steps as the peer itself counted them.
        metrics: Validation accuracy, or RMSE in the target's unit, after each epoch.
        last_epoch_seconds: Wall seconds of its last epoch with validation, where the peer trains recipe by recipe.
    """

    recipe: int
    steps: int
    metrics: list[float]
    last_epoch_seconds: float = 0.0


def check(work: Work, trained: Sequence[Trained]) -> None:
    """Checks that every recipe, every step and every validation was done.

    Raises:
        ValueError: work is missing, so the times may not be compared.
    """
    if sorted(one.recipe for one in trained) != sorted(recipe.index for recipe in work.recipes):
        raise ValueError(f"trained recipes {[one.recipe for one in trained]}, must be {work.recipes}")
    for one in trained:
        if one.steps != work.epochs * work.steps_per_epoch:
            raise ValueError(f"recipe {one.recipe}: {one.steps} steps, must be {work.epochs * work.steps_per_epoch}")
        if len(one.metrics) != work.epochs:
            raise ValueError(f"recipe {one.recipe}: validated {len(one.metrics)} times, must be {work.epochs}")


def scaled_seconds(seconds: float, trained: Sequence[Trained], epochs: int, recipes: int, all_epochs: float) -> float:
    """Returns the seconds that `recipes` recipes of `all_epochs` epochs take, scaled up from a sample of `epochs`
    epochs."""
    missing = sum((all_epochs - epochs) * one.last_epoch_seconds for one in trained)
    return (seconds + missing) * recipes / len(trained)
