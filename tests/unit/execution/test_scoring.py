"""The test part: only the stage `evaluate` reads it, and what it records there is written once, whole."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks import preparation, stages
from tasks.execution import nested, scoring
from tasks.inputs.prepared import Prepared
from tasks.training.streaming import StoredRows
from tests.guarded import TestPartRead, guarded
from tests.runs import Planned, planned

TRAIN = {"epochs": 3, "seeds": 2}
SEARCHES: dict[str, dict[str, Any]] = {
    "random": {"method": "random", "trials": 2},
    "in folds": {"method": "random", "trials": 2, "folds": 3},
    "halving": {"method": "successive-halving", "trials": 4},
}


@pytest.fixture
def guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the stages prepare raises where rows of the test part are read."""
    prepare, prepare_folds = preparation.prepare, nested.prepare_folds

    def whole(dataset: Any, splits: pd.DataFrame, deciding: Any) -> Prepared:
        ready = prepare(dataset, splits, deciding)
        return guarded(ready, ready.rows["test"])

    def folds(dataset: Any, splits: pd.DataFrame, **options: Any) -> dict[int | None, Prepared]:
        test = splits.loc[(splits["part"] == "test").to_numpy(bool), "row"].to_numpy()
        return {fold: guarded(each, test) for fold, each in prepare_folds(dataset, splits, **options).items()}

    monkeypatch.setattr(preparation, "prepare", whole)
    monkeypatch.setattr(nested, "prepare_folds", folds)


@pytest.mark.parametrize("search", SEARCHES)
def test_search_and_training_never_read_a_test_row(search: str, tmp_path: Path, guard: None) -> None:
    tune = SEARCHES[search] | {"space": {"learning_rate": "auto"}}
    run = planned(tmp_path, {"data": {"source": "wine"}, "model": "linear", "train": TRAIN, "tune": tune})
    found = run.searched()
    found.train()
    with pytest.raises(TestPartRead):
        stages.evaluate(found.run, found.plan, found.prepared)


@pytest.mark.parametrize(
    "changes",
    [
        {"augmentation": {"steps": ["gaussian_noise"]}},
        {"augmentation": {"steps": ["gaussian_noise"], "times": 1}},
        {"imbalance": "resample"},
    ],
    ids=["fresh", "copies", "resampled"],
)
def test_training_on_changed_rows_never_reads_a_test_row(changes: dict, tmp_path: Path, guard: None) -> None:
    run = planned(tmp_path, {"data": {"source": "wine"}, "model": "linear", "train": TRAIN | changes})
    run.train()
    with pytest.raises(TestPartRead):
        stages.evaluate(run.run, run.plan, run.prepared)


def test_training_by_fit_never_reads_a_test_row(tmp_path: Path, guard: None) -> None:
    spec = {
        "data": {"source": str(tmp_path / "texts.csv"), "target": "spam", "text": "text"},
        "model": "gru",
        "train": {"epochs": 1, "seeds": 1},
    }
    rng = np.random.default_rng(0)
    words = np.array(["win", "cash", "now", "see", "you", "at", "home"])
    texts = [" ".join(rng.choice(words, 6)) for _ in range(60)]
    spam = ["yes" if "win" in text else "no" for text in texts]
    pd.DataFrame({"text": texts, "spam": spam}).to_csv(tmp_path / "texts.csv", index=False)
    run = planned(tmp_path / "run", spec)
    assert {stack.trainer for stack in run.plan.stacks} == {"fit"}
    run.train()
    with pytest.raises(TestPartRead):
        stages.evaluate(run.run, run.plan, run.prepared)


