"""How an experiment divides its rows."""

from __future__ import annotations

import pandas as pd

from tasks.dataset import Dataset
from tasks.datasets.outer_folds import undivided_rows
from tasks.datasets.splits import fold_rows, split_rows
from tasks.spec.models import Spec


def divided_rows(spec: Spec, dataset: Dataset) -> pd.DataFrame:
    """Table `splits` of a spec, with the folds of its search (`tune.folds`) or of its evaluation (`evaluate.folds`).

    Raises:
        BadInput: the rows can't be divided as the spec says.
    """
    split, tune = spec.data.split, spec.tune
    if spec.evaluate.folds is not None:
        return undivided_rows(dataset, split, spec.evaluate.folds)
    splits = split_rows(dataset, split)
    return fold_rows(dataset, splits, tune.folds, split) if tune and tune.folds else splits
