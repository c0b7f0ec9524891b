"""A data set's rows as augmenters take them."""

from __future__ import annotations

import numpy as np

from tasks.augmentation.augmenter import Facts, Values
from tasks.dataset import Dataset


def facts(dataset: Dataset) -> Facts:
    """What augmenters are told of the data when the plan is made."""
    if dataset.images is not None:
        return Facts("image", dataset.images.shape[1:], dataset.images.dtype.name)
    return Facts("table", (len(dataset.numbers),), "float64")


def examples(dataset: Dataset, rows: np.ndarray) -> Values:
    """The raw examples at these positions."""
    if dataset.images is not None:
        return dataset.images[rows]
    return dataset.table[dataset.numbers].iloc[rows].to_numpy(np.float64)
