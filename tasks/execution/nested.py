"""Where a search is done, and what it learns from. It is done once on all rows that don't judge. Where folds judge, it
is done again for each fold, on the rows left to that fold: otherwise the search would have seen the rows that judge
it."""

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
"""For each fold that judges, and under None for all rows: the folds in which settings are tried, numbered
consecutively. Where settings are tried on validation parts, the entry is the key itself: that fold's training rows with
its own validation part."""

_FIRST_SEED = 1_000_000
"""Larger than all seeds of trials that judge: there are at most a thousand folds of a thousand seeds."""


def searched_rows(
    prepared: Prepared, splits: pd.DataFrame, split: Split, folds: int | None
) -> tuple[PreparedByFold, Places]:
    """Returns what a search's trials learn from, by fold, and where its settings are tried.

    Args:
        splits: Table `splits`, with the folds of the search unless folds judge.
        folds: `tune.folds`; None: settings are tried on the validation parts.

    Raises:
        BadInput: the rows left to a fold can't be divided into so many folds.
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
    """The splits, with the search's folds among the rows that may be learned from. All other rows are left out, as the
    rows of a test part are."""
    learned = np.concatenate([own.rows[TRAIN], own.rows[VAL]])
    parts = np.where(np.isin(splits["row"].to_numpy(), learned), TRAIN, TEST)
    named = pd.Categorical(parts, categories=[TRAIN, VAL, TEST])
    return fold_rows(own.dataset, splits.assign(part=named), folds, split)


def nested(searches: Sequence[Search], places: Places, seeds: int) -> list[Search]:
    """Repeats these searches in every place, the one on all rows first. All places draw the same settings, but train
    them from initial weights of their own.

    Args:
        searches: One for each recipe.
        seeds: The number of seeds under which each setting is trained.
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
