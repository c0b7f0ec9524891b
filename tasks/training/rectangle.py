"""The trials of a stack form a rectangle: every recipe in every replica. Where folds have settings of their own, every
replica has equally many recipes of each kind instead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

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
        columns: For each recipe, its trials in the order of `replicas`. Recipes of one kind may share a column, each
            in some of the replicas. Recipes of one update rule are neighbours.
    """

    replicas: tuple[Replica, ...]
    columns: tuple[tuple[Trial, ...], ...]

    @classmethod
    def of(cls, trials: Sequence[Trial]) -> Rectangle:
        """Sorts trials into a rectangle.

        Raises:
            ValueError: a recipe lacks a replica and no other recipe of its kind fills the place, or batch sizes,
                budgets or the steps of evaluations differ.
        """
        if len({(trial.batch_size, trial.epochs, trial.evaluate_every) for trial in trials}) != 1:
            raise ValueError("the trials of a stack must have one batch size, one epoch budget and one evaluate_every")
        found = in_columns(trials, lambda trial: trial.variant_id, kind_of)
        replicas = sorted({(trial.seed, trial.fold) for trial in trials}, key=_place)
        if any(column.keys() != set(replicas) for column in found):
            raise ValueError("the trials of a stack must be every variant under every seed and fold, once")
        columns = [tuple(column[replica] for replica in replicas) for column in found]
        return cls(tuple(replicas), tuple(sorted(columns, key=lambda column: column[0].optimizer.update.__name__)))

    @property
    def seeds(self) -> list[int]:
        """The seed of each replica."""
        return [seed for seed, _ in self.replicas]

    @property
    def folds(self) -> list[int | None]:
        """The fold of each replica."""
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


def kind_of(trial: Trial) -> Hashable:
    """What recipes must have in common to share a column. Everything else is a number of each trial
    (`hyperparameters`)."""
    averaging = trial.averaging
    return trial.optimizer.update.__name__, trial.architecture.hidden, averaging.averages, averaging.last


class _Placed(Protocol):
    @property
    def seed(self) -> int: ...

    @property
    def fold(self) -> int | None: ...


P = TypeVar("P", bound=_Placed)


def in_columns(
    trials: Sequence[P], variant: Callable[[P], Hashable], kind: Callable[[P], Hashable]
) -> list[dict[Replica, P]]:
    """Sorts trials by column and replica. Where all variants are in the same replicas, each variant is a column. Else
    the first trial of a kind in each replica is in one column, the second in another, and so on; such a column may lack
    some replicas.

    Raises:
        ValueError: a variant is twice in a replica.
    """
    by_variant: dict[Hashable, dict[Replica, P]] = {}
    by_kind: dict[Hashable, dict[Replica, P]] = {}
    there: Counter[Hashable] = Counter()
    for trial in trials:
        replica, own = (trial.seed, trial.fold), kind(trial)
        by_variant.setdefault(variant(trial), {})[replica] = trial
        by_kind.setdefault((own, there[own, replica]), {})[replica] = trial
        there[own, replica] += 1
    if sum(map(len, by_variant.values())) != len(trials):
        raise ValueError("a variant is twice under one seed and fold")
    first, *others = by_variant.values()
    whole = all(column.keys() == first.keys() for column in others)
    return list((by_variant if whole else by_kind).values())


def _place(replica: Replica) -> tuple[int, int]:
    seed, fold = replica
    return seed, -1 if fold is None else fold


def per_trial(columns: Sequence[Sequence[T]], value: Callable[[T], Any]) -> np.ndarray:
    """`value(trial)` of each trial, as an array `[S, R, ...]`."""
    return np.array([[value(column[s]) for column in columns] for s in range(len(columns[0]))])
