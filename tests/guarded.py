"""Inputs that raise when forbidden rows are read, for tests that no stage reads the test part too early."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tasks.inputs.prepared import Prepared


class TestPartRead(Exception):
    """Raised when a forbidden row is read."""

    __test__ = False


class Guarded:
    """Features that raise `TestPartRead` when forbidden rows are read."""

    def __init__(self, features: np.ndarray, forbidden: np.ndarray) -> None:
        self._features, self._forbidden = features, forbidden
        self.shape, self.dtype = features.shape, features.dtype

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        if np.isin(rows, self._forbidden).any():
            raise TestPartRead
        return self._features[rows]


def guarded(prepared: Prepared, test: np.ndarray) -> Prepared:
    return replace(prepared, features=Guarded(prepared.features, test))
