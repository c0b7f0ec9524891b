"""The stage stabilise on a restless Adam: what it tries, what it writes, and that it goes on as it began."""

from __future__ import annotations

import html
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reports.repairs import repairs as shown
from reports.run import read_run
from tasks import stages
from tasks.execution import trainer
from tasks.execution.stabilising import FIRST_SEED, PROOF_SEED, SEEDS, SLACK
from tasks.planning.recipes import recipes_of
from tasks.records.documents import as_json
from tasks.records.repairs import Repairs
from tasks.records.tables import METRICS, TRIALS
from tasks.spec.load import load_spec
from tests.runs import Planned, planned

pytestmark = pytest.mark.slow
RESTLESS: dict[str, Any] = {
    "data": {"source": "digits", "rows": 400},
    "model": {"mlp": {"hidden": [32]}},
    "train": {
        "epochs": 20,
        "seeds": 3,
        "batch_size": 8,
        "optimizer": {"adam": {"learning_rate": 0.03}},
        "stabilise": True,
    },
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    run = planned(tmp_path_factory.mktemp("run"), RESTLESS)
    run.train()
    return run


@pytest.fixture(scope="module")
def done(run: Planned) -> Repairs:
    return stages.stabilise(run.run, run.plan, run.prepared)


def test_the_recipe_is_cured_and_proved(done: Repairs) -> None:
    (repair,) = done.recipes
    assert repair.kind == "fluctuating_validation_loss"
    assert repair.cured and repair.proof is not None and repair.proof.cured and not repair.proof.found
    high = repair.proof.loss_change.high
    assert high is not None and high <= SLACK
    assert all(not (rung.proof and rung.proof.cured) for rung in repair.rungs[:-1])  # it stops where it is cured
    assert sum(each.kept for rung in repair.rungs for each in rung.tried) >= 1


def test_the_control_takes_as_many_steps(done: Repairs) -> None:
    (repair,) = done.recipes
    assert repair.control is not None and repair.controls >= 2
    assert repair.control_steps == pytest.approx(repair.steps, rel=0.5 / repair.controls)


def test_the_repaired_spec_is_the_repaired_recipe(run: Planned, done: Repairs) -> None:
    spec, _ = load_spec(run.folder / "repaired.yaml")
    (recipe,) = recipes_of(spec)
    (repair,) = done.recipes
    assert recipe.settings == repair.settings
    assert not spec.train.stabilise and spec.train.seeds == 3


def test_test_rows_are_left_alone_and_the_comparison_too(run: Planned, done: Repairs) -> None:
    folders = [path for path in (run.folder / "checkpoints").iterdir() if path.is_dir()]
    trials = pd.concat([TRIALS.read(path) for path in folders])
    repaired = trials[trials["stage"] == "repair"]
    assert set(repaired["seed"]) == {*range(FIRST_SEED, FIRST_SEED + SEEDS), *range(PROOF_SEED, PROOF_SEED + SEEDS)}
    metrics = pd.concat([METRICS.read(path) for path in folders]).merge(repaired[["trial_id"]], on="trial_id")
    assert set(metrics["part"]) == {"val"}
    assert set(run.tables()["trials"]["stage"]) == {"final", "baseline"}


def test_it_goes_on_without_training_anything_twice(
    run: Planned, done: Repairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **options: Any) -> Any:
        raise AssertionError("trained twice")

    monkeypatch.setattr(trainer, "train_stack", refuse)
    again = stages.stabilise(run.run, run.plan, run.prepared)
    assert as_json(again) == as_json(done) == as_json(Repairs.read(run.folder))


def test_the_report_shows_the_ladder(run: Planned, done: Repairs) -> None:
    page = html.unescape(shown(read_run(run.folder)))
    (repair,) = done.recipes
    assert "bakeoff run repaired.yaml" in page and "On fresh seeds" in page
    assert all(rung.title in page for rung in repair.rungs)
    change = repair.rungs[0].tried[0].loss_change.mean
    assert change is not None and f"{math.exp(change):.3g} (" in page


def test_a_sound_recipe_is_left_as_it_is(tmp_path: Path) -> None:
    train = {"epochs": 20, "seeds": 2, "optimizer": {"adam": {"learning_rate": 0.01}}, "stabilise": True}
    sound = planned(tmp_path, {"data": {"source": "wine"}, "model": "linear", "train": train})
    sound.train()
    (tmp_path / "repaired.yaml").touch()  # of an earlier time
    found = stages.stabilise(sound.run, sound.plan, sound.prepared)
    assert not found.recipes and found.written is None
    assert not (tmp_path / "repaired.yaml").exists()
    assert "nothing was repaired" in shown(read_run(tmp_path))
