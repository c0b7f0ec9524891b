"""Runs that compare budgets: under `wsd` the longest trials take the steps that all have in common."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks.records.plan import Plan
from tasks.records.stacks import PlannedStack
from tasks.records.weights import folder_of
from tasks.training.stack import Stack
from tests.runs import Planned, planned

SPEC: dict[str, Any] = {
    "data": {"source": "wine"},
    "model": {"kind": "mlp", "hidden": [8]},
    "train": {"seeds": 2, "schedule": "wsd"},
    "compare": {"optimizer": ["adam", "momentum"], "epochs": [2, 5, 10]},
}


def _alike(plan: Plan, stack: PlannedStack) -> list[tuple[str, int]]:
    """What a stack's trials share with those that go on from it, in order."""
    trials = {trial.trial_id: trial for trial in plan.trials}
    return [(plan.variant(trials[each].variant_id).optimizer, trials[each].seed) for each in stack.trials]


def curves_of(run: Planned, epochs: int) -> pd.DataFrame:
    """The curves of the trials of one budget, by variant and seed."""
    run.train()
    trials = {trial.trial_id: trial for trial in run.plan.trials if trial.epochs == epochs}
    found = pd.concat([pd.read_parquet(folder / "curves.parquet") for folder in run.stacks()])
    found = found[found["trial_id"].isin(trials)]
    named = found.assign(
        variant=[trials[each].variant_id for each in found["trial_id"]],
        seed=[trials[each].seed for each in found["trial_id"]],
    )
    keys = ["variant", "seed", "step", "layer", "name"]
    return named[[*keys, "value"]].sort_values(keys).reset_index(drop=True)


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    return planned(tmp_path_factory.mktemp("together"), SPEC)


def test_the_plan_says_who_goes_on_from_whom(together: Planned) -> None:
    plan = together.plan
    per_epoch = max(stack.steps for stack in plan.stacks) // 10
    shared = {stack.steps // per_epoch: (stack.shared or 0) // per_epoch for stack in plan.stacks}
    assert shared == {2: 1, 5: 4, 10: 0}
    longest = {stack.stack_id: stack for stack in plan.stacks if stack.after is None}
    for stack in plan.stacks:
        ours, theirs = (_alike(plan, each) for each in (stack, longest[stack.after or stack.stack_id]))
        assert ours == theirs
    assert plan.cost.steps == 4 * per_epoch * (10 + 1 + 1)


def test_each_budget_is_as_if_it_was_alone(together: Planned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken_up: list[Path] = []

    def load(stack: Stack, path: Path, whole: Any = Stack.load) -> None:
        whole(stack, path)
        taken_up.append(path)

    monkeypatch.setattr(Stack, "load", load)
    ours = {epochs: curves_of(together, epochs) for epochs in (2, 5, 10)}
    assert len(taken_up) == sum(stack.after is not None for stack in together.plan.stacks) >= 2
    assert not [*(together.folder / "checkpoints").glob("paused-*")]
    for epochs, found in ours.items():
        alone = {**SPEC, "train": {**SPEC["train"], "epochs": epochs}, "compare": {"optimizer": ["adam", "momentum"]}}
        theirs = curves_of(planned(tmp_path / str(epochs), alone), epochs)
        pd.testing.assert_frame_equal(found, theirs, rtol=1e-6)


def test_what_lost_the_stack_that_it_goes_on_from_trains_from_the_beginning(together: Planned) -> None:
    before = curves_of(together, 5)
    for stack in together.plan.stacks:
        if stack.steps == max(each.steps for each in together.plan.stacks) // 2:
            shutil.rmtree(folder_of(together.folder, stack.stack_id))
    pd.testing.assert_frame_equal(curves_of(together, 5), before, check_exact=True)


@pytest.mark.parametrize(
    ("changed", "led"),
    [
        ({"schedule": "cosine"}, 0),
        ({"schedule": {"wsd": {"warmup": 0.1}}}, 0),
        ({"schedule": "constant"}, 2),
        ({"evaluate_every": {"steps": 7}}, 2),
    ],
)
def test_only_schedules_that_begin_alike_share(changed: dict[str, Any], led: int, tmp_path: Path) -> None:
    plan = planned(tmp_path, {**SPEC, "train": {**SPEC["train"], **changed}}).plan
    assert len({stack.steps for stack in plan.stacks if stack.after}) == led


def test_schedules_that_follow_the_budget_stay_apart(tmp_path: Path) -> None:
    compare = {"schedule": ["wsd", "cosine"], "epochs": [5, 10]}
    plan = planned(tmp_path, {**SPEC, "train": {"seeds": 2}, "compare": compare}).plan
    schedules = {trial.trial_id: plan.variant(trial.variant_id).schedule for trial in plan.trials}
    kinds = [{schedules[each] for each in stack.trials} for stack in plan.stacks]
    assert all(len(kind) == 1 for kind in kinds)
    led = [kind for kind, stack in zip(kinds, plan.stacks, strict=True) if stack.after]
    assert {"wsd"} in led and {"cosine"} not in led
