"""Augmented training rows: the same however they are taken and whoever makes them, and never of another part."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.augmentation import cache, pieces
from tasks.augmentation.imbalance import resampled_rows
from tasks.augmentation.pieces import held_bytes, piece_bounds
from tasks.augmentation.policy import Policy, augment, policy_of
from tasks.dataset import TEST, TRAIN, VAL
from tasks.inputs import augmented as augmented_module
from tasks.inputs.augmented import Fresh, Held, Makers, Versions, augmented, makers
from tasks.inputs.prepared import Prepared, prepare
from tasks.preprocessing.tables import preprocess
from tasks.training.feed import Feed
from tasks.training.fit import train_fit
from tasks.training.models import MODELS
from tasks.training.stack import train_stack
from tasks.training.trial import Arrays
from tests.datasets import array_of, made, with_sounds, with_texts
from tests.small_trials import assert_same, trial_of

ROWS = 150
TURNED: dict[str, Any] = {"steps": [{"rotation": {"degrees": 30.0}}, {"noise": {}}], "times": None, "seed": 0}
NOISY: dict[str, Any] = TURNED | {"steps": [{"gaussian_noise": {"std": 0.3}}]}
MIXED = {"mixup": {"alpha": 1.0}}


def policy(document: dict[str, Any], **changes: Any) -> Policy:
    made = policy_of(document | changes)
    assert made is not None
    return made


def splits() -> pd.DataFrame:
    """Groups of five rows, each in one part."""
    rows = np.arange(ROWS)
    part = np.array([TRAIN, TRAIN, TRAIN, VAL, TEST])[rows // 5 % 5]
    return pd.DataFrame({"row": rows, "part": part, "group": rows // 5})


def pictures(classes: tuple[str, ...] | None = ("a", "b", "c")) -> Prepared:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 200, (ROWS, 6, 5, 1), np.uint8)
    target = rng.integers(0, 3, ROWS) if classes else rng.normal(50, 9, ROWS)
    data = made("pictures", pd.DataFrame(index=range(ROWS)), target, "answer", classes, "digest", images=images)
    return prepare(data, splits())


def people() -> Prepared:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"city": rng.choice(["Oslo", "Rome"], ROWS), "age": rng.normal(40, 10, ROWS)})
    table["height"] = np.where(rng.random(ROWS) < 0.1, np.nan, rng.normal(170, 8, ROWS))
    return prepare(made("people", table, np.arange(ROWS) % 3, "answer", ("a", "b", "c"), "digest"), splits())


def messages() -> Prepared:
    rng = np.random.default_rng(0)
    words = ["see", "you", "soon", "at", "home", "now", "win", "cash"]
    texts = pd.Series([" ".join(rng.choice(words, 6)) for _ in range(ROWS)], name="my message", dtype=object)
    data = made("messages", pd.DataFrame(index=range(ROWS)), np.arange(ROWS) % 3, "a", ("a", "b", "c"), "digest")
    return prepare(with_texts(data, texts), splits())


def clips() -> Prepared:
    sounds = np.random.default_rng(0).normal(0, 0.1, (ROWS, 400)).astype(np.float32)
    data = made("clips", pd.DataFrame(index=range(ROWS)), np.arange(ROWS) % 3, "a", ("a", "b", "c"), "digest")
    return prepare(with_sounds(data, sounds, 2000), splits())


SWAPPED: dict[str, Any] = TURNED | {"steps": [{"word_swap": {}}]}
LOUDER: dict[str, Any] = TURNED | {"steps": [{"loudness": {}}]}
KINDS = pytest.mark.parametrize(
    ("prepare_data", "document"),
    [(pictures, TURNED), (people, NOISY), (messages, SWAPPED), (clips, LOUDER)],
    ids=["image", "table", "text", "audio"],
)


@pytest.fixture(scope="module")
def making() -> Iterator[Makers]:
    with makers(2, 1) as made:
        yield made


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ninety rows of thirty numbers in six pieces."""
    monkeypatch.setattr(pieces, "PIECE_BYTES", 15 * 30 * 4)


