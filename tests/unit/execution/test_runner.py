"""Real trials on small data: what is recorded of them, and that nothing is lost, repeated or made up."""

from __future__ import annotations

import io
import itertools
import json
import os
import shutil
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sklearn_metrics

from tasks.execution import trainer as trainer_module
from tasks.execution.executors import LocalExecutor
from tasks.execution.scoring import predicted_trials
from tasks.planning import cost_model as stacking
from tasks.planning.stacks import Machine
from tasks.records.verdict import Verdict
from tasks.records.weights import kept_weights
from tests.runs import Planned, planned
from tests.unit.records.test_tables import COLUMNS

CLASSIFICATION: dict[str, Any] = {
    "data": {"source": "wine"},
    "model": {"kind": "mlp", "hidden": [8]},
    "train": {"epochs": 3, "seeds": 3, "early_stopping": {"patience": 1}},
    "compare": {"optimizer": ["adam", "momentum"], "batch_size": [32, 50]},
    "evaluate": {"metric": "accuracy", "also": ["log_loss", "f1", "recall", "precision"]},
}
REGRESSION: dict[str, Any] = {
    "data": {"source": "diabetes"},
    "model": "linear",
    "train": {"epochs": 3, "seeds": 2},
    "compare": {"optimizer": [{"sgd": {"learning_rate": 1e6}}, "adam"]},
    "evaluate": {"metric": "rmse", "also": ["mae", "r2"]},
}
Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    return planned(tmp_path_factory.mktemp("wine"), CLASSIFICATION)


@pytest.fixture(scope="module")
def tables(wine: Planned) -> Tables:
    return wine.tables()


