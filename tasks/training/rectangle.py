"""The trials of a stack form a rectangle: every recipe in every replica."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from tasks.training.trial import Trial

T = TypeVar("T")

Replica = tuple[int, int | None]
"""A seed, and the fold that it trains in (None without cross-validation)."""


@dataclass(frozen=True)
class Rectangle:
    """Trials by recipe and replica. In the arrays of a stack `S` counts replicas and `R` counts recipes.

    Args:
        replicas: Sorted by seed, then by fold.
        columns: For each recipe, its trials in the order of `replicas`. Recipes of one update rule are neighbours.
    """

    replicas: tuple[Replica, ...]
    columns: tuple[tuple[Trial, ...], ...]

    @classmethod
    def of(cls, trials: Sequence[Trial]) -> Rectangle:
        """Sorts trials into a rectangle.

        Raises:
            ValueError: some recipe lacks some replica, or batch sizes, budgets or the steps of evaluations differ.
        """
        if len({(trial.batch_size, trial.epochs, trial.evaluate_every) for trial in trials}) != 1:
            raise ValueError("the trials of a stack must have one batch size, one epoch budget and one evaluate_every")
        by_variant: dict[str, dict[Replica, Trial]] = {}
        for trial in trials:
            by_variant.setdefault(trial.variant_id, {})[trial.seed, trial.fold] = trial
        replicas = sorted({(trial.seed, trial.fold) for trial in trials}, key=_place)
        complete = all(found.keys() == set(replicas) for found in by_variant.values())
        if not complete or len(by_variant) * len(replicas) != len(trials):
            raise ValueError("the trials of a stack must be every variant under every seed and fold, once")
        columns = [tuple(found[replica] for replica in replicas) for found in by_variant.values()]
        return cls(tuple(replicas), tuple(sorted(columns, key=lambda column: column[0].optimizer.update.__name__)))

    @property
    def seeds(self) -> list[int]:
        """Of each replica."""
        return [seed for seed, _ in self.replicas]

    @property
    def folds(self) -> list[int | None]:
        """Of each replica."""
        return [fold for _, fold in self.replicas]

    @property
    def shape(self) -> tuple[int, int]:
        """`(S, R)`."""
        return len(self.replicas), len(self.columns)

    @property
    def size(self) -> int:
        """Number of trials."""
        return len(self.replicas) * len(self.columns)

    @property
    def recipes(self) -> list[Trial]:
        """One trial of each recipe."""
        return [column[0] for column in self.columns]

    def cells(self) -> Iterator[tuple[int, int, Trial]]:
        """Each trial with its place `(s, r)`."""
        for r, column in enumerate(self.columns):
            for s, trial in enumerate(column):
                yield s, r, trial

    def of_recipes(self, places: Sequence[int]) -> Rectangle:
        """The rectangle of these recipes alone."""
        return replace(self, columns=tuple(self.columns[r] for r in places))


def _place(replica: Replica) -> tuple[int, int]:
    seed, fold = replica
    return seed, -1 if fold is None else fold


def per_trial(columns: Sequence[Sequence[T]], value: Callable[[T], Any]) -> np.ndarray:
    """`value(trial)` of each trial, as an array `[S, R, ...]`."""
    return np.array([[value(column[s]) for column in columns] for s in range(len(columns[0]))])
