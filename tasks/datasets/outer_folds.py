"""Outer folds: held out in turn to evaluate a whole procedure, where rows are too few for a test part."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasks.dataset import TEST, TRAIN, VAL, Dataset
from tasks.datasets.splits import TooManyFolds, fold_numbers, groups_of_rows, validation_rows
from tasks.errors import BadInput
from tasks.records.tables import SPLITS
from tasks.spec.data import Split

_OUTER = 0x07E2
"""Part of the seed, so that these folds are drawn independently of a search's folds and of the parts."""

Rows = dict[str, np.ndarray]
"""Row positions of train, val and test, int64, ascending."""


def outer_folds(dataset: Dataset, split: Split, folds: int, repeats: int) -> list[Rows]:
    """The rows of every fold of every repeat, the first repeat's first. The fold's own rows are test rows. Of the rows
    that it may learn from, the validation share is val and the others are train.

    Folds are divided as `tasks.datasets.splits.fold_rows` says: stratified, by group, or forward in time, where a fold
    learns only from earlier rows. Each repeat divides anew. Rows that are left over so that folds are equally large are
    learned from in all folds of the repeat.

    Raises:
        BadInput: rows, groups, times or rows of a class are too few, the rows are streamed, or the source gives its own
            test part.
    """
    _refuse_unfit(dataset, split, folds)
    rows, groups = np.arange(dataset.rows), groups_of_rows(dataset, split)
    found = []
    for repeat in range(repeats):
        rng = np.random.default_rng([_OUTER, split.seed, repeat])
        try:
            numbers = fold_numbers(dataset, split, rows, groups, folds, rng)
        except TooManyFolds as error:
            raise error.refused("evaluate.folds", error.got) from None
        for fold in range(folds):
            learned = rows[numbers < fold if split.time is not None else numbers != fold]
            val = validation_rows(dataset, split, learned, groups, rng)
            found.append({TRAIN: learned[~val], VAL: learned[val], TEST: rows[numbers == fold]})
            _refuse_empty(found[-1], dataset, folds)
    return found


def undivided_rows(dataset: Dataset, split: Split, folds: int) -> pd.DataFrame:
    """All rows as train or val, in the columns of `records.SPLITS`: the shipped model is trained on them. `fold` is the
    fold that holds a row out in the first repeat of `outer_folds`; null: none does.

    Raises:
        BadInput: as in `outer_folds`.
    """
    first = outer_folds(dataset, split, folds, 1)
    rows, groups = np.arange(dataset.rows), groups_of_rows(dataset, split)
    val = validation_rows(dataset, split, rows, groups, np.random.default_rng(split.seed))
    fold = pd.array([None] * dataset.rows, "Int64")
    for number, of_fold in enumerate(first):
        fold[of_fold[TEST]] = number
    named = pd.Categorical(np.where(val, VAL, TRAIN), categories=[TRAIN, VAL, TEST])
    return SPLITS.frame(pd.DataFrame({"row": rows, "part": named, "fold": fold, "group": groups}))


def first_fold(splits: pd.DataFrame) -> pd.DataFrame:
    """The splits of `undivided_rows` with the first held-out fold as test rows. The checks of the data use them."""
    held_out = (splits["fold"] == 0).fillna(False).to_numpy(bool)
    parts = np.where(held_out, TEST, splits["part"].to_numpy(str))
    return splits.assign(part=pd.Categorical(parts, categories=[TRAIN, VAL, TEST]))


def _refuse_unfit(dataset: Dataset, split: Split, folds: int) -> None:
    if dataset.streamed is not None:
        raise BadInput(
            "streamed data are not judged out of fold",
            where="evaluate.folds",
            got=str(folds),
            remedy="take evaluate.folds out: so many rows leave enough for a test part; or hold the data in memory "
            "(data.memory, data.rows)",
        )
    if dataset.given_part is not None and split.group is None and split.time is None:
        raise BadInput(
            "the source gives its own test part",
            where="evaluate.folds",
            got=str(folds),
            remedy="take evaluate.folds out",
        )


def _refuse_empty(rows: Rows, dataset: Dataset, folds: int) -> None:
    for part, positions in rows.items():
        if not len(positions):
            raise BadInput(
                f"the {part} part of a fold would be empty",
                where="evaluate.folds",
                got=f"{folds} folds of {dataset.rows:,} rows",
                remedy="use fewer folds, or a larger data.split.validation",
            )
