"""Searches on small data through the stages, without Prefect: what they record, what they never look at, and that a
search that is gone on with ends as if it had never stopped."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tasks.execution import recording
from tasks.execution import trainer as trainer_module
from tasks.planning.recipes import recipes_of
from tasks.records.documents import as_json
from tasks.records.plan import Calibration, Plan, Probe, Probed
from tasks.records.tables import SETTINGS, TABLES
from tasks.records.verdict import Verdict
from tasks.run_folder import read_json
from tasks.spec.load import parse_spec
from tests.bench.same_run import differences
from tests.runs import planned

Tables = dict[str, pd.DataFrame]
MOMENTUM = {"learning_rate": "auto", "momentum": {"low": 0.5, "high": 0.99}}
SPECS: dict[str, dict[str, Any]] = {
    "random": {"method": "random", "trials": 4, "seeds": 2, "space": {"batch_size": [32, 64], **MOMENTUM}},
    "folds": {"method": "tpe", "trials": 3, "folds": 3, "space": MOMENTUM},
    "gradient": {"method": "gradient", "trials": 3, "space": MOMENTUM},
    "halving": {"method": "successive-halving", "trials": 4, "seeds": 2, "space": {"batch_size": [32, 64], **MOMENTUM}},
}


def spec_of(tune: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "data": {"source": "wine"},
        "model": "linear",
        "train": {"epochs": 9, "seeds": 2, "optimizer": "momentum"},
        "tune": tune,
    } | changes


class Done:
    """A run with a search, up to its verdict."""

    def __init__(self, folder: Path, spec: dict[str, Any]) -> None:
        self.spec, self.before = spec, planned(folder, spec)
        self.run = self.before.searched()
        self.tables = self.run.tables()
        self.verdict = self.run.judge(self.tables)
        self.settings = SETTINGS.read(folder)

    @property
    def tried(self) -> pd.DataFrame:
        return self.tables["trials"].query("stage == 'search'")


@pytest.fixture(scope="module", params=SPECS)
def done(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Done:
    return Done(tmp_path_factory.mktemp(request.param), spec_of(SPECS[request.param]))


def test_the_plan_is_complete_once_the_search_is_done(done: Done) -> None:
    assert done.before.plan.trials == done.before.plan.stacks == []
    plan = read_json(done.run.folder / "plan.json")
    assert plan == as_json(done.run.plan)
    assert {trial["seed"] for trial in plan["trials"]} == {0, 1}
    assert {trial["stage"] for trial in plan["trials"]} == {"final"}
    recorded = {path.name for path in (done.run.folder / "checkpoints").glob("*/")}
    stacks = [stack["stack_id"] for stack in [*plan["search"]["stacks"], *plan["stacks"]]]
    assert recorded >= set(stacks) and len(stacks) == len(set(stacks))


def test_every_trial_of_the_search_is_recorded(done: Done) -> None:
    tune = done.spec["tune"]
    replicas = [
        (1000 + seed, fold)
        for seed in range(tune.get("seeds", 1))
        for fold in (range(tune["folds"]) if "folds" in tune else [None])
    ]
    for _, own in done.tried.groupby("variant_id"):
        found = [(seed, None if pd.isna(fold) else fold) for seed, fold in zip(own["seed"], own["fold"], strict=True)]
        assert sorted(found, key=str) == sorted(replicas, key=str)
    assert set(done.tried["variant_id"]) == set(done.settings["variant_id"])
    assert len(done.settings) == done.before.plan.search.recipes[0].trials


def test_a_search_never_looks_at_the_test_part(done: Done) -> None:
    metrics = done.tables["metrics"].merge(done.tried[["trial_id"]], on="trial_id")
    assert set(metrics["part"]) == {"val"}
    assert not set(done.tables["predictions"]["trial_id"]) & set(done.tried["trial_id"])
    scored = done.run.prepared.rows["val"] if "folds" not in done.spec["tune"] else None
    if scored is not None:
        assert set(metrics["rows"]) == {len(scored)}


def test_the_settings_are_what_is_recorded_of_their_trials(done: Done) -> None:
    metrics = done.tables["metrics"].query("part == 'val' and metric == 'accuracy'")
    scores = done.tried.merge(metrics, on="trial_id").groupby("variant_id")["value"].mean().to_dict()
    for row in done.settings.itertuples():
        own = done.tried[done.tried["variant_id"] == row.variant_id]
        assert row.score == pytest.approx(scores[row.variant_id])
        assert row.epochs == own["epochs"].sum()
        assert row.seconds == pytest.approx(own["seconds"].sum())


def test_what_is_compared_is_the_best_setting_on_fresh_seeds(done: Done) -> None:
    ended = done.settings[done.settings["status"] == "ok"]
    best = ended.sort_values(["score", "loss", "number"], ascending=[False, True, True])["variant_id"].iloc[0]
    (recipe,) = done.run.plan.recipes
    final = done.tables["trials"].query("stage == 'final'")
    assert recipe.variant_id == best
    assert set(final["variant_id"]) == {best}
    assert sorted(final["seed"]) == [0, 1]
    assert not set(final["trial_id"]) & set(done.tried["trial_id"])
    assert recipe.recipe_id == done.before.plan.recipes[0].recipe_id, "it is still the recipe it was"


def test_the_winner_is_a_spec_that_trains_the_very_variant(done: Done) -> None:
    document = yaml.safe_load((done.run.folder / "winner.yaml").read_text(encoding="utf-8"))
    spec = parse_spec(document)
    assert spec.tune is None
    (recipe,) = recipes_of(spec)
    assert recipe.variant_id == done.run.plan.recipes[0].variant_id


def test_the_verdict_judges_the_search(done: Done) -> None:
    assert done.verdict.search
    assert done.verdict.shipped
    assert Verdict.read(done.run.folder) == done.verdict


# --- gradients and rungs -------------------------------------------------------------------------------------


def test_rungs_spend_what_plain_trials_would(tmp_path: Path) -> None:
    done = Done(tmp_path, spec_of(SPECS["halving"]))
    assert done.settings["epochs"].sum() <= 4 * 9 * 2
    assert done.settings["batch"].eq(0).all()
    ladder = done.before.plan.search.recipes[0].rungs
    reached = done.settings["rung"]
    for number, rung in enumerate(ladder):
        assert (reached >= number).sum() == rung.settings
    assert ((done.settings["status"] == "pruned") == (reached < len(ladder) - 1)).all()
    assert (done.settings["epochs"] == [2 * ladder[rung].epochs for rung in reached]).all()
    assert done.tried["stack_id"].nunique() > 1, "two batch sizes"
    assert not list((tmp_path / "checkpoints").glob("paused-*"))


def test_rungs_of_a_small_space_begin_with_all_of_it(tmp_path: Path) -> None:
    space = {"learning_rate": [0.001, 0.01, 0.1]}
    run = planned(tmp_path, spec_of({"method": "successive-halving", "trials": 20, "space": space})).searched()
    assert run.plan.search.recipes[0].trials == 3
    settings = SETTINGS.read(tmp_path)
    assert len(settings) == 3
    assert run.plan.search.recipes[0].epochs == settings["epochs"].sum()


def test_a_gradient_search_is_told_derivatives(tmp_path: Path) -> None:
    run = planned(tmp_path, spec_of(SPECS["gradient"])).searched()
    stack_ids = [stack.stack_id for stack in run.plan.search.stacks]
    for stack_id in stack_ids:
        gradients = recording.gradients_of(tmp_path / "checkpoints" / stack_id)
        assert all(set(own) == {"learning_rate", "momentum"} for own in gradients.values())
    settings = SETTINGS.read(tmp_path)
    first, *others = [json.loads(values) for values in settings["values"]]
    assert all(other != first for other in others), "it moves"


# --- folds ---------------------------------------------------------------------------------------------------


def test_the_first_of_three_folds_is_not_the_first_of_five(tmp_path: Path) -> None:
    tune = {"trials": 1, "space": {"learning_rate": [0.01]}, "method": "grid"}
    ids = [
        {trial for stack in run.plan.cost.search.first_wave for trial in stack.trials}
        for folds in (3, 5)
        for run in [planned(tmp_path / str(folds), spec_of(tune | {"folds": folds}))]
    ]
    assert [len(each) for each in ids] == [3, 5]
    assert not ids[0] & ids[1]


# --- going on ------------------------------------------------------------------------------------------------

MIXED = spec_of(
    {"trials": 4, "seeds": 2, "space": {"batch_size": [32, 64], "learning_rate": "auto"}},
    compare={"method": ["random", "two-stage", "successive-halving"]},
)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Done:
    return Done(tmp_path_factory.mktemp("uninterrupted"), MIXED)


def comparable(tables: Tables) -> Tables:
    return {name: frame.drop(columns="seconds", errors="ignore") for name, frame in tables.items()}


class _Killed(BaseException):
    pass


@pytest.mark.parametrize(
    "at", [1, pytest.param(2, marks=pytest.mark.slow), 3, 4, pytest.param(5, marks=pytest.mark.slow), 6]
)
def test_a_search_that_dies_while_it_records_goes_on_as_if_it_had_not(
    uninterrupted: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    run = planned(tmp_path, MIXED)
    write, calls = recording.write_folder, itertools.count(1)

    def dying(*arguments: Any, **more: Any) -> None:
        if next(calls) == at:
            raise _Killed
        write(*arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(recording, "write_folder", dying)
        with pytest.raises(_Killed):
            run.searched()
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "checkpoints").glob("*/")}
    assert len(finished) >= at - 1
    again = planned(tmp_path, MIXED, start="search").searched()
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert again.plan.search == uninterrupted.run.plan.search
    assert [trial.trial_id for trial in again.plan.trials] == [each.trial_id for each in uninterrupted.run.plan.trials]
    ours, theirs = comparable(again.tables() | {"settings": SETTINGS.read(tmp_path)}), comparable(uninterrupted.tables)
    theirs |= comparable({"settings": uninterrupted.settings})
    assert set(ours) == set(TABLES) - {"splits"}
    for name, frame in ours.items():
        pd.testing.assert_frame_equal(frame, theirs[name], check_exact=True)
    assert not [*(tmp_path / "checkpoints").glob("paused-*"), *tmp_path.rglob(".*")]


def test_a_finished_search_trains_nothing_when_it_is_gone_on_with(
    uninterrupted: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("trained again")

    for name in ("train_stack", "Stack", "hypergradients"):
        monkeypatch.setattr(trainer_module, name, refuse)
    before = (uninterrupted.run.folder / "plan.json").read_bytes()
    heard: list[int] = []
    again = planned(uninterrupted.run.folder, MIXED, start="train").searched(
        lambda what, done, total: heard.append(done)
    )
    assert again.plan.stacks == uninterrupted.run.plan.stacks
    assert heard == sorted(heard)
    assert read_json(uninterrupted.run.folder / "plan.json")["stacks"] == json.loads(before)["stacks"]
    pd.testing.assert_frame_equal(SETTINGS.read(again.folder), uninterrupted.settings)


def test_a_probe_is_written_down_before_the_search_and_decides_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the machine does by the time the final trials are divided, and whoever divides them."""
    from tasks.planning import stacks as layout_module

    def machine(xla: float) -> None:
        calibrations = {True: Calibration(xla, xla), False: Calibration()}
        with_xla, without = (
            Probed(trials=4, compile_seconds=1.0, step_seconds=0.1, pace=calibrations[xla]) for xla in (True, False)
        )
        found = Probe(xla=with_xla, graph=without)
        monkeypatch.setattr(layout_module, "_calibrations", lambda groups, machine: (calibrations, found))

    spec = spec_of({"trials": 2}, train={"epochs": 2, "seeds": 2})
    slow, fast = 100.0, 1e-6
    compiled = []
    for before, after in ((slow, fast), (fast, slow)):
        folder = tmp_path / f"{before} {after}"
        machine(before)
        planned(folder, spec)
        machine(after)
        plan = planned(folder, spec, start="train").searched().plan
        compiled.append({stack.xla for stack in plan.stacks})
        assert plan.probe == Plan.read(folder).probe
    assert compiled == [{False}, {True}]