def fed(
    prepared: Prepared,
    document: dict[str, Any] | None,
    making: Makers,
    home: Path = Path("nowhere"),
    *,
    resampled: bool = False,
    **changes: Any,
) -> Arrays:
    own = policy(document, **changes) if document else None
    return augmented(prepared, prepared.arrays(), own, [0, 1], resampled=resampled, home=home, makers=making)


def taken(feed: Feed, seed: int, epoch: int, cuts: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """An epoch's inputs and targets in their order, taken in consecutive chunks."""
    inputs = np.full([feed.rows, *feed.shape], -1, feed.dtype)
    targets = np.zeros(feed.rows, feed.target_dtype)
    order = feed.order(seed, epoch)
    for start, stop in zip([0, *cuts], [*cuts, feed.rows], strict=True):
        if start < stop:
            feed.fill(seed, epoch, np.asarray(order[start:stop]), inputs[start:stop], targets[start:stop])
    return inputs, targets


def same(one: tuple[np.ndarray, ...], other: tuple[np.ndarray, ...]) -> bool:
    return all(left.tobytes() == right.tobytes() for left, right in zip(one, other, strict=True))


# --- fresh versions every epoch --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "steps", [TURNED["steps"], [*TURNED["steps"], MIXED], [MIXED]], ids=["turned", "both", "mixed"]
)
@pytest.mark.usefixtures("small_pieces")
def test_rows_are_the_same_in_whatever_chunks_they_are_taken(steps: list[Any], making: Makers) -> None:
    prepared = pictures()
    whole = taken(fed(prepared, TURNED, making, steps=steps).train, 1, 2, [])

    @settings(max_examples=15, deadline=None)
    @given(cuts=st.lists(st.integers(0, 90), max_size=8).map(sorted), before=st.integers(0, 3))
    def check(cuts: list[int], before: int) -> None:
        feed = fed(prepared, TURNED, making, steps=steps).train
        for epoch in range(before):  # whatever it made before
            taken(feed, 1, epoch, [7])
        assert same(taken(feed, 1, 2, cuts), whole)

    check()


@pytest.mark.usefixtures("small_pieces")
def test_two_processes_give_the_same_bytes_and_are_gone_afterwards(making: Makers) -> None:
    prepared = pictures()
    here = taken(fed(prepared, TURNED, making).train, 0, 3, [40])
    with makers(3, 2) as others:
        assert same(taken(fed(prepared, TURNED, others).train, 0, 3, [17, 80]), here)
    assert not multiprocessing.active_children()


def test_a_row_is_what_its_policy_makes_of_it(making: Makers) -> None:
    prepared = pictures()
    images = array_of(prepared.dataset)
    feed = fed(prepared, TURNED, making).train
    inputs, targets = taken(feed, 1, 4, [50])
    rows = prepared.rows[TRAIN][feed.order(1, 4)[:]]
    learned = policy(TURNED).learned(images[prepared.rows[TRAIN]])
    expected = preprocess(prepared.preprocessor, augment(learned, images[rows], rows, 1, 4))
    np.testing.assert_array_equal(inputs, expected)
    np.testing.assert_array_equal(targets, prepared.dataset.target[rows])


def test_each_epoch_and_each_seed_sees_other_versions(making: Makers) -> None:
    feed = fed(pictures(), TURNED, making).train
    first = taken(feed, 0, 0, [])
    assert same(taken(feed, 0, 0, [30]), first)
    by_row = {(seed, epoch): np.argsort(feed.order(seed, epoch)) for seed, epoch in [(0, 0), (0, 1), (1, 0)]}
    for seed, epoch in [(0, 1), (1, 0)]:
        other = taken(feed, seed, epoch, [])[0][by_row[seed, epoch]]
        changed = (other != first[0][by_row[0, 0]]).any(axis=(1, 2, 3))
        assert changed.mean() > 0.95


