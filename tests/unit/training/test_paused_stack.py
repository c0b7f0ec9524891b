"""A stack that pauses, loses trials, and is taken up again: nobody who stays notices."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.training import saved
from tasks.training.averaging import AVERAGINGS
from tasks.training.chunks import Chunks
from tasks.training.hypergradient import hypergradients
from tasks.training.models import MODELS, Penalties
from tasks.training.saved import Checkpoint
from tasks.training.schedules import SCHEDULES
from tasks.training.stack import Stack, train_stack
from tasks.training.trial import Outcome, Stopping, Trial
from tests.small_trials import arrays_of, assert_bits, assert_same, trial_of

HOW = {"xla": False, "dtype": "float64"}
STEPS = 30  # six epochs of five steps


def trials_of(**changes) -> list[Trial]:
    """Two seeds of six variants: four rules, two widths, a schedule that knows its end, and dropout."""
    changes = {
        "epochs": 6,
        "schedule": SCHEDULES["cosine"](warmup=0.2),
        "penalties": Penalties(dropout=0.2),
        **changes,
    }
    wide, narrow = (MODELS["mlp"](hidden=hidden, batch_normalisation=True) for hidden in ([9, 5], [6, 7]))
    kinds = [
        ("adam", wide),
        ("adam", narrow),
        ("nadam", wide),
        ("sgd", wide),
        ("sgd", narrow),
        ("random_search", narrow),
    ]
    return [
        trial_of(name, seed=seed, label=f"-{number}", architecture=architecture, **changes)
        for number, (name, architecture) in enumerate(kinds)
        for seed in (0, 1)
    ]


@pytest.fixture(scope="module")
def whole() -> list[Outcome]:
    return train_stack(trials_of(), arrays_of(), **HOW)


def test_pauses_change_no_bit(whole: list[Outcome]) -> None:
    stack, heard = Stack(trials_of(), arrays_of(), **HOW), []
    for step in (5, 15, 15, STEPS):
        stack.train_until(step, lambda *news: heard.append(news))
        assert stack.step == step
    assert heard == [(step, STEPS) for step in range(5, STEPS + 1, 5)]
    for ours, theirs in zip(stack.outcomes(), whole, strict=True):
        assert_bits(ours, theirs)
        assert ours.seconds > 0


@pytest.mark.parametrize("lost", [range(2), range(2, 10), range(1, 12)], ids=["a column", "most", "all but one"])
def test_survivors_train_as_if_nobody_had_been_dropped(lost: range, whole: list[Outcome]) -> None:
    trials = trials_of()
    stack = Stack(trials, arrays_of(), **HOW)
    stack.train_until(10)
    stack.drop(dict.fromkeys([trials[index].trial_id for index in lost], "among the worse half at step 10"))
    gone = {index // 2 for index in lost if {2 * (index // 2), 2 * (index // 2) + 1} <= set(lost)}
    assert len(stack.rectangle.columns) == (6 - len(gone) if len(gone) >= 3 else 6)
    stack.train_until(STEPS)
    for index, (ours, theirs) in enumerate(zip(stack.outcomes(), whole, strict=True)):
        if index not in lost:
            assert_same(ours, theirs, 1e-9)
            continue
        assert (ours.status, ours.reason) == ("pruned", "among the worse half at step 10")
        assert (ours.epochs, ours.steps, ours.best_step) == (2, 10, 10)
        assert ours.curves == [point for point in theirs.curves if point[1] <= 10]
        assert [each.shape for each in ours.weights] == [each.shape for each in theirs.weights]
        assert ours.outputs["val"].shape == theirs.outputs["val"].shape


def test_a_dropped_trial_hands_out_the_weights_of_its_last_evaluation() -> None:
    trials, arrays = trials_of(), arrays_of()
    stack = Stack(trials, arrays, **HOW)
    stack.train_until(10)
    stack.drop(dict.fromkeys([trial.trial_id for trial in trials[2:]], "lost"))
    stack.train_until(STEPS)
    until = Stack(trials, arrays, **HOW)
    until.train_until(10)
    for ours, theirs in zip(stack.outcomes()[2:], until.outcomes()[2:], strict=True):
        for weight, other in zip(ours.weights, theirs.weights, strict=True):
            np.testing.assert_array_equal(weight, other)


def test_trials_that_ended_by_themselves_stay_what_they_are_when_dropped() -> None:
    trials = [
        trial_of("sgd", label="early", epochs=6, stopping=Stopping(1, 10.0, True)),
        trial_of("sgd", label="wild", epochs=6, learning_rate=1e300),
        trial_of("adam", epochs=6),
    ]
    stack = Stack(trials, arrays_of(), **HOW)
    stack.train_until(15)
    stack.drop(dict.fromkeys([trial.trial_id for trial in trials], "lost"))
    stack.train_until(STEPS)
    assert stack.step == 15, "nobody runs"
    assert [(each.status, each.reason == "lost") for each in stack.outcomes()] == [
        ("ok", False),
        ("diverged", False),
        ("pruned", True),
    ]


@pytest.mark.parametrize("restore_best", [True, False])
def test_kept_values_are_those_of_the_weights_that_a_trial_keeps(restore_best: bool) -> None:
    stopping = Stopping(patience=3, min_delta=0.01, restore_best=restore_best)
    trials = [
        trial_of("adam", epochs=6),
        trial_of("adam", label="stops", epochs=6, learning_rate=0.5, stopping=stopping),
        trial_of("sgd", label="wild", epochs=6, learning_rate=1e300),
    ]
    stack = Stack(trials, arrays_of(), **HOW)
    assert stack.kept_values(trials[0].trial_id, 0) == {}
    early = None
    for epoch in (2, 6):
        stack.train_until(epoch * stack.steps_per_epoch)
        plain, stopped, wild = stack.outcomes()
        for outcome in (plain, stopped):
            found = stack.kept_values(outcome.trial.trial_id, epoch)
            assert found["val_loss"] == next(
                value for _, step, name, value in outcome.curves if (step, name) == (outcome.best_step, "val_loss")
            )
        assert stack.kept_values(wild.trial.trial_id, epoch) == {}
        early = early or stack.kept_values(stopped.trial.trial_id, 2)
    assert stack.kept_values(stopped.trial.trial_id, 2) == early, "whatever came after"
    losses = [value for _, _, name, value in stopped.curves if name == "val_loss"]
    assert (losses[-1] > min(losses)) and (found["val_loss"] != losses[-1]) == restore_best


@pytest.mark.parametrize("step", [0, 3, 7, 16, -5])
def test_a_stack_pauses_where_it_evaluates(step: int) -> None:
    stack = Stack([trial_of("sgd", epochs=3)], arrays_of(), xla=False)
    with pytest.raises(ValueError, match="every 5 of 15 steps"):
        stack.train_until(step)


@pytest.mark.parametrize(
    ("dropping", "xla"), [(False, False), (True, False), pytest.param(True, True, marks=pytest.mark.slow)]
)
def test_a_saved_stack_goes_on_bit_for_bit(dropping: bool, xla: bool, tmp_path: Path) -> None:
    """Inside an epoch, with a plateau rule and early stopping in their middle."""
    changes = {
        "evaluate_every": 3,
        "schedule": SCHEDULES["plateau"](patience=1, min_delta=0.05, factor=0.3),
        "stopping": Stopping(4, 0.001, True),
    }
    trials, arrays, how = trials_of(**changes), arrays_of(), {"xla": xla, "dtype": "float32"}
    if xla:
        trials = trials[:2] + trials[-2:]
    stack = Stack(trials, arrays, **how)
    stack.train_until(12)
    if dropping:
        stack.drop(dict.fromkeys([trial.trial_id for trial in trials[2:]], "lost"))
    stack.save(tmp_path / "paused.npz")
    stack.train_until(STEPS)
    other = Stack(trials, arrays, **how)
    other.load(tmp_path / "paused.npz")
    assert (other.step, len(other.rectangle.columns)) == (12, 1 if dropping else len(trials) // 2)
    assert [path.name for path in tmp_path.iterdir()] == ["paused.npz"]
    other.train_until(STEPS)
    for ours, theirs in zip(other.outcomes(), stack.outcomes(), strict=True):
        assert_bits(ours, theirs)


def test_another_stack_is_not_taken_up(tmp_path: Path) -> None:
    trials, arrays = [trial_of("sgd")], arrays_of()
    Stack(trials, arrays, xla=False).save(tmp_path / "paused.npz")
    others = [Stack([replace(trials[0], trial_id="other")], arrays, xla=False), Stack(trials, arrays, **HOW)]
    for other in others:
        with pytest.raises(ValueError, match="other trials"):
            other.load(tmp_path / "paused.npz")


# --- checkpoints while it trains -----------------------------------------------------------------------------


class _Killed(Exception):
    pass


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of two steps, and a checkpoint after each."""
    monkeypatch.setattr("tasks.training.chunks.CHUNK_BYTES", 2 * 32 * 5 * 4 * 2)
    monkeypatch.setattr(saved, "SECONDS", 0.0)