@pytest.fixture
def streamed(tmp_path: Path) -> Planned:
    """12,000 rows, too large for the megabyte that they may take."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"x{index}": rng.normal(size=12_000) for index in range(30)})
    frame["left"] = np.where(frame["x0"] + rng.normal(size=len(frame)) > 0, "yes", "no")
    frame.to_parquet(tmp_path / "rows.parquet", index=False)
    data = {"source": str(tmp_path / "rows.parquet"), "target": "left", "memory": "1 MB"}
    train = {"epochs": 1, "seeds": 2, "batch_size": 256}
    run = planned(tmp_path / "run", {"data": data, "model": "linear", "train": train})
    assert run.prepared.dataset.streamed is not None
    return run


def test_of_streamed_data_too_only_evaluate_reads_test_rows(streamed: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    read = StoredRows.read

    def guarded_read(rows: StoredRows, block: int) -> Any:
        if rows._path.name == "test.parquet":
            raise TestPartRead
        return read(rows, block)

    with monkeypatch.context() as patch:
        patch.setattr(StoredRows, "read", guarded_read)
        streamed.train()
        with pytest.raises(TestPartRead):
            streamed.tables()
    tables = streamed.tables()
    predictions = tables["predictions"].query("part == 'test' and class_index == 1")
    accuracy = (predictions["value"].gt(0.5) == predictions["target"].eq(1)).groupby(predictions["trial_id"]).mean()
    metrics = tables["metrics"].query("part == 'test' and metric == 'accuracy'").set_index("trial_id")["value"]
    pd.testing.assert_series_equal(
        accuracy, metrics.loc[accuracy.index], check_names=False, check_index_type=False, check_categorical=False
    )


# --- what is recorded ------------------------------------------------------------------------------------------

TWO_STACKS = {
    "data": {"source": "wine"},
    "model": "linear",
    "train": {"epochs": 2, "seeds": 2, "optimizer": "sgd"},
    "compare": {"batch_size": [64, 128]},
}


def test_a_killed_evaluation_goes_on_with_what_it_had_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = planned(tmp_path / "killed", TWO_STACKS)
    run.train()
    write, calls = scoring.write_folder, itertools.count(1)

    def second_call_dies(*arguments: Any) -> None:
        if next(calls) == 2:
            raise KeyboardInterrupt
        write(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(scoring, "write_folder", second_call_dies)
        with pytest.raises(KeyboardInterrupt):
            run.tables()
    folders = sorted((run.folder / "checkpoints").glob("scores-*"))
    assert len(folders) == 1
    before = {path.name: path.read_bytes() for path in folders[0].iterdir()}
    tables = run.tables()
    assert before == {path.name: path.read_bytes() for path in folders[0].iterdir()}
    whole = planned(tmp_path / "whole", TWO_STACKS).tables()
    for name in ("metrics", "predictions"):
        pd.testing.assert_frame_equal(tables[name], whole[name], check_exact=True)


def test_a_trials_metrics_stand_together_in_the_order_of_the_parts(tmp_path: Path) -> None:
    metrics = planned(tmp_path, TWO_STACKS).tables()["metrics"]
    assert len(list(itertools.groupby(metrics["trial_id"]))) == metrics["trial_id"].nunique() == 4 + 3
    for _, rows in metrics.groupby("trial_id"):
        assert list(dict.fromkeys(rows["part"])) in (["train", "val", "test"], ["val", "test"])


def test_validation_predictions_give_the_validation_metrics_of_training(tmp_path: Path) -> None:
    """What evaluate computes from the kept weights is what training computed: to the last bit of the accuracy, and of
    networks that were padded or stopped early too."""
    spec = {
        "data": {"source": "wine"},
        "train": {"epochs": 6, "seeds": 2, "early_stopping": {"patience": 1}},
        "compare": {"model": [{"mlp": {"hidden": [3]}}, {"mlp": {"hidden": [5]}}], "optimizer": ["adam", "sgd"]},
        "evaluate": {"metric": "accuracy", "also": ["log_loss"]},
    }
    tables = planned(tmp_path, spec).tables()
    recorded = tables["metrics"].query("part == 'val'").pivot(index="trial_id", columns="metric", values="value")
    for trial_id, rows in tables["predictions"].query("part == 'val'").groupby("trial_id"):
        wide = rows.pivot(index=["row", "target"], columns="class_index", values="value")
        target = wide.index.get_level_values("target").to_numpy(int)
        assert recorded.loc[trial_id, "accuracy"] == np.mean(wide.to_numpy().argmax(1) == target)
        picked = wide.to_numpy(float)[np.arange(len(target)), target]
        assert recorded.loc[trial_id, "log_loss"] == pytest.approx(-np.log(picked).mean(), rel=1e-6)