def test_only_the_numbers_of_a_table_change(making: Makers) -> None:
    prepared = people()
    feed = fed(prepared, NOISY, making).train
    inputs, _ = taken(feed, 0, 0, [])
    originals = prepared.features[prepared.rows[TRAIN]][feed.order(0, 0)]
    changed = (inputs != originals).mean(axis=0)  # age, height, height is missing, three buckets of city
    assert changed[0] == 1 and 0.8 < changed[1] < 1
    assert (changed[2:] == 0).all()
    assert np.std(inputs[:, 0] - originals[:, 0]) == pytest.approx(0.3, rel=0.25)


def test_mixup_draws_a_class_and_mixes_a_value(making: Makers) -> None:
    prepared = pictures()
    feed = fed(prepared, TURNED, making, steps=[MIXED]).train
    inputs, targets = taken(feed, 0, 0, [])
    order, own = feed.order(0, 0), prepared.features[prepared.rows[TRAIN]]
    assert targets.dtype == np.int64 and set(targets) <= {0, 1, 2}
    assert 0 < (targets != prepared.dataset.target[prepared.rows[TRAIN]][order]).mean() < 0.6

    prepared = pictures(classes=None)
    feed = fed(prepared, TURNED, making, steps=[MIXED]).train
    inputs, targets = taken(feed, 0, 0, [])
    originals = prepared.targets[prepared.rows[TRAIN]]
    for place in range(5):  # some pair and weight explain inputs and target at once
        row = order[place]
        difference = own - own[row]
        weight = ((inputs[place] - own[row]) * difference).sum((1, 2, 3)) / np.maximum(
            (difference**2).sum((1, 2, 3)), 1e-9
        )
        left = np.abs(inputs[place] - own[row] - weight[:, None, None, None] * difference).max((1, 2, 3))
        partner = int(left.argmin())
        expected = originals[row] + weight[partner] * (originals[partner] - originals[row])
        assert left[partner] < 1e-5 and targets[place] == pytest.approx(expected, abs=1e-4)
    assert targets.dtype == np.float32


@pytest.mark.usefixtures("small_pieces")
def test_no_more_is_held_than_was_announced(making: Makers) -> None:
    feed = fed(pictures(), TURNED, making).train
    assert isinstance(feed, Fresh)
    most = held_bytes(90, 120, 25 * 120)
    for epoch in range(3):
        order = feed.order(0, epoch)
        for start in range(0, 90, 25):
            picked = order[start : start + 25]
            feed.fill(0, epoch, picked, np.empty([len(picked), 6, 5, 1], np.float32), np.empty(len(picked), np.int64))
            held = [piece.result()[0].nbytes for piece in feed._ahead[0].pieces.values()]
            assert 25 * 120 <= sum(held) <= most


@pytest.mark.usefixtures("small_pieces")
def test_the_next_rows_are_made_while_the_last_are_trained_on() -> None:
    prepared = pictures()
    with ThreadPoolExecutor(1) as thread:
        feed = fed(prepared, TURNED, Makers(thread, map)).train
        assert isinstance(feed, Fresh)
        inputs, targets = np.empty([90, 6, 5, 1], np.float32), np.empty(90, np.int64)
        feed.fill(0, 0, feed.order(0, 0)[:80], inputs[:80], targets[:80])
        assert {(0, 5), (1, 0), (1, 1)} <= feed._ahead[0].pieces.keys()
        feed.fill(0, 0, feed.order(0, 0)[80:], inputs[80:], targets[80:])
        assert (1, 0) in feed._ahead[0].pieces and (0, 0) not in feed._ahead[0].pieces


@given(rows=st.integers(1, 10**6), row_bytes=st.integers(4, 10**8))
def test_pieces_cover_an_epoch_evenly(rows: int, row_bytes: int) -> None:
    bounds = piece_bounds(rows, row_bytes)
    sizes = np.diff(bounds)
    assert bounds[0] == 0 and bounds[-1] == rows
    assert sizes.min() >= 1 and sizes.max() - sizes.min() <= 1
    assert sizes.max() == 1 or sizes.max() * row_bytes <= pieces.PIECE_BYTES + row_bytes


