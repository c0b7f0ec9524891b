"""What is compiled: once for stacks of equal structure, over blocks that hold each number once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.training import compiled as compiled_module
from tasks.training.feed import Buffer, Resident
from tasks.training.packing import SMALL, Packing
from tasks.training.stack import train_stack
from tests.small_trials import arrays_of, trial_of


def test_stacks_of_other_seeds_rates_and_parameters_share_one_compiled_program() -> None:
    compiled_module._PROGRAMS.clear()
    arrays = arrays_of()
    trials = [trial_of(name, epochs=1, label="shared") for name in ("adam", "sgd")]
    train_stack(trials, arrays)
    others = [replace(trial, seed=7, learning_rate=0.5) for trial in trials]
    train_stack(others, arrays)
    (program,) = compiled_module._PROGRAMS.values()
    assert program.chunk.traces == 1
    train_stack([trial_of("adam", epochs=1), trial_of("lion", epochs=1)], arrays)
    assert len(compiled_module._PROGRAMS) == 2


def test_the_cache_of_programs_is_bounded() -> None:
    compiled_module._PROGRAMS.clear()
    arrays = arrays_of(rows=8)
    for batch_size in range(1, compiled_module.PROGRAMS_KEPT + 3):
        train_stack([trial_of("sgd", epochs=1, batch_size=batch_size)], arrays, xla=False)
    assert len(compiled_module._PROGRAMS) == compiled_module.PROGRAMS_KEPT


shapes = st.lists(
    st.tuples(st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple), st.sampled_from([1, 2])),
    min_size=1,
    max_size=4,
)


@settings(max_examples=30, deadline=None)
@given(shapes, st.booleans(), st.integers(1, 2), st.integers(1, 3))
def test_packed_weights_unpack_to_themselves(drawn: list, large: bool, seeds: int, recipes: int) -> None:
    import tensorflow as tf

    sizes = [shape for shape, _ in drawn] + ([(SMALL + 1,)] if large else [])
    axes = [axis for _, axis in drawn] + ([1] if large else [])
    axes = [axis if len(size) > 1 else 1 for axis, size in zip(axes, sizes, strict=True)]
    packing = Packing(sizes, axes)
    assert sorted(place for block in packing.blocks for place in block) == list(range(len(sizes)))
    rng = np.random.default_rng(0)
    weights = []
    for size, axis in zip(sizes, axes, strict=True):
        shape = list(size)
        shape.insert(axis - 1, recipes)
        weights.append(tf.constant(rng.normal(size=(seeds, *shape))))
    packed = packing.pack(weights)
    assert all(
        block.shape[packing.axis(places)] == recipes for block, places in zip(packed, packing.blocks, strict=True)
    )
    for ours, theirs in zip(packing.unpack(packed), weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_buffer_is_one_piece_of_memory_for_both() -> None:
    buffer = Buffer((3, 5), "float32")
    buffer.array[:] = 2.0
    assert float(buffer.tensor[2, 4]) == 2.0
    assert buffer.array.ctypes.data % 64 == 0


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.sampled_from(["float32", "float64"]))
def test_rows_in_memory_are_given_as_picked(picked: list[int], dtype: str) -> None:
    feed = Resident(np.arange(20, dtype="float32").reshape(10, 2), np.arange(10))
    inputs, targets = np.empty([len(picked), 2], dtype), np.empty(len(picked), np.int64)
    feed.fill(0, 0, np.array(picked), inputs, targets)
    np.testing.assert_array_equal(inputs, feed.inputs[picked])
    np.testing.assert_array_equal(targets, picked)