def killed_at(call: int, monkeypatch: pytest.MonkeyPatch, train: Callable[[], object]) -> bool:
    """Whether a training was ended before the rows of so many chunks were taken."""
    calls, fill = itertools.count(1), Chunks.fill

    def dying(*arguments: Any) -> Any:
        if next(calls) == call:
            raise _Killed
        return fill(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Chunks, "fill", dying)
        try:
            train()
        except _Killed:
            return True
    return False


def all_kinds() -> list[Trial]:
    """What a checkpoint must hold: plateaus, early stopping, dropout, batch normalisation, averages of both kinds, and
    recipes that stop so soon that the stack goes on without them."""
    changes = {
        "schedule": SCHEDULES["plateau"](patience=1, min_delta=0.05, factor=0.3),
        "stopping": Stopping(4, 0.001, True),
    }
    trials = trials_of(**changes)
    averagings = [AVERAGINGS["ema"](decay=0.9), AVERAGINGS["lawa"](last=2)]
    averaged = [
        replace(trial, trial_id=f"{trial.trial_id}-{number}", variant_id=f"{trial.variant_id}-{number}", averaging=each)
        for number, each in enumerate(averagings)
        for trial in trials[:2]
    ]
    short = [replace(trial, stopping=Stopping(1, 10.0, True)) for trial in trials[2:]]
    return [*trials[:2], *averaged, *short]