# --- copies beside the originals -------------------------------------------------------------------------------


@KINDS
def test_copies_stand_beside_the_originals(prepare_data: Any, document: Any, tmp_path: Path, making: Makers) -> None:
    prepared = prepare_data()
    arrays = fed(prepared, document, making, tmp_path, times=2)
    feed = arrays.train
    assert isinstance(feed, Held) and feed.rows == 3 * 90 and arrays.steps_per_epoch(32) == 9
    inputs, targets = taken(feed, 1, 0, [100])
    at = np.argsort(feed.order(1, 0))
    train = prepared.rows[TRAIN]
    np.testing.assert_array_equal(inputs[at][:90], prepared.features[train])
    np.testing.assert_array_equal(targets[at], np.tile(prepared.dataset.target[train], 3))
    assert not np.array_equal(inputs[at][90:180], inputs[at][180:])
    assert same(taken(feed, 1, 0, [3, 200]), (inputs, targets))
    assert not np.array_equal(feed.copies[0], feed.copies[1])


def test_copies_are_made_once_for_all_runs(tmp_path: Path, making: Makers, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[int, int]] = []
    prepared = pictures()
    arrays = augmented(
        prepared,
        prepared.arrays(),
        policy(TURNED, times=2),
        [0, 1],
        home=tmp_path,
        makers=making,
        progress=lambda done, total: said.append((done, total)),
    )
    assert said[-1] == (360, 360) and [done for done, _ in said] == sorted(done for done, _ in said)
    assert len(list((tmp_path / "cache" / "augmented").iterdir())) == 2

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("made again")

    monkeypatch.setattr(cache, "copies", refuse)
    again = fed(pictures(), TURNED, making, tmp_path, times=2)
    assert same(taken(again.train, 1, 0, []), taken(arrays.train, 1, 0, []))


