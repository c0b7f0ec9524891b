"""What a run reuses of earlier ones: after each kind of change what is trained anew, and that figures are the same."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.execution import trainer
from tasks.records.plan import reuse_sentence
from tasks.records.tables import METRICS
from tasks.run_folder import Stage
from tests.bench.same_run import differences
from tests.runs import Planned, planned

Spec = dict[str, Any]
SPEC: Spec = {
    "name": "small",
    "data": {"source": "people.csv", "target": "left"},
    "model": {"mlp": {"hidden": [4]}},
    "train": {"epochs": 2, "seeds": 2},
    "compare": {"optimizer": ["sgd", {"adam": {"learning_rate": 0.01}}]},
    "evaluate": {"threshold": 0.4},
    "gates": [{"metric": "accuracy", "at_least": 0.1}],
}
TRIALS = 4


def write_people(folder: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.normal(40, 9, 150).round(2), "visits": rng.integers(0, 9, 150)})
    frame["left"] = np.where(frame["age"] + 3 * frame["visits"] + rng.normal(0, 5, 150) > 52, "yes", "no")
    frame.to_csv(folder / "people.csv", index=False)


def with_value(path: str, value: Any) -> Callable[[Spec], Spec]:
    def change(spec: Spec) -> Spec:
        found = copy.deepcopy(spec)
        *above, last = path.split(".")
        part = found
        for name in above:
            part = part.setdefault(name, {})
        part[last] = value
        return found

    return change


SGD, ADAM = SPEC["compare"]["optimizer"]
COST = {"false_negative": 5, "false_positive": 1}
CHANGES: dict[str, tuple[Callable[[Spec], Spec], int]] = {
    "nothing": (lambda spec: spec, 0),
    "a gate": (with_value("gates", [{"metric": "recall", "at_least": 0.9}]), 0),
    "the threshold": (with_value("evaluate.threshold", 0.7), 0),
    "the cost": (with_value("evaluate", {"cost": COST}), 0),
    "a key of the report": (with_value("report.show_examples", True), 0),
    "one recipe's parameter": (with_value("compare.optimizer", [SGD, {"adam": {"learning_rate": 0.02}}]), 2),
    "a new recipe": (with_value("compare.optimizer", [SGD, ADAM, "rmsprop"]), 2),
    "one more seed": (with_value("train.seeds", 3), 2),
    "a row of the data": (lambda spec: spec, 4),
    "epochs": (with_value("train.epochs", 3), 4),
    "the model": (with_value("model.mlp.hidden", [5]), 4),
}
"""By what is changed: how, and how many trials are trained anew."""


def run_of(base: Path, name: str, spec: Spec, home: Path, anew: Stage | None = None) -> Planned:
    """A run up to its plan, in a folder of its own beside its data."""
    return planned(base / name, with_value("data.source", str(base / "people.csv"))(spec), home=home, anew=anew)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    base = tmp_path_factory.mktemp("reuse")
    write_people(base)
    run = run_of(base, "first", SPEC, base / "home")
    run.judge(run.tables())
    return run


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the trials that are trained from here on."""
    found: list[str] = []
    train_stack = trainer.train_stack

    def noted(trials: Any, *arguments: Any, **options: Any) -> Any:
        found.extend(trial.trial_id for trial in trials)
        return train_stack(trials, *arguments, **options)

    monkeypatch.setattr(trainer, "train_stack", noted)
    return found


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_trains_what_it_decides(what: str, first: Planned, trained: list[str], tmp_path: Path) -> None:
    change, expected = CHANGES[what]
    source = first.folder.parent / "people.csv"
    text = source.read_text(encoding="utf-8")
    (tmp_path / "people.csv").write_text(text.replace(text.split("\n")[1], "99.5,1,no") if "row" in what else text)
    run = run_of(tmp_path, "again", change(SPEC), first.run.home)
    planned_anew = [trial for stack in run.plan.stacks if not stack.reused for trial in stack.trials]
    verdict = run.judge(run.tables())
    assert sorted(trained) == sorted(planned_anew)
    assert len(trained) == expected, "what is trained"
    reused = len(run.plan.trials) - expected
    assert bool(reused) == bool(run.plan.reuse)
    if reused:
        assert run.plan.reuse.startswith(f"{reused} of {len(run.plan.trials)} trials are reused (trained by first)")
        assert f"{expected or 'none'}" in run.plan.reuse.rpartition(",")[2]
    assert verdict.test_evaluations == 1, "a first look in this folder"


