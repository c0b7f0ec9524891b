"""Feeds a stack its training rows: a chunk of steps at a time, through memory that is allocated once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.training.feed import Buffer, Feed, Order
from tasks.training.stacked_layers import Tensor

CHUNK_BYTES = 24 * 2**20
"""Bytes of training inputs that the program holds at a time."""


@dataclass(frozen=True)
class Chunk:
    """Rows of consecutive steps of one epoch.

    Args:
        x: Inputs `[S, chunk rows, ...]`, padded to a fixed size.
        y: Targets `[S, chunk rows]`.
        steps: How many steps there are.
        rows: How many rows there are for each replica.
    """

    x: Tensor
    y: Tensor
    steps: int
    rows: int


class Chunks:
    """Fills the memory with the rows of a chunk.

    Args:
        feeds: The rows of each replica: equally many, of equal shape.
        seeds: One for each replica.
        batch_size: Rows of a step.
        interval: Steps from one evaluation to the next.
        dtype: The NumPy dtype of floating inputs.

    Attributes:
        steps: The most steps of a chunk: as many as its memory allows, or fewer where that makes chunks more even.
    """

    def __init__(
        self, feeds: Sequence[Feed], seeds: Sequence[int], batch_size: int, interval: int, dtype: np.dtype
    ) -> None:
        self._feeds, self._seeds, self._batch_size = feeds, seeds, batch_size
        feed, replicas = feeds[0], len(feeds)
        self._steps_per_epoch = -(-feed.rows // batch_size)
        span = min(interval, self._steps_per_epoch)
        row_bytes = int(np.prod(feed.shape)) * dtype.itemsize * replicas
        most = max(1, min(span, CHUNK_BYTES // max(row_bytes * batch_size, 1)))
        self.steps = -(-span // -(-span // most))
        rows = self.steps * batch_size
        self._x = Buffer((replicas, rows, *feed.shape), input_dtype(feed.dtype, dtype))
        self._y = Buffer((replicas, rows), input_dtype(feed.target_dtype, dtype))
        self._epoch, self._orders = -1, list[Order]()

    def fill(self, step: int, stop: int) -> Chunk:
        """The chunk that begins at a step and ends at `stop` or before; valid until the next call."""
        epoch, done = divmod(step, self._steps_per_epoch)
        if epoch != self._epoch:
            pairs = zip(self._feeds, self._seeds, strict=True)
            self._epoch, self._orders = epoch, [feed.order(seed, epoch) for feed, seed in pairs]
        steps = min(self.steps, self._steps_per_epoch - done, stop - step)
        wanted = slice(done * self._batch_size, (done + steps) * self._batch_size)
        x, y = self._x.array, self._y.array
        for s, (feed, seed, order) in enumerate(zip(self._feeds, self._seeds, self._orders, strict=True)):
            picked = order[wanted]
            feed.fill(seed, epoch, picked, x[s, : len(picked)], y[s, : len(picked)])
            x[s, len(picked) : steps * self._batch_size] = 0  # an epoch's last batch may be partial
        return Chunk(self._x.tensor, self._y.tensor, steps, len(picked))


def input_dtype(dtype: np.dtype, floating: np.dtype) -> np.dtype:
    """The dtype of an array that the program takes: integers (tokens, classes) keep theirs."""
    return dtype if np.issubdtype(dtype, np.integer) else floating
