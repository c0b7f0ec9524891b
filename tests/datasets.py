"""Builds small data sets of each form from values in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from tasks.dataset import Dataset, Input
from tasks.kinds import KINDS, kinds_of


def made(
    name: str,
    table: pd.DataFrame,
    target: Any,
    target_name: str,
    classes: Sequence[str] | None,
    digest: str,
    images: np.ndarray | None = None,
    **more: Any,
) -> Dataset:
    """Returns a table, whose columns' kinds are inferred from their values, or images if they are given."""
    named = None if classes is None else tuple(classes)
    dataset = Dataset(name, table, np.asarray(target), target_name, named, digest, kinds=kinds_of(table), **more)
    return dataset if images is None else with_images(dataset, images)


def with_images(dataset: Dataset, images: np.ndarray) -> Dataset:
    return replace(dataset, medium=Input("image", KINDS["image"], images))


def with_texts(dataset: Dataset, texts: pd.Series, tokens: str = "words") -> Dataset:
    return replace(dataset, medium=Input(str(texts.name), KINDS["text"], texts, tokens=tokens))


def with_sounds(dataset: Dataset, sounds: np.ndarray, rate: int) -> Dataset:
    return replace(dataset, medium=Input("sound", KINDS["sound"], sounds, rate=rate))


def array_of(dataset: Dataset) -> np.ndarray:
    """Returns the images or sounds."""
    assert dataset.medium is not None and isinstance(dataset.medium.values, np.ndarray)
    return dataset.medium.values


def texts_of(dataset: Dataset) -> pd.Series:
    assert dataset.medium is not None and isinstance(dataset.medium.values, pd.Series)
    return dataset.medium.values
