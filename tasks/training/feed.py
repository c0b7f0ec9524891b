"""Where training rows come from, and memory that NumPy writes and TensorFlow reads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

ALIGNMENT = 64
"""Bytes. TensorFlow reads memory that it did not allocate only where it starts at a multiple of this."""


class Order(Protocol):
    """Row positions that are read in consecutive slices: an int64 array, or an object that acts like one."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> np.ndarray: ...


class Feed(Protocol):
    """Training rows. Both trainers take every epoch's order and rows from here.

    Args:
        rows: How many.
        shape: Of one row's inputs.
        dtype: Of the inputs: float32, or int32 for tokens.
        target_dtype: int64 class indices, or float32 standardised values.
    """

    @property
    def rows(self) -> int: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype: ...
    @property
    def target_dtype(self) -> np.dtype: ...

    def order(self, seed: int, epoch: int) -> Order:
        """The order of the rows in an epoch (from 0): int64 `[rows]`, a function of seed and epoch only."""
        ...

    def fill(self, seed: int, epoch: int, picked: np.ndarray, inputs: np.ndarray, targets: np.ndarray) -> None:
        """Writes rows of an epoch.

        Args:
            picked: A part of the epoch's order, int64 `[n]`.
            inputs: Where inputs go, `[n, *shape]`.
            targets: Where targets go, `[n]`.
        """
        ...


def batch_order(seed: int, epoch: int, rows: int) -> np.ndarray:
    """The order of rows held in memory: int64 `[rows]`."""
    return np.random.default_rng([seed, epoch]).permutation(rows)


@dataclass(frozen=True)
class Resident:
    """Rows held in memory.

    Args:
        inputs: float32 `[rows, features]` or `[rows, height, width, channels]`, or int32 tokens `[rows, length]`.
        targets: int64 class indices `[rows]`, or the standardised value, float32 `[rows]`.
    """

    inputs: np.ndarray
    targets: np.ndarray

    @property
    def rows(self) -> int:
        return len(self.targets)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.inputs.shape[1:]

    @property
    def dtype(self) -> np.dtype:
        return self.inputs.dtype

    @property
    def target_dtype(self) -> np.dtype:
        return self.targets.dtype

    def order(self, seed: int, epoch: int) -> np.ndarray:
        return batch_order(seed, epoch, self.rows)

    def fill(self, seed: int, epoch: int, picked: np.ndarray, inputs: np.ndarray, targets: np.ndarray) -> None:
        _take(self.inputs, picked, inputs)
        _take(self.targets, picked, targets)


def _take(rows: np.ndarray, picked: np.ndarray, out: np.ndarray) -> None:
    if rows.dtype == out.dtype:
        np.take(rows, picked, axis=0, out=out, mode="clip")  # with mode="raise" NumPy fills a copy first
    else:
        out[:] = rows[picked]


class Buffer:
    """Memory that NumPy writes and TensorFlow reads, without a copy and allocated once: touching fresh memory takes
    many times longer than filling it.

    Args:
        shape: Of `array` and `tensor`, two views of it.
        dtype: A NumPy dtype.
    """

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        import tensorflow as tf

        size = math.prod(shape) * np.dtype(dtype).itemsize
        memory = np.zeros(size + ALIGNMENT, np.uint8)
        start = -memory.ctypes.data % ALIGNMENT
        self.array = memory[start : start + size].view(dtype).reshape(shape)
        self.tensor = tf.experimental.dlpack.from_dlpack(self.array.__dlpack__())
