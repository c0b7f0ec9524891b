"""What each replica of a stack learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.training.rectangle import Rectangle
from tasks.training.trial import Arrays, ArraysByFold, by_fold


@dataclass(frozen=True)
class Data:
    """What a stack learns from.

    Args:
        by_replica: In the order of the rectangle's replicas.
        views: The arrays whose rows are scored: only the first where all replicas see the same rows.
    """

    by_replica: list[Arrays]
    views: list[Arrays]

    @classmethod
    def of(cls, rectangle: Rectangle, arrays: Arrays | ArraysByFold) -> Data:
        """Raises:
        ValueError: folds differ in how many rows they train on or score, or in what a row is.
        """
        folds = by_fold(arrays, rectangle.columns[0])
        _check_alike(list(folds.values()))
        by_replica = [folds[fold] for fold in rectangle.folds]
        return cls(by_replica, by_replica if len(folds) > 1 else by_replica[:1])

    @property
    def any(self) -> Arrays:
        """One replica's arrays, for what all replicas have in common."""
        return self.by_replica[0]


def _check_alike(folds: Sequence[Arrays]) -> None:
    """Checks that folds can share a program.

    Raises:
        ValueError: they differ in how many rows they train on or score, or in what a row is.
    """

    def facts(one: Arrays) -> tuple:
        train = one.train
        scored = {name: len(rows) for name, rows in one.to_score.items()}
        return train.rows, train.shape, train.dtype, train.target_dtype, one.classes, len(one.val_targets), scored

    if any(facts(each) != facts(folds[0]) for each in folds[1:]):
        raise ValueError("the folds of a stack must have equally many rows in each part, of one shape")
