"""Successive halving in stacks: who leaves at a rung, and that nobody who stays notices, nor a kill between rungs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.execution.rungs import Climb, ClimbAll, Contest, Values, climb, run_bracket
from tasks.records.documents import as_json, document_of
from tasks.search.halving import Rung
from tasks.training.saved import Checkpoint
from tasks.training.stack import Stack, train_stack
from tasks.training.trial import Outcome, Trial
from tests.small_trials import arrays_of, assert_bits, assert_same, trial_of

HOW = {"xla": False, "dtype": "float64"}
RUNGS = [Rung(6, 1), Rung(3, 2), Rung(1, 4)]


def losers(
    losses: dict[str, float | None], number: int = 0, left: Collection[str] = (), measured: str = "loss"
) -> dict[str, str]:
    contest = Contest([Rung(5, 1), Rung(2, 3), Rung(1, 9)], {name: [name] for name in losses}, measured)
    last = {
        name: {} if loss is None else {f"val_{measured}": loss} for name, loss in losses.items() if name not in left
    }
    return contest.losers(number, last, set(left))


# --- who leaves ----------------------------------------------------------------------------------------------


def test_the_worst_leave_and_are_told_why() -> None:
    gone = losers({"a": 0.5, "b": 0.1, "c": 0.4, "d": 0.2, "e": 0.3})
    assert gone == {
        "e": "rung 1: 3 of 5 after epoch 1",
        "c": "rung 1: 4 of 5 after epoch 1",
        "a": "rung 1: 5 of 5 after epoch 1",
    }


def test_of_accuracies_the_greater_are_better() -> None:
    assert set(losers({"a": 0.5, "b": 0.1, "c": 0.4}, measured="accuracy")) == {"b"}


def test_of_equals_those_asked_earlier_go_on() -> None:
    assert set(losers({"a": 0.3, "b": 0.3, "c": 0.3, "d": 0.3})) == {"c", "d"}


def test_what_diverged_comes_last() -> None:
    assert set(losers({"a": None, "b": 1e9, "c": None, "d": 0.3})) == {"a", "c"}


def test_who_has_left_is_not_counted_again() -> None:
    assert losers({"a": 0.3, "b": 0.1, "c": 0.2}, 1, {"b"}) == {"a": "rung 2: 2 of 2 after epoch 3"}


def test_nobody_leaves_at_the_last_rung() -> None:
    assert losers({"a": 0.3, "b": 0.1}, 2) == {}


def test_a_mean_over_seeds_and_folds_decides() -> None:
    contest = Contest([Rung(2, 1), Rung(1, 3)], {"even": ["e0", "e1"], "uneven": ["u0", "u1"]}, "loss")
    last = {name: {"val_loss": loss} for name, loss in {"e0": 0.5, "e1": 0.5, "u0": 0.1, "u1": 0.8}.items()}
    assert set(contest.losers(0, last, set())) == {"even"}
    assert set(contest.losers(0, last | {"u0": {}}, set())) == {"uneven"}, "one diverged seed is enough"


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_as_many_go_on_as_the_next_rung_takes(losses: list[float]) -> None:
    gone = losers({str(place): loss for place, loss in enumerate(losses)})
    stayed = [loss for place, loss in enumerate(losses) if str(place) not in gone]
    assert len(stayed) == min(2, len(losses))
    assert all(loss >= max(stayed) for place, loss in enumerate(losses) if str(place) in gone)


# --- stacks --------------------------------------------------------------------------------------------------


def stacks_of() -> dict[str, list[Trial]]:
    """Two seeds of six variants in two stacks, since their batch sizes differ."""
    rates = [0.001, 0.03, 1e-5, 0.01, 0.0003, 1e-4]
    trials = [
        trial_of(seed=seed, label=f"-{number}", learning_rate=rate, epochs=4, batch_size=32 if number < 3 else 50)
        for number, rate in enumerate(rates)
        for seed in (0, 1)
    ]
    return {
        "small": [trial for trial in trials if trial.batch_size == 32],
        "large": [trial for trial in trials if trial.batch_size == 50],
    }


def made(stacks: dict[str, list[Trial]], saved: Path) -> dict[str, Stack]:
    """The stacks, taken up where they were saved."""
    return {
        name: Stack(trials, arrays_of(), **HOW, checkpoint=Checkpoint(saved / f"{name}.npz", "key"))
        for name, trials in stacks.items()
    }


def contest_of(stacks: dict[str, list[Trial]]) -> Contest:
    trials: dict[str, list[str]] = {}
    for trial in (trial for own in stacks.values() for trial in own):
        trials.setdefault(trial.variant_id, []).append(trial.trial_id)
    return Contest(RUNGS, trials, "loss")


def climbing(stacks: dict[str, Stack], note: Callable[[str], None] = lambda name: None) -> ClimbAll:
    """The stacks one by one, held in memory from rung to rung."""

    def noted(name: str, step: int, steps: int) -> None:
        note(name)

    def all_of_them(way: Climb) -> Values:
        values: dict[str, Any] = {}
        for name, stack in stacks.items():
            values |= climb(stack, way, partial(noted, name))
        return values

    return all_of_them


def handing_over(
    stacks: dict[str, list[Trial]], saved: Path, ended: dict[str, Stack], anyone: Callable[[], None] = lambda: None
) -> ClimbAll:
    """Every stack is taken up from its file at every rung, as by a process that never saw it, from what JSON says of
    the way.

    Args:
        ended: Gets the stacks as they are in the end.
        anyone: Called before a stack climbs.
    """

    def all_of_them(way: Climb) -> Values:
        values: dict[str, Any] = {}
        for name in stacks:
            anyone()
            taken_up = made({name: stacks[name]}, saved)[name]
            values |= climb(taken_up, document_of(as_json(way), Climb))
            ended[name] = taken_up
        return values

    return all_of_them


def bring_up(stacks: dict[str, list[Trial]], climb_all: ClimbAll) -> dict[str, int]:
    """By trial, the rung at which it left."""
    said: list[Climb] = []

    def heard(way: Climb) -> Values:
        said.append(way)
        return climb_all(way)

    run_bracket([trial.trial_id for own in stacks.values() for trial in own], [contest_of(stacks)], heard)
    assert [way.reached is None for way in said] == [True] * (len(RUNGS) - 1) + [False]
    assert said[-1].reached is not None
    return dict(said[-1].reached)


def outcomes_of(stacks: dict[str, Stack]) -> dict[str, Outcome]:
    return {outcome.trial.trial_id: outcome for stack in stacks.values() for outcome in stack.outcomes()}


@pytest.fixture(scope="module")
def climbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, int], dict[str, Outcome]]:
    planned = stacks_of()
    stacks = made(planned, tmp_path_factory.mktemp("saved"))
    reached = bring_up(planned, climbing(stacks))
    return reached, outcomes_of(stacks)


def test_rungs_leave_as_many_as_they_should(climbed: tuple[dict[str, int], dict[str, Outcome]]) -> None:
    reached, outcomes = climbed
    assert sorted(reached.values()) == [0] * 6 + [1] * 4 + [2] * 2
    for trial_id, outcome in outcomes.items():
        assert outcome.epochs == RUNGS[reached[trial_id]].epochs
        assert (outcome.status == "ok") == (reached[trial_id] == 2)
        assert (outcome.reason or "").startswith(f"rung {reached[trial_id] + 1}: " if reached[trial_id] < 2 else "")


def test_losers_are_the_worst_over_both_stacks(climbed: tuple[dict[str, int], dict[str, Outcome]]) -> None:
    reached, outcomes = climbed

    def loss(outcome: Outcome, epoch: int) -> float:
        return next(value for at, _, name, value in outcome.curves if (at, name) == (epoch, "val_loss"))

    variants = {outcome.trial.variant_id for outcome in outcomes.values()}
    means = {
        variant: np.mean([loss(each, 1) for each in outcomes.values() if each.trial.variant_id == variant])
        for variant in variants
    }
    stayed = {outcomes[trial_id].trial.variant_id for trial_id, rung in reached.items() if rung > 0}
    assert stayed == set(sorted(variants, key=lambda variant: means[variant])[:3])
    assert {outcomes[each].trial.batch_size for each, rung in reached.items() if rung == 0} == {32, 50}


def test_survivors_are_what_they_would_be_had_nobody_left(climbed: tuple[dict[str, int], dict[str, Outcome]]) -> None:
    reached, outcomes = climbed
    for trials in stacks_of().values():
        for alone in train_stack(trials, arrays_of(), **HOW):
            if reached[alone.trial.trial_id] == 2:
                assert_same(outcomes[alone.trial.trial_id], alone, 1e-9)


class _Killed(Exception):
    pass


@pytest.mark.parametrize("at", range(6))
def test_a_climb_goes_on_from_its_last_rung_bit_for_bit(
    at: int, climbed: tuple[dict[str, int], dict[str, Outcome]], tmp_path: Path
) -> None:
    """Killed before the work of some stack on some rung: what was saved before is taken up, also by a stack that is a
    rung ahead of the other."""
    planned, works = stacks_of(), iter(range(100))

    def dies() -> None:
        if next(works) == at:
            raise _Killed

    with pytest.raises(_Killed):
        bring_up(planned, handing_over(planned, tmp_path, {}, dies))
    stacks, trained = made(planned, tmp_path), list[str]()
    reached = bring_up(planned, climbing(stacks, trained.append))
    assert reached == climbed[0]
    for trial_id, ours in outcomes_of(stacks).items():
        assert_bits(ours, climbed[1][trial_id])
    for place, name in enumerate(planned):
        rungs_saved = (at + 1 - place) // 2
        saved = RUNGS[rungs_saved - 1].epochs if rungs_saved else 0
        assert trained.count(name) <= RUNGS[-1].epochs - saved


def test_stacks_that_are_handed_over_at_each_rung_end_as_those_that_stay_in_memory(
    climbed: tuple[dict[str, int], dict[str, Outcome]], tmp_path: Path
) -> None:
    planned, ended = stacks_of(), dict[str, Stack]()
    assert bring_up(planned, handing_over(planned, tmp_path, ended)) == climbed[0]
    for trial_id, ours in outcomes_of(ended).items():
        assert_bits(ours, climbed[1][trial_id])


def test_a_stack_ahead_of_the_others_is_not_dropped_from_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dropped from again it might be compacted when it had not been, and then round otherwise."""
    planned = stacks_of()
    stacks = made(planned, tmp_path)
    bring_up(planned, climbing(stacks))
    again = made(planned, tmp_path)
    columns, dropped = {name: len(stack.rectangle.columns) for name, stack in again.items()}, []
    for stack in again.values():
        monkeypatch.setattr(stack, "drop", lambda reasons, at=stack: dropped.append(at.step))
    bring_up(planned, climbing(again))
    # The one that nobody trains in any more stays where it was at the second rung, after six steps.
    assert dropped == [6]
    assert {name: len(stack.rectangle.columns) for name, stack in again.items()} == columns
