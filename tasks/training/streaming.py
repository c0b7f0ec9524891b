"""Training rows that stay on disk: preprocessed once, kept in Parquet, and shuffled a few blocks at a time.

A part of the data is one file with two columns: `inputs`, a row's float32 numbers as one value of fixed width (which
reads 10 to 30 times faster than a column for each of a hundred features), and `target`. Its row groups all have the
same number of rows, but for the last: a *block*.

A shuffle of a whole epoch would need all rows in memory. Instead, the blocks are put into a seeded random order, some
consecutive blocks of it form a *window*, and the rows of a window are shuffled. A part that fits into one window has
the order of rows in memory. The order is a function of seed and epoch only.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from tasks.training.feed import batch_order

BLOCK_BYTES = 256 * 2**10
"""About how many bytes a block's inputs have."""
WINDOW_BLOCKS = 32
CACHED_WINDOWS = 32
"""The most windows that one stack holds, one for each replica. With more replicas, windows are read repeatedly."""

_INPUTS, _TARGET = "inputs", "target"


def block_rows(features: int) -> int:
    """Rows of a block."""
    return max(1, BLOCK_BYTES // (4 * features))


def window_bytes(features: int) -> int:
    """Bytes of one window: inputs, targets, and their order."""
    return WINDOW_BLOCKS * block_rows(features) * (4 * features + 8 + 8)


def shuffle_policy(rows: int, features: int) -> str:
    """`whole`, or `blocks of N rows in windows of M blocks`."""
    block = block_rows(features)
    if rows <= block * WINDOW_BLOCKS:
        return "whole"
    return f"blocks of {block:,} rows in windows of {WINDOW_BLOCKS}"


class BlockWriter:
    """Writes one part's rows in blocks, whatever the sizes of the pieces that come in. A context manager.

    Args:
        path: The file; its folder must be there.
        features: Numbers in a row's inputs.
        target_dtype: int64 class indices, or float32 standardised values.
    """

    def __init__(self, path: Path, features: int, target_dtype: np.dtype) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._features, self._block = features, block_rows(features)
        self._schema = pa.schema([(_INPUTS, pa.binary(4 * features)), (_TARGET, pa.from_numpy_dtype(target_dtype))])
        # Inputs are read whole and in order, so an index or statistics of them would be of no use.
        self._writer = pq.ParquetWriter(
            path, self._schema, compression="lz4", use_dictionary=False, write_statistics=False
        )
        self._inputs = np.zeros([0, features], np.float32)
        self._targets = np.zeros(0, target_dtype)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._write(len(self._targets))
        finally:
            self._writer.close()

    def append(self, inputs: np.ndarray, targets: np.ndarray) -> None:
        """Adds rows: float32 `[n, features]` and targets `[n]`."""
        self._inputs = np.concatenate([self._inputs, inputs])
        self._targets = np.concatenate([self._targets, targets.astype(self._targets.dtype, copy=False)])
        self._write(len(self._targets) // self._block * self._block)

    def _write(self, rows: int) -> None:
        import pyarrow as pa

        if not rows:
            return
        inputs = np.ascontiguousarray(self._inputs[:rows])
        width = pa.binary(4 * self._features)
        cells = pa.FixedSizeBinaryArray.from_buffers(width, rows, [None, pa.py_buffer(inputs)])
        table = pa.table([cells, pa.array(self._targets[:rows])], schema=self._schema)
        self._writer.write_table(table, row_group_size=self._block)
        self._inputs, self._targets = self._inputs[rows:].copy(), self._targets[rows:].copy()


class StoredRows:
    """One part's preprocessed rows on disk, in the order in which they were written.

    Stands in for a float32 array `[rows, features]` that is read in consecutive slices: one block is in memory at a
    time, for each thread that reads.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self._path = path
        with pq.ParquetFile(path) as file:
            self._metadata = file.metadata
            schema = file.schema_arrow
        self.shape = (self._metadata.num_rows, schema.field(_INPUTS).type.byte_width // 4)
        self.target_dtype = np.dtype(schema.field(_TARGET).type.to_pandas_dtype())
        self.block_rows = block_rows(self.shape[1])
        self._own = threading.local()

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def blocks(self) -> int:
        return self._metadata.num_row_groups

    def __getitem__(self, part: slice) -> np.ndarray:
        """Inputs of consecutive rows, float32 `[n, features]`."""
        start, stop, step = part.indices(len(self))
        if step != 1:
            raise ValueError(f"rows on disk are read in their order, not in steps of {step}")
        wanted = np.empty([max(stop - start, 0), self.shape[1]], self.dtype)
        while start < stop:
            block, offset = divmod(start, self.block_rows)
            inputs = self._last(block)[offset : offset + stop - start]
            wanted[start - stop : len(wanted) + start - stop + len(inputs)] = inputs
            start += len(inputs)
        return wanted

    def _last(self, block: int) -> np.ndarray:
        """A block's inputs, kept until another is asked for."""
        if getattr(self._own, "block", None) != block:
            self._own.inputs, _ = self.read(block)
            self._own.block = block
        return self._own.inputs

    def read(self, block: int) -> tuple[np.ndarray, np.ndarray]:
        """A block's inputs `[n, features]` and targets `[n]`, read-only."""
        table = self._file().read_row_group(block, use_threads=False)
        cells = table.column(_INPUTS).combine_chunks()
        cells = cells.chunk(0) if hasattr(cells, "chunk") else cells
        first = cells.offset * self.shape[1]
        numbers = np.frombuffer(cells.buffers()[1], np.float32)[first : first + len(cells) * self.shape[1]]
        return numbers.reshape(len(cells), self.shape[1]), table.column(_TARGET).to_numpy()

    def _file(self) -> Any:
        """This thread's own handle: one may not be read from two threads at once."""
        import pyarrow.parquet as pq

        if not hasattr(self._own, "file"):
            self._own.file = pq.ParquetFile(self._path, metadata=self._metadata, pre_buffer=False)
        return self._own.file


@dataclass(frozen=True)
class Blocks:
    """How the blocks of an epoch are ordered.

    Args:
        order: The blocks, int64 `[blocks]`.
        place: Where each block stands in `order`.
    """

    order: np.ndarray
    place: np.ndarray

    @classmethod
    def of(cls, seed: int, epoch: int, count: int) -> Blocks:
        order = np.random.default_rng([seed, epoch]).permutation(count)
        return cls(order, np.argsort(order))


class BlockOrder:
    """The order of an epoch's rows, computed as it is read: for a hundred million rows, all of it would take 800 MB a
    seed.

    Stands in for an int64 array `[rows]` that is read in consecutive slices.
    """

    def __init__(self, seed: int, epoch: int, rows: int, block: int, window: int) -> None:
        """Args:
        block: Rows of a block.
        window: Blocks of a window.
        """
        self._seed, self._epoch, self._rows, self._block, self._window = seed, epoch, rows, block, window
        self._blocks = Blocks.of(seed, epoch, -(-rows // block))
        lengths = np.minimum((self._blocks.order + 1) * block, rows) - self._blocks.order * block
        self._starts = np.concatenate([[0], np.cumsum(lengths)[window - 1 :: window]])
        if self._starts[-1] < rows:
            self._starts = np.append(self._starts, rows)
        self._last: tuple[int, np.ndarray] = (-1, np.zeros(0, np.int64))

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, part: slice) -> np.ndarray:
        start, stop, step = part.indices(self._rows)
        if step != 1:
            raise ValueError(f"the order is read as it goes, not in steps of {step}")
        pieces = [np.zeros(0, np.int64)]
        while start < stop:
            number = int(np.searchsorted(self._starts, start, side="right")) - 1
            first = self._starts[number]
            pieces.append(self._in_window(number)[start - first : stop - first])
            start += len(pieces[-1])
        return np.concatenate(pieces)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or np.int64, copy=False)

    def _in_window(self, number: int) -> np.ndarray:
        if self._last[0] != number:
            blocks = self._blocks.order[number * self._window : (number + 1) * self._window]
            rows = np.concatenate([np.arange(b * self._block, min((b + 1) * self._block, self._rows)) for b in blocks])
            generator = np.random.default_rng([self._seed, self._epoch, number + 1])
            self._last = (number, generator.permutation(rows))
        return self._last[1]


@dataclass
class _Window:
    """A window's rows in memory; block after block, each in a place of full length."""

    epoch: int
    number: int
    blocks: Blocks
    inputs: np.ndarray
    targets: np.ndarray


@dataclass(frozen=True)
class StreamedRows:
    """A `feed.Feed` of rows on disk. Each thread that trains holds a window for each seed, at most `CACHED_WINDOWS`.

    Args:
        stored: The training part.
        window: Blocks of a window.
    """

    stored: StoredRows
    window: int = WINDOW_BLOCKS
    _own: threading.local = field(default_factory=threading.local, repr=False, compare=False)

    @property
    def rows(self) -> int:
        return len(self.stored)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.stored.shape[1:]

    @property
    def dtype(self) -> np.dtype:
        return self.stored.dtype

    @property
    def target_dtype(self) -> np.dtype:
        return self.stored.target_dtype

    def order(self, seed: int, epoch: int) -> np.ndarray | BlockOrder:
        if self.stored.blocks <= self.window:
            return batch_order(seed, epoch, self.rows)
        return BlockOrder(seed, epoch, self.rows, self.stored.block_rows, self.window)

    def fill(self, seed: int, epoch: int, picked: np.ndarray, inputs: np.ndarray, targets: np.ndarray) -> None:
        blocks = self._blocks(seed, epoch)
        block, offset = np.divmod(picked, self.stored.block_rows)
        number, slot = np.divmod(blocks.place[block], self.window)
        local = slot * self.stored.block_rows + offset
        for each in dict.fromkeys(number.tolist()):
            window = self._window(seed, epoch, each, blocks)
            here = number == each
            inputs[here], targets[here] = window.inputs[local[here]], window.targets[local[here]]

    def _blocks(self, seed: int, epoch: int) -> Blocks:
        held = self._windows().get(seed)
        return held.blocks if held and held.epoch == epoch else Blocks.of(seed, epoch, self.stored.blocks)

    def _windows(self) -> OrderedDict[int, _Window]:
        """This thread's windows by seed, the one used last at the end."""
        if not hasattr(self._own, "windows"):
            self._own.windows = OrderedDict()
        return self._own.windows

    def _window(self, seed: int, epoch: int, number: int, blocks: Blocks) -> _Window:
        windows = self._windows()
        held = windows.pop(seed, None)
        if held is None or (held.epoch, held.number) != (epoch, number):
            if held is None and len(windows) >= CACHED_WINDOWS:
                _, held = windows.popitem(last=False)  # its memory is used again
            inputs, targets = (held.inputs, held.targets) if held else self._memory()
            size = self.stored.block_rows
            for slot, block in enumerate(blocks.order[number * self.window : (number + 1) * self.window]):
                read, answers = self.stored.read(int(block))
                inputs[slot * size : slot * size + len(read)] = read
                targets[slot * size : slot * size + len(read)] = answers
            held = _Window(epoch, number, blocks, inputs, targets)
        windows[seed] = held
        return held

    def _memory(self) -> tuple[np.ndarray, np.ndarray]:
        rows = min(self.window, self.stored.blocks) * self.stored.block_rows
        return np.empty([rows, *self.shape], self.dtype), np.empty(rows, self.target_dtype)
