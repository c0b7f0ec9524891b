"""Rows on disk: written in blocks, shuffled by windows, and trained on as if they were in memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.training import streaming
from tasks.training.feed import Resident, batch_order
from tasks.training.models import MODELS
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.schedules import SCHEDULES
from tasks.training.stack import train_stack
from tasks.training.streaming import BlockOrder, BlockWriter, StoredRows, StreamedRows, shuffle_policy, window_bytes
from tasks.training.trial import Arrays, Trial

FEATURES, BLOCK = 5, 16


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "BLOCK_BYTES", 4 * FEATURES * BLOCK)


def rows_of(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, FEATURES)).astype("float32"), rng.integers(0, 3, count)


def stored(folder: Path, count: int, name: str = "train", pieces: int = 1) -> StoredRows:
    inputs, targets = rows_of(count)
    with BlockWriter(folder / name, FEATURES, targets.dtype) as writer:
        for some in np.array_split(np.arange(count), pieces):
            writer.append(inputs[some], targets[some])
    return StoredRows(folder / name)


@pytest.mark.parametrize("pieces", [1, 7, 70])
@pytest.mark.parametrize("count", [1, 16, 150, 160])
def test_what_is_written_is_read_in_blocks_of_one_size(tmp_path: Path, count: int, pieces: int) -> None:
    rows, (inputs, targets) = stored(tmp_path, count, pieces=pieces), rows_of(count)
    metadata = pq.read_metadata(tmp_path / "train")
    sizes = [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]
    assert sizes == [BLOCK] * (count // BLOCK) + [count % BLOCK] * bool(count % BLOCK)
    assert (rows.shape, len(rows), rows.dtype, rows.target_dtype) == ((count, FEATURES), count, np.float32, np.int64)
    for start in (0, 3, 16):
        for stop in (0, 5, 17, count, count + 9):
            np.testing.assert_array_equal(rows[start:stop], inputs[start:stop])
    read = [rows.read(block) for block in range(rows.blocks)]
    np.testing.assert_array_equal(np.concatenate([each for each, _ in read]), inputs)
    np.testing.assert_array_equal(np.concatenate([each for _, each in read]), targets)


def test_rows_on_disk_are_read_in_their_order(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="in steps of 2"):
        stored(tmp_path, 40)[::2]


@given(
    rows=st.integers(1, 400),
    block=st.integers(1, 30),
    window=st.integers(1, 6),
    seed=st.integers(0, 9),
    epoch=st.integers(0, 9),
)
def test_an_epochs_order_is_a_permutation_within_windows(
    rows: int, block: int, window: int, seed: int, epoch: int
) -> None:
    order = BlockOrder(seed, epoch, rows, block, window)
    whole = np.asarray(order)
    assert whole.dtype == np.int64 and len(order) == rows
    np.testing.assert_array_equal(np.sort(whole), np.arange(rows))
    again = BlockOrder(seed, epoch, rows, block, window)
    np.testing.assert_array_equal(np.concatenate([again[start : start + 7] for start in range(0, rows, 7)]), whole)
    seen: set[int] = set()
    start = 0
    while start < rows:  # each window is whole blocks, which no other window shares
        blocks: set[int] = set()
        size = 0
        while len(blocks) < window and start + size < rows:
            blocks |= {int(whole[start + size]) // block}
            size += 1
        size = sum(min((each + 1) * block, rows) - each * block for each in blocks)
        assert {int(each) // block for each in whole[start : start + size]} == blocks and not blocks & seen
        seen |= blocks
        start += size


def test_seeds_and_epochs_have_orders_of_their_own(tmp_path: Path) -> None:
    feed = StreamedRows(stored(tmp_path, 400), window=3)
    orders = {(seed, epoch): np.asarray(feed.order(seed, epoch)) for seed in (0, 1, 2) for epoch in (0, 1, 2)}
    assert len({order.tobytes() for order in orders.values()}) == 9
    np.testing.assert_array_equal(np.asarray(feed.order(1, 2)), orders[1, 2])


def test_what_fits_one_window_is_shuffled_as_in_memory(tmp_path: Path) -> None:
    feed = StreamedRows(stored(tmp_path, 100))
    np.testing.assert_array_equal(feed.order(3, 4), batch_order(3, 4, 100))
    assert shuffle_policy(100, FEATURES) == "whole"
    assert shuffle_policy(100_000, FEATURES) == "blocks of 16 rows in windows of 32"


def filled(feed: StreamedRows | Resident, seed: int, epoch: int, picked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    inputs, targets = np.full([len(picked), FEATURES], np.nan, "float32"), np.full(len(picked), -1)
    feed.fill(seed, epoch, picked, inputs, targets)
    return inputs, targets


@pytest.mark.parametrize("count", [100, 400])
def test_rows_are_filled_as_from_memory(tmp_path: Path, count: int) -> None:
    feed, resident = StreamedRows(stored(tmp_path, count), window=3), Resident(*rows_of(count))
    order = feed.order(0, 0)
    picks = [order[start : start + 30] for start in range(0, count, 30)]
    picks += [np.arange(count)[::-1], np.array([0, 0, 1]), np.zeros(0, np.int64)]
    for picked in picks:
        for ours, theirs in zip(filled(feed, 0, 0, picked), filled(resident, 0, 0, picked), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_consecutive_rows_read_each_block_once_an_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = stored(tmp_path, 400)
    reads: list[int] = []
    read = StoredRows.read

    def noting(stored_rows: StoredRows, block: int) -> tuple[np.ndarray, np.ndarray]:
        reads.append(block)
        return read(stored_rows, block)

    monkeypatch.setattr(StoredRows, "read", noting)
    feed = StreamedRows(rows, window=3)
    orders = {seed: feed.order(seed, 0) for seed in (0, 1)}
    for start in range(0, 400, 10):
        for seed, order in orders.items():
            filled(feed, seed, 0, order[start : start + 10])
    assert sorted(reads) == sorted([*range(25), *range(25)])


def test_windows_in_memory_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "CACHED_WINDOWS", 2)
    feed, resident = StreamedRows(stored(tmp_path, 400), window=3), Resident(*rows_of(400))
    orders = {seed: feed.order(seed, 0) for seed in range(5)}
    for start in range(0, 400, 90):
        for seed, order in orders.items():
            picked = order[start : start + 90]
            np.testing.assert_array_equal(filled(feed, seed, 0, picked)[0], filled(resident, seed, 0, picked)[0])
            assert len(feed._windows()) <= 2
    held = sum(window.inputs.nbytes + window.targets.nbytes for window in feed._windows().values())
    assert held <= 2 * window_bytes(FEATURES)


@dataclass(frozen=True)
class InOrderOf(Resident):
    """Rows in memory, in the order of others."""

    other: StreamedRows | None = None

    def order(self, seed: int, epoch: int) -> np.ndarray:
        assert self.other is not None
        return np.asarray(self.other.order(seed, epoch))


def trial_of(name: str, seed: int) -> Trial:
    optimizer = OPTIMIZERS[name]()
    return Trial(
        trial_id=f"{name}-{seed}",
        variant_id=name,
        seed=seed,
        epochs=3,
        batch_size=32,
        architecture=MODELS["mlp"](hidden=[8]),
        optimizer=optimizer,
        learning_rate=0.01,
        schedule=SCHEDULES["constant"](),
    )


@pytest.mark.parametrize("count", [100, 400])
def test_streamed_rows_train_bit_for_bit_as_rows_in_memory(tmp_path: Path, count: int) -> None:
    """In one window, and in several; two stacks side by side, as the trainer of a run has them."""
    feed = StreamedRows(stored(tmp_path, count), window=3 if count > 200 else 32)
    held = stored(tmp_path, 70, "val")
    inputs, targets = rows_of(70)
    streamed = Arrays(feed, held, targets, 3, to_score={"val": held})
    resident = replace(streamed, train=InOrderOf(*rows_of(count), feed), val_inputs=inputs, to_score={"val": inputs})
    stacks = [[trial_of(name, seed) for seed in (0, 1)] for name in ("momentum", "adam")]
    with ThreadPoolExecutor(2) as pool:
        ours = list(pool.map(lambda trials: train_stack(trials, streamed), stacks))
    for trials, outcomes in zip(stacks, ours, strict=True):
        for one, other in zip(outcomes, train_stack(trials, resident), strict=True):
            assert one.status == "ok" and one.curves == other.curves
            np.testing.assert_array_equal(one.outputs["val"], other.outputs["val"])
            for weight, expected in zip(one.weights or [], other.weights or [], strict=True):
                np.testing.assert_array_equal(weight, expected)


def test_a_broken_writer_closes_its_file(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), BlockWriter(tmp_path / "train", FEATURES, np.dtype("int64")) as writer:
        writer.append(*rows_of(40))
        raise KeyboardInterrupt
    assert len(StoredRows(tmp_path / "train")) == 32