def test_a_second_run_is_the_first(first: Planned, trained: list[str], tmp_path: Path) -> None:
    write_people(tmp_path)
    again = run_of(tmp_path, "again", SPEC, first.run.home)
    again.judge(again.tables())
    assert trained == []
    found = differences(first.folder, again.folder)
    assert [each for each in found if "data.source" not in each and ".notes" not in each] == []
    for each in again.plan.stacks:
        files = {path.name for path in (first.folder / "checkpoints" / each.stack_id).iterdir()}
        assert files == {path.name for path in (again.folder / "checkpoints" / each.stack_id).iterdir()}


@pytest.mark.parametrize("what", ["one recipe's parameter", "the threshold", "the cost"])
def test_figures_are_those_of_a_whole_run(what: str, first: Planned, tmp_path: Path) -> None:
    write_people(tmp_path)
    spec = CHANGES[what][0](SPEC)
    tables = [run_of(tmp_path, home.name, spec, home).tables() for home in (first.run.home, tmp_path / "elsewhere")]
    reused, whole = (each["metrics"].set_index(["trial_id", "part", "metric"]).sort_index() for each in tables)
    assert reused.index.equals(whole.index)
    np.testing.assert_allclose(reused["value"], whole["value"], rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(("stage", "expected"), [("load", 4), ("train", 4), ("evaluate", 0)])
def test_from_a_stage_on_nothing_is_reused(
    stage: Stage, expected: int, first: Planned, trained: list[str], tmp_path: Path
) -> None:
    write_people(tmp_path)
    run_of(tmp_path, "again", SPEC, first.run.home, anew=stage).train()
    assert len(trained) == expected


def test_what_is_no_longer_whole_is_trained_anew(first: Planned, trained: list[str], tmp_path: Path) -> None:
    write_people(tmp_path)
    home = tmp_path / "home"
    one = run_of(tmp_path, "one", SPEC, home)
    one.train()
    files = sorted((home / "cache" / "trials").iterdir())
    assert len(files) == len(set(trained)) == TRIALS
    files[0].write_bytes(files[0].read_bytes()[:-1])
    two = run_of(tmp_path, "two", SPEC, home)
    assert two.plan.reuse == "3 of 4 trials are reused (trained by one), 1 is trained"
    files[1].unlink()  # after it was planned
    trained.clear()
    two.train()
    assert len(trained) in (2, 3), "the lost one, with those of its stack"
    three = run_of(tmp_path, "three", SPEC, home)
    assert reuse_sentence(three.plan.stacks).startswith("4 of 4 trials are reused")
    np.testing.assert_allclose(_values(three), _values(one), rtol=2e-5, atol=2e-6)


def _values(run: Planned) -> pd.Series:
    run.train()
    found = pd.concat([METRICS.read(folder) for folder in run.stacks()])
    return found.set_index(["trial_id", "part", "metric"]).sort_index()["value"]


@pytest.mark.slow
def test_trials_of_fit_are_reused(
    first: Planned, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trained: list[str]
) -> None:
    monkeypatch.setattr("tasks.planning.groups.incompatibility", lambda model: "a test says so")
    write_people(tmp_path)
    home = tmp_path / "home"
    one = run_of(tmp_path, "one", SPEC, home)
    one.judge(one.tables())
    assert {stack.trainer for stack in one.plan.stacks} == {"fit"} and not trained
    monkeypatch.setattr(trainer, "train_fit", None)
    two = run_of(tmp_path, "two", SPEC, home)
    two.judge(two.tables())
    assert differences(one.folder, two.folder) == []


def test_evaluations_by_seconds_are_not_reused(tmp_path: Path) -> None:
    """Their steps come from the pace of the machine."""
    write_people(tmp_path)
    spec = with_value("train.evaluate_every", {"seconds": 0.01})(SPEC)
    run_of(tmp_path, "one", spec, tmp_path / "home").train()
    assert run_of(tmp_path, "two", spec, tmp_path / "home").plan.reuse == ""
    assert not (tmp_path / "home" / "cache" / "trials").exists()