@pytest.mark.parametrize("call", [2, 3, 4, 8, 13])
def test_a_stack_killed_anywhere_goes_on_bit_for_bit(
    call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_chunks: None
) -> None:
    """Between two evaluations too, with signals, and after it lost its recipes that stopped."""
    monkeypatch.setattr("tasks.training.stack._COMPACTION_PAYS", {True: 0, False: 0})
    trials, arrays, how = all_kinds(), arrays_of(), {"xla": False, "signals": True}
    whole = train_stack(trials, arrays, **how)
    checkpoint = Checkpoint(tmp_path / "paused.npz", "key")
    assert killed_at(call, monkeypatch, lambda: train_stack(trials, arrays, **how, checkpoint=checkpoint))
    stack = Stack(trials, arrays, **how, checkpoint=checkpoint)
    assert stack.step > 0
    stack.train_until(stack.total_steps)
    for ours, theirs in zip(stack.outcomes(), whole, strict=True):
        assert_bits(ours, theirs)
        assert ours.signals == theirs.signals
        assert ours.seconds > 0
    assert [path.name for path in tmp_path.iterdir()] == ["paused.npz"]


def test_tangents_go_on_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_chunks: None) -> None:
    trials, arrays, names = [trial_of("momentum", epochs=3, seed=seed) for seed in (0, 1)], arrays_of(), ["momentum"]
    whole = hypergradients(trials, arrays, names, xla=False)
    checkpoint = Checkpoint(tmp_path / "paused.npz", "key")
    assert killed_at(6, monkeypatch, lambda: hypergradients(trials, arrays, names, xla=False, checkpoint=checkpoint))
    heard: list[int] = []
    again = hypergradients(
        trials, arrays, names, xla=False, checkpoint=checkpoint, progress=lambda step, _: heard.append(step)
    )
    assert heard == [10, 15], "not from the beginning"
    for (ours, ours_by_name), (theirs, theirs_by_name) in zip(again, whole, strict=True):
        assert_bits(ours, theirs)
        assert ours_by_name == theirs_by_name


@pytest.mark.parametrize("there", ["of another key", "not whole", "something else"])
def test_what_is_no_checkpoint_of_this_stack_is_not_taken_up(there: str, tmp_path: Path) -> None:
    trials, arrays, path = [trial_of("sgd")], arrays_of(), tmp_path / "paused.npz"
    earlier = Stack(trials, arrays, xla=False, checkpoint=Checkpoint(path, "of another key"))
    earlier.train_until(5)
    earlier.checkpoint()
    if there == "not whole":
        path.write_bytes(path.read_bytes()[:-200])
    if there == "something else":
        path.write_bytes(b"no arrays")
    key = "key" if there == "of another key" else "of another key"
    assert Stack(trials, arrays, xla=False, checkpoint=Checkpoint(path, key)).step == 0


def test_a_stack_is_saved_no_more_often_than_every_minute(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "paused.npz", "key")
    train_stack([trial_of("sgd")], arrays_of(), xla=False, checkpoint=checkpoint)
    assert not checkpoint.path.exists()


def test_a_full_disk_costs_the_checkpoint_only(tmp_path: Path, small_chunks: None) -> None:
    nowhere = Checkpoint(tmp_path / "gone" / "paused.npz", "key")
    (outcome,) = train_stack([trial_of("sgd")], arrays_of(), xla=False, checkpoint=nowhere)
    assert outcome.status == "ok"