@pytest.fixture(scope="module")
def diabetes(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    return planned(tmp_path_factory.mktemp("diabetes"), REGRESSION)


@pytest.fixture(scope="module")
def diabetes_tables(diabetes: Planned) -> Tables:
    return diabetes.tables()


def of_part(frame: pd.DataFrame, trial_id: str, part: str) -> pd.DataFrame:
    return frame[(frame["trial_id"] == trial_id) & (frame["part"] == part)]


def values_of(tables: Tables, trial_id: str, part: str) -> dict[str, float]:
    """The recorded metrics of a trial by name."""
    rows = of_part(tables["metrics"], trial_id, part)
    assert rows["metric"].is_unique
    return dict(zip(rows["metric"], rows["value"], strict=True))


def trained(tables: Tables) -> pd.DataFrame:
    return tables["trials"][tables["trials"]["stage"] == "final"]


# --- what stands in the tables -------------------------------------------------------------------------------


def test_a_real_runs_tables_have_exactly_the_contracts_columns(wine: Planned, tables: Tables) -> None:
    written = {name: columns for name, columns in COLUMNS.items() if name != "settings"}  # the search writes that one
    for name, columns in written.items():
        frame = pd.read_parquet(wine.folder / f"{name}.parquet")
        assert list(frame.columns) == columns
        assert len(frame) > 0
    assert {name: list(frame.columns) for name, frame in tables.items()} == {
        name: columns for name, columns in written.items() if name != "splits"
    }


def test_every_planned_trial_is_recorded_once_with_what_it_was(wine: Planned, tables: Tables) -> None:
    recorded = trained(tables).set_index("trial_id")
    assert sorted(recorded.index) == sorted(trial.trial_id for trial in wine.plan.trials)
    for stack in wine.plan.stacks:
        assert (recorded.loc[stack.trials, "stack_id"] == stack.stack_id).all()
        assert (recorded.loc[stack.trials, "parameters"] == stack.parameters).all()
    for trial in wine.plan.trials:
        row, recipe = recorded.loc[trial.trial_id], wine.plan.variant(trial.variant_id)
        assert (row["seed"], row["variant_id"], row["recipe"]) == (trial.seed, trial.variant_id, recipe.recipe)
        assert json.loads(row["params"]) == recipe.settings.document
        assert (row["status"], row["trainer"], row["stage"]) == ("ok", "stack", "final")
        assert row[["reason", "rung", "fold"]].isna().all()
        assert 1 <= row["epochs"] <= 3
        steps_an_epoch = -(-wine.plan.parts["train"] // recipe.settings.batch_size)
        assert row["steps"] == row["epochs"] * steps_an_epoch
        assert 1 <= row["best_step"] <= row["steps"]
        assert row["seconds"] > 0


def test_curves_have_a_point_an_epoch(tables: Tables) -> None:
    curves = tables["curves"]
    assert set(curves["name"]) > {"train_loss", "val_loss", "val_accuracy", "learning_rate"}  # and the signals
    assert np.isfinite(curves["value"]).all()
    curves = curves[curves["name"].isin(["train_loss", "val_loss", "val_accuracy", "learning_rate"])]
    assert curves["layer"].isna().all()
    for row in trained(tables).itertuples():
        for _, points in curves[curves["trial_id"] == row.trial_id].groupby("name"):
            assert points["epoch"].tolist() == list(range(1, row.epochs + 1))
            assert points["step"].tolist() == [epoch * row.steps // row.epochs for epoch in points["epoch"]]


def test_the_kept_weights_are_those_of_the_best_step(tables: Tables) -> None:
    """Early stopping restores them: the recorded loss is the lowest of the curve, and no penalties are in it."""
    for row in trained(tables).itertuples():
        curve = tables["curves"].query("trial_id == @row.trial_id and name == 'val_loss'")
        best = curve.iloc[curve["value"].argmin()]
        assert row.best_step == best["step"]
        assert values_of(tables, row.trial_id, "val")["loss"] == pytest.approx(best["value"], rel=1e-5)


def test_each_part_is_measured_with_every_metric(wine: Planned, tables: Tables) -> None:
    expected = {wine.plan.metric, *wine.plan.also, "loss"}
    for trial in wine.plan.trials:
        for part in ("train", "val", "test"):
            assert set(values_of(tables, trial.trial_id, part)) == expected
            assert set(of_part(tables["metrics"], trial.trial_id, part)["rows"]) == {wine.plan.parts[part]}
    assert tables["metrics"]["slice"].isna().all()


def test_predictions_are_probabilities_of_every_class_for_each_row_of_a_part(wine: Planned, tables: Tables) -> None:
    target, rows = wine.prepared.dataset.target, wine.prepared.rows
    for (_, part), frame in tables["predictions"].groupby(["trial_id", "part"]):
        assert part in ("val", "test")
        wide = frame.pivot(index="row", columns="class_index", values="value")
        assert wide.index.tolist() == sorted(rows[part])
        assert wide.columns.tolist() == [0, 1, 2]
        assert wide.min(axis=None) >= 0
        np.testing.assert_allclose(wide.sum(axis=1), 1, rtol=1e-6)  # a baseline's come in float32
        np.testing.assert_array_equal(frame["target"], target[frame["row"].to_numpy(int)])


def test_predictions_of_every_trial_are_kept_while_they_are_few(wine: Planned, tables: Tables) -> None:
    recorded = tables["predictions"].groupby(["trial_id", "part"]).size().unstack()
    assert set(recorded.index) == set(tables["trials"]["trial_id"])
    assert (recorded == [wine.plan.parts[part] * 3 for part in recorded.columns]).all(axis=None)


def test_of_more_predictions_those_of_the_leader_and_the_finalists_are_kept(wine: Planned, tables: Tables) -> None:
    """A finalist is the trial that a recipe would ship: the best on validation, the first seed among equals."""
    values = 12 * 3 * (wine.plan.parts["val"] + wine.plan.parts["test"])
    everyone = {trial.trial_id for trial in wine.plan.trials}
    assert len(everyone) == 12 and predicted_trials(wine.plan, wine.prepared, wine.folder, values) == everyone
    kept = predicted_trials(wine.plan, wine.prepared, wine.folder, values - 1)
    frame = trained(tables).assign(
        score=lambda rows: [values_of(tables, each, "val")["accuracy"] for each in rows["trial_id"]]
    )
    best = frame.sort_values(["score", "seed"], ascending=[False, True]).groupby("recipe_id").first()["trial_id"]
    leader = frame.groupby("recipe_id", sort=False)["score"].mean().idxmax()
    assert len(best) == len(wine.plan.recipes) == 4
    assert kept == {*best, *frame.loc[frame["recipe_id"] == leader, "trial_id"]}
    assert len(kept) == 4 + 2


SKLEARN = {
    "accuracy": lambda target, p: sklearn_metrics.accuracy_score(target, p.argmax(1)),
    "log_loss": lambda target, p: sklearn_metrics.log_loss(target, p, labels=[0, 1, 2]),
    "f1": lambda target, p: sklearn_metrics.f1_score(target, p.argmax(1), average="macro"),
    "recall": lambda target, p: sklearn_metrics.recall_score(target, p.argmax(1), average="macro"),
    "precision": lambda target, p: sklearn_metrics.precision_score(
        target, p.argmax(1), average="macro", zero_division=0
    ),
}


@pytest.mark.filterwarnings("ignore:The y_prob values do not sum to one")
def test_recorded_metrics_are_scikit_learns_on_the_recorded_predictions(wine: Planned, tables: Tables) -> None:
    assert set(SKLEARN) == {wine.plan.metric, *wine.plan.also}
    for (trial_id, part), frame in tables["predictions"].groupby(["trial_id", "part"]):
        wide = frame.pivot(index=["row", "target"], columns="class_index", values="value")
        target, probabilities = wide.index.get_level_values("target").to_numpy(int), wide.to_numpy(float)
        recorded = values_of(tables, trial_id, part)
        for name, function in SKLEARN.items():
            assert recorded[name] == pytest.approx(function(target, probabilities), rel=1e-6), (trial_id, part, name)


def test_a_regressions_metrics_are_scikit_learns_too(diabetes_tables: Tables) -> None:
    predictions = diabetes_tables["predictions"]
    assert predictions["class_index"].isna().all()
    assert predictions["trial_id"].nunique() == 2 + 3, "two trials that ended, three baselines"
    for (trial_id, part), frame in predictions.groupby(["trial_id", "part"]):
        assert frame["row"].is_unique
        target, value = frame["target"], frame["value"]
        recorded = values_of(diabetes_tables, trial_id, part)
        assert recorded["rmse"] == pytest.approx(sklearn_metrics.root_mean_squared_error(target, value))
        assert recorded["mae"] == pytest.approx(sklearn_metrics.mean_absolute_error(target, value))
        assert recorded["r2"] == pytest.approx(sklearn_metrics.r2_score(target, value))


def test_baselines_are_recorded_beside_the_trials(tables: Tables, diabetes_tables: Tables) -> None:
    for each, names in (
        (tables, ["majority class", "logistic regression", "gradient boosting"]),
        (diabetes_tables, ["mean", "linear regression", "gradient boosting"]),
    ):
        baselines = each["trials"].query("stage == 'baseline'")
        assert baselines["recipe"].tolist() == names
        assert set(baselines["status"]) == {"ok"}
        assert set(baselines["trainer"]) == {"sklearn"}
        assert baselines[["optimizer", "schedule", "seed", "stack_id", "epochs"]].isna().all(axis=None)
        for trial_id in baselines["trial_id"]:
            assert values_of(each, trial_id, "val").keys() == values_of(each, trial_id, "test").keys()
            assert len(of_part(each["metrics"], trial_id, "train")) == 0


def test_a_constant_baselines_metrics_are_known_beforehand(wine: Planned, tables: Tables) -> None:
    (trial_id,) = tables["trials"].query("recipe == 'majority class'")["trial_id"]
    target, rows = wine.prepared.dataset.target, wine.prepared.rows
    majority = np.bincount(target[rows["train"]]).argmax()
    assert values_of(tables, trial_id, "test")["accuracy"] == np.mean(target[rows["test"]] == majority)


# --- evaluations and targets ---------------------------------------------------------------------------------


def test_evaluations_inside_epochs_and_a_target_are_recorded(tmp_path: Path) -> None:
    spec = CLASSIFICATION | {
        "train": {"epochs": 6, "seeds": 2, "evaluate_every": {"steps": 3}, "stop_at": {"metric": "loss", "value": 0.6}},
        "compare": {"optimizer": [{"adam": {"learning_rate": 0.01}}, {"sgd": {"learning_rate": 1e-6}}]},
    }
    run = planned(tmp_path, spec)
    tables = run.tables()
    curves = tables["curves"]
    assert not curves.duplicated(["trial_id", "step", "layer", "name"]).any()
    assert set(json.loads((tmp_path / "plan.json").read_text())["stacks"][0]) >= {"evaluate_every"}
    for row in trained(tables).itertuples():
        steps = curves.query("trial_id == @row.trial_id and name == 'val_loss'")["step"].tolist()
        assert steps == [*range(3, row.steps + 1, 3), *([row.steps] if row.steps % 3 else [])]
        losses = curves.query("trial_id == @row.trial_id and name == 'val_loss'")["value"]
        assert (row.status, row.best_step) == ("ok", row.steps)
        if row.optimizer == "adam":
            assert row.reason == f"reached loss 0.6 at step {row.steps}"
            assert losses.iloc[-1] <= 0.6 < losses.iloc[:-1].min()
        else:
            assert pd.isna(row.reason)
            assert row.steps == run.plan.stacks[0].steps


# --- divergence ----------------------------------------------------------------------------------------------


def test_a_trial_that_diverges_ends_alone(diabetes_tables: Tables) -> None:
    recorded = trained(diabetes_tables).set_index(["optimizer", "seed"])
    for seed in (0, 1):
        lost, kept = recorded.loc[("sgd", seed), :], recorded.loc[("adam", seed), :]
        assert (lost["status"], kept["status"]) == ("diverged", "ok")
        assert "loss became non-finite by epoch" in lost["reason"]
        assert pd.isna(kept["reason"])
        assert pd.isna(lost["best_step"])
        assert len(diabetes_tables["metrics"].query("trial_id == @lost.trial_id")) == 0
        assert len(diabetes_tables["predictions"].query("trial_id == @lost.trial_id")) == 0
        assert set(values_of(diabetes_tables, kept["trial_id"], "test")) == {"rmse", "mae", "r2", "loss"}
    assert np.isfinite(diabetes_tables["curves"]["value"]).all()


def test_no_weights_are_kept_of_a_trial_that_diverged(diabetes: Planned, diabetes_tables: Tables) -> None:
    for row in trained(diabetes_tables).itertuples():
        weights = kept_weights(diabetes.folder, row.stack_id).get(row.trial_id, [])
        assert [weight.shape for weight in weights] == ([(10, 1), (1,)] if row.status == "ok" else [])


def test_a_run_whose_trials_all_diverge_is_judged_and_ships_nothing(tmp_path: Path) -> None:
    spec = REGRESSION | {
        "train": {"optimizer": {"sgd": {"learning_rate": 1e6}}, "epochs": 3, "seeds": 2},
        "compare": {},
    }
    run = planned(tmp_path, spec)
    verdict = run.judge(run.tables())
    assert (verdict.winner, verdict.shipped) == (None, None)
    assert [recipe.status for recipe in verdict.recipes] == ["diverged"]
    assert list((tmp_path / "model").iterdir()) == []
    assert Verdict.read(tmp_path) == verdict


# --- nothing is trained twice, nothing half-recorded ---------------------------------------------------------


def small(folder: Path, start: str = "load", **changes: Any) -> Planned:
    """Two stacks of two trials each."""
    spec = {
        "data": {"source": "wine"},
        "model": "linear",
        "train": {"epochs": 1, "seeds": 2, "optimizer": "sgd"},
        "compare": {"batch_size": [64, 128]},
    }
    return planned(folder, spec | changes, start)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the stacks that are trained from here on."""
    sizes: list[int] = []
    train_stack = trainer_module.train_stack

    def counted(trials: Any, *arguments: Any, **options: Any) -> Any:
        sizes.append(len(trials))
        return train_stack(trials, *arguments, **options)

    monkeypatch.setattr(trainer_module, "train_stack", counted)
    return sizes


def test_finished_stacks_are_kept_and_not_trained_again(tmp_path: Path, trainings: list[int]) -> None:
    small(tmp_path).tables()
    assert trainings == [2, 2]
    before = files_of(tmp_path / "checkpoints")
    again = small(tmp_path, start="train")
    tables = again.tables()
    assert trainings == [2, 2]
    assert files_of(tmp_path / "checkpoints") == before
    assert len(trained(tables)) == 4

    shutil.rmtree(again.stacks()[0])
    again.train()
    assert trainings == [2, 2, 2], "what is missing is trained"
    assert len(again.stacks()) == 2


def with_other_metrics(folder: Path) -> tuple[Planned, Tables]:
    small(folder).tables()
    run = small(folder, start="train", evaluate={"metric": "f1", "also": ["recall"]})
    return run, run.tables()


def test_other_metrics_are_measured_anew(tmp_path: Path) -> None:
    """Outputs are not kept, so what was not measured can't be looked up."""
    run, tables = with_other_metrics(tmp_path)
    for trial in run.plan.trials:
        assert set(values_of(tables, trial.trial_id, "test")) == {"f1", "recall", "loss"}


def test_other_metrics_of_the_baselines_are_measured_anew(tmp_path: Path) -> None:
    _, tables = with_other_metrics(tmp_path)
    for trial_id in tables["trials"].query("stage == 'baseline'")["trial_id"]:
        assert set(values_of(tables, trial_id, "test")) == {"f1", "recall"}


def test_going_on_follows_the_plan_that_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine with more cores trials would be divided otherwise, and what is finished be trained again."""
    compare = {"optimizer": ["sgd", "adam", "lion", "nadam"]}
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    before = small(tmp_path, train={"epochs": 1, "seeds": 2}, compare=compare)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    again = small(tmp_path, start="train", train={"epochs": 1, "seeds": 2}, compare=compare)
    assert again.plan == before.plan


@pytest.mark.parametrize("dying", ["training", "recording", "interrupted"])
def test_a_stack_that_dies_leaves_the_finished_ones_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dying: str
) -> None:
    run = small(tmp_path)
    where = (np, "savez") if dying == "recording" else (trainer_module, "train_stack")
    error = KeyboardInterrupt if dying == "interrupted" else RuntimeError
    work, calls = getattr(*where), itertools.count(1)

    def second_call_dies(*arguments: Any, **options: Any) -> Any:
        kept_for_others = isinstance(arguments[0], io.BytesIO)
        if not kept_for_others and next(calls) == 2:
            wait_until(run.stacks)
            raise error
        return work(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(*where, second_call_dies)
        with pytest.raises(error):
            run.train()
    (finished,) = run.stacks()
    assert list((tmp_path / "checkpoints").iterdir()) == [finished]
    assert {path.stem for path in finished.iterdir()} == {"trials", "metrics", "curves", "weights"}

    before = files_of(finished)
    run.train()
    assert len(run.stacks()) == 2
    assert files_of(finished) == before


def wait_until(look: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_progress_only_grows_and_ends_at_the_total(tmp_path: Path) -> None:
    run = small(tmp_path)
    heard: list[tuple[int, int]] = []
    run.train(lambda what, done, total: heard.append((done, total)))
    done = [each for each, _ in heard]
    assert done == sorted(done)
    assert {total for _, total in heard} == {run.plan.cost.steps} == {done[-1]}
    heard.clear()
    run.train(lambda what, done, total: heard.append((done, total)))
    assert set(heard) == {(done[-1], done[-1])}, "kept stacks count as done"


def comparable(tables: Tables) -> Tables:
    return {name: frame.drop(columns="seconds", errors="ignore") for name, frame in tables.items()}


def test_two_identical_runs_are_equal_but_for_seconds(wine: Planned, tables: Tables, tmp_path: Path) -> None:
    again = planned(tmp_path, CLASSIFICATION)
    assert again.plan == wine.plan
    pd.testing.assert_frame_equal(again.splits, wine.splits)
    for name, frame in comparable(again.tables()).items():
        pd.testing.assert_frame_equal(frame, comparable(tables)[name], check_exact=True)


def test_a_trial_is_the_same_whatever_it_is_compared_with(wine: Planned, tables: Tables, tmp_path: Path) -> None:
    """Its ids are equal; its numbers differ by the rounding of products of another shape, and no more."""
    alone = planned(tmp_path, CLASSIFICATION | {"compare": {"optimizer": ["adam"]}})
    theirs = alone.tables()
    ids = [trial.trial_id for trial in alone.plan.trials]
    assert set(ids) < {trial.trial_id for trial in wine.plan.trials}
    for trial_id in ids:
        for part in ("train", "val", "test"):
            assert values_of(theirs, trial_id, part) == pytest.approx(values_of(tables, trial_id, part), rel=1e-4)


def test_trials_that_go_through_fit_leave_the_same_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stacked = small(tmp_path / "stacked").tables()
    monkeypatch.setattr("tasks.planning.groups.incompatibility", lambda model: "as asked")
    run = small(tmp_path / "fitted")
    fitted = run.tables()
    ours = ["trainer", "stack_id", "seconds"]
    assert set(trained(fitted)["trainer"]) == {"fit"}
    assert trained(fitted)["stack_id"].nunique() == len(run.plan.trials) == 4
    pd.testing.assert_frame_equal(trained(fitted).drop(columns=ours), trained(stacked).drop(columns=ours))
    for trial in run.plan.trials:
        for part in ("train", "val", "test"):
            theirs = values_of(stacked, trial.trial_id, part)
            assert values_of(fitted, trial.trial_id, part) == pytest.approx(theirs, rel=1e-4)
    assert set(stacked["predictions"]["trial_id"]) == set(fitted["predictions"]["trial_id"])


# --- several stacks of one recipe ----------------------------------------------------------------------------


def test_seeds_beyond_one_stack_are_all_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacking, "MAX_TRIALS", 4)
    spec = {"data": {"source": "wine", "rows": 60}, "model": "linear", "train": {"epochs": 1, "seeds": 6}}
    run = planned(tmp_path, spec)
    assert [stack.size for stack in run.plan.stacks] == [4, 2]
    tables = run.tables()
    assert sorted(trained(tables)["seed"]) == list(range(6))
    assert set(trained(tables)["status"]) == {"ok"}


def test_weights_keep_their_order_in_deep_networks(tmp_path: Path) -> None:
    """More than ten arrays, whose names sort differently as texts: 0, 1, 10, 11, 2, ..."""
    spec = {
        "data": {"source": "wine", "rows": 60},
        "model": {"mlp": {"hidden": [3, 4, 5, 6, 7, 8]}},
        "train": {"epochs": 1, "seeds": 1},
    }
    run = planned(tmp_path, spec)
    run.train()
    (weights,) = kept_weights(tmp_path, run.plan.stacks[0].stack_id).values()
    widths = [run.prepared.features.shape[1], 3, 4, 5, 6, 7, 8, 3]
    shapes = [shape for width, units in pairwise(widths) for shape in ((width, units), (units,))]
    assert [weight.shape for weight in weights] == shapes


class OnOneCore(LocalExecutor):
    """Lays trials out for one core."""

    def machine(self) -> Machine:
        return Machine(cores=1)


def test_each_trial_of_a_padded_stack_is_recorded_with_its_own_weights(tmp_path: Path) -> None:
    spec = {
        "data": {"source": "wine", "rows": 60},
        "train": {"epochs": 1, "seeds": 2},
        "compare": {"model": [{"mlp": {"hidden": [3]}}, {"mlp": {"hidden": [5]}}]},
    }
    run = planned(tmp_path, spec, executor=OnOneCore())
    assert [(stack.size, stack.fill) for stack in run.plan.stacks] == [(4, pytest.approx(0.8))]
    recorded = trained(run.tables()).set_index("trial_id")
    for trial in run.plan.trials:
        weights = kept_weights(tmp_path, run.plan.stacks[0].stack_id)[trial.trial_id]
        assert recorded.loc[trial.trial_id, "parameters"] == sum(weight.size for weight in weights)
    assert recorded["parameters"].nunique() == 2


# --- augmentation --------------------------------------------------------------------------------------------


def test_augmented_trials_stand_beside_the_others_and_repeat(tmp_path: Path) -> None:
    turned = {"steps": [{"rotation": {"degrees": 20.0}}]}
    spec: dict[str, Any] = {
        "data": {"source": "digits", "rows": 200},
        "model": "linear",
        "train": {"epochs": 2, "seeds": 2},
        "compare": {"augmentation": ["none", turned, {**turned, "times": 2}]},
    }
    run = planned(tmp_path / "one", spec)
    tables = run.tables()
    steps = dict(zip(trained(tables)["recipe"], trained(tables)["steps"], strict=True))
    assert list(steps.values()) == [2 * 4, 2 * 4, 2 * 12]
    assert len(list((run.run.home / "cache" / "augmented").iterdir())) == 2
    losses = trained(tables).merge(of_metric(tables, "loss", "train"), on="trial_id")
    assert losses["value"].is_unique and losses["value"].notna().all()
    again = planned(tmp_path / "other", spec).tables()
    np.testing.assert_array_equal(of_metric(again, "loss", "test")["value"], of_metric(tables, "loss", "test")["value"])


def test_answers_to_imbalance_are_trained_beside_each_other(tmp_path: Path) -> None:
    spec: dict[str, Any] = {
        "data": {"source": "wine"},
        "model": "linear",
        "train": {"epochs": 2, "seeds": 2},
        "compare": {"imbalance": ["none", "class_weight", "resample"]},
    }
    run = planned(tmp_path, spec)
    tables = run.tables()
    counts = np.bincount(run.prepared.dataset.target[run.prepared.rows["train"]])
    rows = {stack.stack_id: stack.rows for stack in run.plan.stacks}
    assert set(rows.values()) == {counts.sum(), 3 * counts.max()}
    losses = of_metric(tables, "loss", "val")
    assert losses["value"].is_unique and len(losses) == 6


def of_metric(tables: Tables, name: str, part: str) -> pd.DataFrame:
    frame = tables["metrics"].merge(trained(tables)[["trial_id"]], on="trial_id")
    return frame[(frame["metric"] == name) & (frame["part"] == part)].sort_values("trial_id")


# --- fewer training rows -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "train", [{}, {"augmentation": {"steps": ["gaussian_noise"], "times": 1}}, {"augmentation": "gaussian_noise"}]
)
def test_a_recipe_on_fewer_rows_learns_from_those_and_is_measured_on_them(train: Any, tmp_path: Path) -> None:
    spec = {"data": {"source": "wine"}, "model": "linear", "train": {"epochs": 2, "seeds": 2, **train}}
    run = planned(tmp_path, spec | {"compare": {"rows": [20, 50, None, 5000]}})
    tables, parts = run.tables(), run.plan.parts
    assert [each.recipe for each in run.plan.skipped] == ["adam · 5,000 rows"]
    assert "train on 3 to 114 of them" in run.plan.skipped[0].reason
    sizes = {trial: stack.rows for stack in run.plan.stacks for trial in stack.trials}
    copies = 2 if isinstance(train.get("augmentation"), dict) else 1
    assert sorted(sizes.values()) == [each * copies for each in (20, 20, 50, 50, parts["train"], parts["train"])]
    for trial, rows in sizes.items():
        steps = set(of_part(tables["metrics"], trial, "train")["rows"])
        assert steps == {rows // copies}
        assert set(of_part(tables["metrics"], trial, "test")["rows"]) == {parts["test"]}


def test_where_every_recipe_has_fewer_rows_baselines_have_no_more(tmp_path: Path) -> None:
    spec = {"data": {"source": "wine"}, "model": "linear", "train": {"epochs": 1, "seeds": 1}}
    log_loss = []
    for name, compare in {"all": [10, None], "few": [5, 10]}.items():
        tables = planned(tmp_path / name, spec | {"compare": {"rows": compare}}).tables()
        metrics = tables["metrics"].merge(tables["trials"][["trial_id", "recipe", "stage"]], on="trial_id")
        of_linear = metrics["recipe"].eq("logistic regression") & metrics["metric"].eq("log_loss")
        log_loss.append(float(metrics[of_linear & metrics["part"].eq("test")]["value"].iloc[0]))
    assert log_loss[0] < log_loss[1]
