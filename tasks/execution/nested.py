"""What a search learns from and where it is done: once, on all rows that don't judge; and where folds judge, in each of
them anew, on the rows that are left to it. Else the search would have seen the rows that judge it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from tasks.dataset import TEST, TRAIN, VAL
from tasks.datasets.splits import fold_rows
from tasks.execution.recording import PreparedByFold
from tasks.inputs.prepared import Prepared, prepare_folds
from tasks.planning.searches import Search
from tasks.spec.models import Split

Places = Mapping[int | None, tuple[int | None, ...]]
"""By fold that judges, and under None for all rows: the folds in which settings are tried, numbered through. A fold of
its own number is the fold's training rows with its own validation part."""

_FIRST_SEED = 1_000_000
"""Beyond the seeds of all trials that judge: a thousand folds of a thousand seeds at most."""


def searched_rows(
    prepared: Prepared, splits: pd.DataFrame, split: Split, folds: int | None
) -> tuple[PreparedByFold, Places]:
    """By fold what a search's trials learn from, and where its settings are tried.

    Args:
        splits: Table `splits`, with the folds of the search unless folds judge.
        folds: `tune.folds`; None: settings are tried on the validation parts.

    Raises:
        BadInput: the rows left to a fold can't be divided into so many.
    """
    if folds is None:
        by_fold = prepared.by_fold
        return by_fold, {fold: (fold,) for fold in by_fold}
    found: dict[int | None, Prepared] = {}
    places: dict[int | None, tuple[int | None, ...]] = {}
    for outer, own in prepared.by_fold.items():
        divided = _divided(own, splits, split, folds) if prepared.held_out else splits
        inner = prepare_folds(prepared.dataset, divided, forward=split.time is not None, deciding=prepared.deciding)
        first = len(prepared.held_out) + len(found)
        places[outer] = tuple(range(first, first + len(inner)))
        found |= dict(zip(places[outer], inner.values(), strict=True))
    return found, places


def _divided(own: Prepared, splits: pd.DataFrame, split: Split, folds: int) -> pd.DataFrame:
    """The splits with the folds of a search among the rows that may be learned from; all others are left out, as those
    of a test part are."""
    learned = np.concatenate([own.rows[TRAIN], own.rows[VAL]])
    parts = np.where(np.isin(splits["row"].to_numpy(), learned), TRAIN, TEST)
    named = pd.Categorical(parts, categories=[TRAIN, VAL, TEST])
    return fold_rows(own.dataset, splits.assign(part=named), folds, split)


def nested(searches: Sequence[Search], places: Places, seeds: int) -> list[Search]:
    """These searches in every place, that on all rows first. All draw the same settings, but train them from initial
    weights of their own.

    Args:
        searches: One for each recipe.
        seeds: Under which each setting is trained.
    """
    return [
        replace(
            search,
            outer=outer,
            folds=folds,
            first_seed=search.first_seed if outer is None else _FIRST_SEED + outer * seeds,
        )
        for outer, folds in places.items()
        for search in searches
    ]
