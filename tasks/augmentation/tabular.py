"""Augmenters of tables: they change the numeric columns and leave categories alone."""

from __future__ import annotations

from functools import partial

import numpy as np

from tasks.augmentation.augmenter import Augmenter
from tasks.augmentation.seeds import normals
from tasks.dataset import Facts
from tasks.ranges import NonNegative


def gaussian_noise(*, std: NonNegative = 0.1) -> Augmenter:
    """Adds normal noise to every number; `std` is in units of its column's standard deviation in the training part."""
    parameters = {"std": std}
    return Augmenter(
        name="gaussian_noise",
        kind="table",
        parameters=parameters,
        apply=_not_learned,
        incompatibility=_incompatibility,
        learn=partial(_learned, std=std),
    )


def _learned(table: np.ndarray, *, std: float) -> Augmenter:
    known = ~np.isnan(table)
    values = np.where(known, table, 0.0)
    counts = np.maximum(known.sum(axis=0), 1)
    mean = values.sum(axis=0) / counts
    deviations = np.sqrt((np.where(known, table - mean, 0.0) ** 2).sum(axis=0) / counts)
    return Augmenter(
        name="gaussian_noise",
        kind="table",
        parameters={"std": std},
        apply=partial(_noisy, scales=std * deviations),
        incompatibility=_incompatibility,
    )


def _noisy(table: np.ndarray, seeds: np.ndarray, *, scales: np.ndarray) -> np.ndarray:
    return table + scales * normals(seeds, table.shape[1])


def _not_learned(table: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    raise RuntimeError("gaussian_noise must learn the columns' deviations first")


def _incompatibility(facts: Facts) -> str | None:
    return None if facts.shape[0] else "changes numbers, and these data have no numeric column"
