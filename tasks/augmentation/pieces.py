"""How an epoch's rows are divided into pieces, which are made ahead of the training."""

from __future__ import annotations

import numpy as np

PIECE_BYTES = 4 * 2**20
"""The most bytes of inputs that are made at a time. It affects results with mixup, which mixes rows of the same
piece."""


def piece_bounds(rows: int, row_bytes: int) -> np.ndarray:
    """Where the pieces of so many rows begin, and the end: int64 `[pieces + 1]`; their sizes differ by one at most."""
    pieces = min(-(-rows * row_bytes // PIECE_BYTES), rows)
    return np.arange(pieces + 1) * rows // pieces


def held_bytes(rows: int, row_bytes: int, taken_bytes: int) -> int:
    """The most bytes in memory for one seed: the rows taken at a time and as many ahead, in whole pieces; never more
    than two epochs."""
    piece = min(max(PIECE_BYTES, row_bytes), rows * row_bytes)
    return min(2 * rows * row_bytes, 2 * max(taken_bytes, piece) + 2 * piece)