def test_other_metrics_are_searched_anew(tmp_path: Path) -> None:
    """What was not measured can't be looked up, and another metric may choose other settings."""
    spec = spec_of(SPECS["random"])
    planned(tmp_path, spec).searched().tables()
    other = spec | {"evaluate": {"metric": "f1", "also": ["recall"]}}
    run = planned(tmp_path, other, start="judge").searched()
    settings = SETTINGS.read(tmp_path)
    assert set(settings["status"]) == {"ok"}
    tables = run.tables()
    tried = tables["trials"].query("stage == 'search'")
    assert set(tables["metrics"].merge(tried[["trial_id"]], on="trial_id")["metric"]) == {"f1", "recall", "loss"}


def test_augmentation_pace_divides_no_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pace is measured, so it differs from time to time; the division of a search is to be the same."""
    from tasks.planning import stacks as layout_module

    spec = spec_of(
        {"trials": 4, "space": {"learning_rate": "auto", "batch_size": [32, 64]}},
        data={"source": "digits", "rows": 200},
        compare={"augmentation": ["flip", {"steps": ["flip"], "times": 2}]},
    )
    divided = []
    for seconds in (1e-9, 1e-5, 1e-2, 10.0):
        monkeypatch.setattr(layout_module, "example_seconds", lambda policy, few, taken=seconds: taken)
        run = planned(tmp_path / str(seconds), spec)
        divided.append([stack.trials for stack in run.plan.cost.search.first_wave])
    assert divided[0] == divided[1] == divided[2] == divided[3]


def test_a_second_search_trains_nothing(done: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the method: settings, observations and stacks are those of the first."""
    for name in ("train_stack", "hypergradients", "Stack", "train_fit"):
        monkeypatch.setattr(trainer_module, name, None)
    again = planned(tmp_path / "again", done.spec, home=done.run.folder).searched()
    again.judge(again.tables())
    assert differences(done.run.folder, tmp_path / "again") == []


@pytest.mark.parametrize(("name", "reused"), [("random", 8), ("halving", 0)])
def test_one_more_setting(name: str, reused: int, tmp_path: Path) -> None:
    """It is trained alone. But at rungs all settings are compared, so one more changes what becomes of each."""
    home = tmp_path / "home"
    planned(tmp_path / "first", spec_of(SPECS[name]), home=home).searched()
    more = spec_of(SPECS[name] | {"trials": 5})
    search = planned(tmp_path / "again", more, home=home).searched().plan.search
    assert search is not None
    assert sum(stack.size for stack in search.stacks if stack.reused) == reused
