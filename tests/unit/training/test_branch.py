"""Trials of shorter budgets that go on from longer ones: they are as if they had trained by themselves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tasks.training.averaging import AVERAGINGS
from tasks.training.branch import Branch, shared_steps
from tasks.training.models import Penalties
from tasks.training.saved import Checkpoint
from tasks.training.schedules import SCHEDULES, Schedule
from tasks.training.stack import Stack, train_stack
from tasks.training.trial import Stopping, Trial
from tests.small_trials import arrays_of, assert_bits, trial_of

HOW: dict[str, Any] = {"xla": False, "dtype": "float64", "signals": True}
STEPS_PER_EPOCH = 5


def trials_of(epochs: int, **changes: Any) -> list[Trial]:
    """Two seeds of four variants: three rules, one with an average, and dropout."""
    changes = {"schedule": SCHEDULES["wsd"](), "penalties": Penalties(dropout=0.2), **changes}
    kinds = [("adam", "none"), ("adam", "ema"), ("muon", "lawa"), ("schedule_free_adamw", "none")]
    return [
        trial_of(
            name, seed=seed, label=f"-{average}-{epochs}", epochs=epochs, averaging=AVERAGINGS[average](), **changes
        )
        for name, average in kinds
        for seed in (0, 1)
    ]


def branched(path: Path, trials: list[Trial], step: int) -> Branch:
    return Branch(trials, step, Checkpoint(path / f"{trials[0].epochs}.npz", f"key of {trials[0].epochs}"))


@pytest.mark.parametrize(
    ("schedule", "shared"),
    [
        (SCHEDULES["wsd"](), 40),
        (SCHEDULES["wsd"](cooldown=0.5), 25),
        (SCHEDULES["wsd"](cooldown=0.25), 35),  # parts in mid-epoch: the evaluation before counts
        (SCHEDULES["wsd"](warmup=0.1), 0),  # a share of the budget
        (SCHEDULES["constant"](), 45),  # the last evaluation is the shorter one's own
        (SCHEDULES["time_based"](), 45),
        (SCHEDULES["cosine"](), 0),
        (SCHEDULES["step"](), 15),
    ],
)
def test_steps_are_shared_until_learning_rates_part(schedule: Schedule, shared: int) -> None:
    shorter = trial_of("adam", epochs=10, schedule=schedule)
    assert shared_steps(shorter, replace(shorter, epochs=40), STEPS_PER_EPOCH, STEPS_PER_EPOCH) == shared


def test_steps_are_shared_until_averages_part() -> None:
    shorter = trial_of("adam", epochs=10, averaging=AVERAGINGS["swa"](start=0.5))  # from the end of the sixth epoch on
    assert shared_steps(shorter, replace(shorter, epochs=40), STEPS_PER_EPOCH, STEPS_PER_EPOCH) == 30


@pytest.mark.slow
@pytest.mark.parametrize("stopping", [None, Stopping(2, 0.05, True)], ids=["whole", "stopped early"])
def test_those_that_go_on_are_the_same_bit_for_bit(stopping: Stopping | None, tmp_path: Path) -> None:
    arrays = arrays_of()
    longest, *shorter = (trials_of(epochs, stopping=stopping) for epochs in (60, 10, 5))  # 60: signals of some epochs
    branches = [branched(tmp_path, trials, 4 * trials[0].epochs) for trials in shorter]
    found = train_stack(longest, arrays, branches=branches, **HOW)
    for ours, theirs in zip(found, train_stack(longest, arrays, **HOW), strict=True):
        assert_bits(ours, theirs)
        assert [each[:4] for each in ours.signals] == [each[:4] for each in theirs.signals]
    for each in branches:
        stack = Stack(each.trials, arrays, checkpoint=each.checkpoint, **HOW)
        assert stack.step == each.step or stopping, "all may have stopped before"
        stack.train_until(stack.total_steps)
        for ours, theirs in zip(stack.outcomes(), train_stack(each.trials, arrays, **HOW), strict=True):
            assert_bits(ours, theirs)
            assert ours.signals == theirs.signals


def test_a_stack_that_is_past_the_branch_leaves_nothing(tmp_path: Path) -> None:
    stack = Stack(trials_of(10), arrays_of(), xla=False)
    stack.train_until(25)
    late = branched(tmp_path, trials_of(5), 20)
    stack.leave(late)
    assert not late.checkpoint.path.exists()