# --- the other parts -------------------------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize("times", [None, 2])
def test_no_other_part_is_touched(
    prepare_data: Any,
    document: dict[str, Any],
    times: int | None,
    tmp_path: Path,
    making: Makers,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Byte for byte; and no changed version of a row of theirs, or of a row of their groups, is ever made."""
    made: list[int] = []

    def recorded(*args: Any, **options: Any) -> Any:
        made.extend(args[2].tolist())
        return augment(*args, **options)

    monkeypatch.setattr(augmented_module, "augment", recorded)
    monkeypatch.setattr("tasks.augmentation.policy.augment", recorded)
    prepared = prepare_data()
    before = prepared.arrays()
    arrays = fed(prepared, document, making, tmp_path, times=times)
    for epoch in range(2):
        taken(arrays.train, 0, epoch, [10])
    for name, rows in before.to_score.items():
        assert same((arrays.to_score[name],), (rows,))
    assert same((arrays.val_inputs, arrays.val_targets), (before.val_inputs, before.val_targets))
    groups = splits().groupby("part")["group"].agg(set)
    assert set(made) == set(prepared.rows[TRAIN].tolist())
    assert not {row // 5 for row in made} & (groups[VAL] | groups[TEST])


# --- classes of unequal size -----------------------------------------------------------------------------------


def unequal() -> Prepared:
    """Pictures of which one class has most."""
    prepared = pictures()
    target = np.where(np.arange(ROWS) % 8 < 6, 0, np.arange(ROWS) % 8 - 5)
    return prepare(replace(prepared.dataset, target=target), splits())


@pytest.mark.parametrize("changes", [None, {}, {"times": 2}, {"steps": [MIXED]}], ids=str)
def test_resampling_gives_every_class_as_many_rows(
    changes: dict[str, Any] | None, tmp_path: Path, making: Makers
) -> None:
    prepared = unequal()
    counts = np.bincount(prepared.dataset.target[prepared.rows[TRAIN]])
    document = None if changes is None else TURNED
    arrays = fed(prepared, document, making, tmp_path, resampled=True, **(changes or {}))
    copies = 1 + (changes or {}).get("times", 0)
    assert arrays.train.rows == resampled_rows(prepared.dataset.target[prepared.rows[TRAIN]]) * copies
    assert arrays.train.rows == 3 * counts.max() * copies
    inputs, targets = taken(arrays.train, 1, 0, [20, 100])
    assert same(taken(arrays.train, 1, 0, []), (inputs, targets))
    if changes != {"steps": [MIXED]}:
        assert np.bincount(targets).tolist() == [counts.max() * copies] * 3
    if changes is None:
        originals = {row.tobytes(): target for row, target in zip(prepared.features, prepared.targets, strict=True)}
        assert [originals[row.tobytes()] for row in inputs] == targets.tolist()
    if changes == {}:
        assert len({row.tobytes() for row in inputs}) == len(inputs)  # a repeated row is changed anew


# --- training --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [{}, {"times": 2}, {"steps": [*TURNED["steps"], MIXED]}, {"times": 1, "resampled": True}],
    ids=["fresh", "copies", "mixed", "resampled"],
)
def test_a_stack_trains_as_model_fit_does_on_augmented_rows(
    changes: dict[str, Any], tmp_path: Path, making: Makers
) -> None:
    prepared = unequal()
    network = MODELS["mlp"](hidden=[6])
    trials = [trial_of(name, seed=seed, epochs=3, architecture=network) for name in ("sgd", "adam") for seed in (0, 1)]
    stacked = train_stack(trials, fed(prepared, TURNED, making, tmp_path, **changes))
    fitted = train_fit(trials, fed(prepared, TURNED, making, tmp_path, **changes))
    for ours, theirs in zip(stacked, fitted, strict=True):
        assert_same(ours, theirs, 1e-5)


def test_nothing_is_learned_from_other_parts_by_the_policy() -> None:
    prepared = people()
    changed = prepared.dataset.table.copy()
    changed.loc[~np.isin(np.arange(ROWS), prepared.rows[TRAIN]), ["age", "height"]] = 1e6
    other = replace(prepared, dataset=replace(prepared.dataset, table=changed))
    positions = np.arange(20)
    one, two = (Versions.of(each, policy(NOISY)).fresh(0, 0, positions) for each in (prepared, other))
    assert same(one, two)


# --- its end ---------------------------------------------------------------------------------------------------

PARENT = """
import numpy as np
from tasks.augmentation.policy import augment, policy_of
from tasks.inputs.augmented import makers
from tests.datasets import array_of, made, with_sounds, with_texts

if __name__ == "__main__":
    images = np.zeros([2000, 32, 32, 1], np.uint8)
    policy = policy_of({"steps": [{"rotation": {"degrees": 9.0}}], "times": None, "seed": 0}).learned(images)
    with makers(2, 2) as made:
        rows = np.arange(2000)
        work = [made.threads.submit(augment, policy, images, rows, 0, epoch, run=made.run) for epoch in range(500)]
        work[0].result()
        print("working", flush=True)
        work[-1].result()
"""


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="no signal masks here")
def test_ctrl_c_in_a_terminal_ends_all_processes_quietly(tmp_path: Path) -> None:
    """A terminal sends it to the whole process group."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as parent:
        assert parent.stdout is not None and parent.stderr is not None
        assert parent.stdout.readline() == "working\n"
        children = psutil.Process(parent.pid).children(recursive=True)
        os.killpg(parent.pid, signal.SIGINT)
        said = parent.stderr.read()
        parent.wait(20)
    assert len(children) >= 2
    assert said.count("Traceback") == 1 and said.rstrip().endswith("KeyboardInterrupt")  # the parent's own
    deadline = time.monotonic() + 10
    while any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children):
        assert time.monotonic() < deadline, "a process outlived Ctrl-C"
        time.sleep(0.1)
