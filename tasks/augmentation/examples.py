"""A data set's rows as augmenters take them, and back."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasks.augmentation.augmenter import Facts, Values
from tasks.dataset import Dataset


def facts(dataset: Dataset) -> Facts:
    """What augmenters are told of the data when the plan is made."""
    if dataset.images is not None:
        return Facts("image", dataset.images.shape[1:], dataset.images.dtype.name)
    if dataset.texts is not None:
        return Facts("text", (), "str")
    if dataset.sounds is not None:
        return Facts("audio", dataset.sounds.shape[1:], dataset.sounds.dtype.name, dataset.rate)
    return Facts("table", (len(dataset.numbers),), "float64")


def examples(dataset: Dataset, rows: np.ndarray) -> Values:
    """The raw examples at these positions."""
    if dataset.images is not None:
        return dataset.images[rows]
    if dataset.texts is not None:
        return dataset.texts.iloc[rows].tolist()
    if dataset.sounds is not None:
        return dataset.sounds[rows]
    return dataset.table[dataset.numbers].iloc[rows].to_numpy(np.float64)


def raw_rows(dataset: Dataset, values: Values, rows: np.ndarray) -> pd.DataFrame | np.ndarray:
    """Changed examples as a preprocessor takes them; of a table the categories are those of the rows they came from."""
    if dataset.texts is not None:
        return pd.DataFrame({dataset.texts.name: pd.Series(values, dtype=object)})
    if isinstance(dataset.raw, np.ndarray):
        return values
    table = dataset.table.iloc[rows].reset_index(drop=True)
    table[dataset.numbers] = values
    return table
