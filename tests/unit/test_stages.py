"""The stages as plain functions: what each takes up, writes, and refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks import stages
from tasks.datasets.load import load_dataset
from tasks.errors import Blocked
from tasks.records.documents import as_json
from tasks.records.plan import Plan
from tasks.run_folder import read_json
from tasks.training.exported import predict
from tests.runs import WINE, Planned, open_run, planned

# --- split and validate --------------------------------------------------------------------------------------


def test_parts_are_disjoint_and_complete(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    dataset = stages.load(run)
    splits = stages.split(run, dataset)
    assert sorted(splits["row"]) == list(range(dataset.rows))
    assert splits["row"].is_unique
    assert set(splits["part"]) == {"train", "val", "test"}
    assert (tmp_path / "splits.parquet").exists()


def test_a_blocking_check_stops_the_run_and_shows_what_failed_first(tmp_path: Path) -> None:
    check = {"expect_column_values_to_be_between": {"column": "alcohol", "min_value": 100}, "severity": "block"}
    run = open_run(tmp_path, WINE | {"data": {"source": "wine", "checks": [check]}})
    dataset = stages.load(run)
    with pytest.raises(Blocked) as error:
        stages.validate(run, dataset, stages.split(run, dataset))
    first, *others = error.value.table
    assert (first["answer"], first["column"]) == ("blocks", "alcohol")
    assert "alcohol" in str(error.value.got)
    assert len(others) > 5
    validation = read_json(tmp_path / "validation.json")
    assert validation["outcome"] == "blocked"
    assert len(validation["results"]) == len(error.value.table)


def test_a_warning_does_not_stop_the_run(tmp_path: Path) -> None:
    check = {"expect_column_values_to_be_between": {"column": "alcohol", "min_value": 100}}
    run = open_run(tmp_path, WINE | {"data": {"source": "wine", "checks": [check]}})
    dataset = stages.load(run)
    validation = stages.validate(run, dataset, stages.split(run, dataset))
    assert validation.outcome == "warned"
    assert as_json(validation) == read_json(tmp_path / "validation.json")


def test_the_plan_is_written_before_anything_is_trained(tmp_path: Path) -> None:
    run = planned(tmp_path, WINE)
    assert Plan.read(tmp_path) == run.plan
    assert list((tmp_path / "checkpoints").iterdir()) == []


# --- judge: the model that is shipped ------------------------------------------------------------------------

TABLE: dict[str, Any] = {"data": {"source": "wine"}, "train": {"epochs": 3, "seeds": 2}}
LONG: dict[str, Any] = {"epochs": 30, "seeds": 2, "learning_rate": 0.01}
"""Enough for small networks to learn: what did not is not shipped."""
IMAGES: dict[str, Any] = {"data": {"source": "digits", "rows": 120}, "train": LONG}
CNN: dict[str, Any] = {"cnn": {"filters": [2], "hidden": [4]}}
SHIPPED: dict[str, dict[str, Any]] = {
    "linear": TABLE | {"model": "linear"},
    "deep": TABLE | {"model": {"mlp": {"hidden": [6] * 6}}, "train": LONG},
    "normalised": TABLE
    | {
        "model": {"mlp": {"hidden": [6, 5], "batch_normalisation": True}},
        "train": {"epochs": 3, "seeds": 2, "regularisation": {"dropout": 0.2, "l2": 0.01}},
    },
    "regression": TABLE | {"data": {"source": "diabetes"}},
    "images through an mlp": IMAGES | {"model": {"mlp": {"hidden": [8]}}},
    "images through a cnn": IMAGES | {"model": CNN},
    "a cnn with dropout": IMAGES | {"model": CNN, "train": LONG | {"regularisation": {"dropout": 0.2}}},
}
QUICK = ("linear", "normalised", "regression", "images through a cnn")


def raw_rows(run: Planned, rows: np.ndarray) -> Any:
    """Rows of the data as they come from their source, read anew."""
    dataset = load_dataset(run.run.spec.data, home=run.folder)
    return dataset.raw_at(rows)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in SHIPPED]
)
def test_the_shipped_model_predicts_what_is_recorded_of_its_trial(tmp_path: Path, name: str) -> None:
    run = planned(tmp_path, SHIPPED[name])
    tables = run.tables()
    verdict, predictions = run.judge(tables), tables["predictions"]
    recorded = predictions[(predictions["trial_id"] == verdict.shipped.trial_id) & (predictions["part"] == "test")]
    classes = run.prepared.dataset.classes
    columns = len(classes) if classes else 1
    values = recorded["value"].to_numpy().reshape(-1, columns)
    answers = predict(tmp_path / "model", raw_rows(run, recorded["row"].to_numpy(int)[::columns]))
    np.testing.assert_allclose(answers.reshape(-1, columns), values, rtol=1e-4, atol=1e-5)


def test_another_verdict_counts_as_another_look_at_the_test_part(tmp_path: Path) -> None:
    """The same one does not: whoever goes on with a killed run sees nothing new."""
    run = planned(tmp_path, WINE)
    tables = run.tables()
    once, again = run.judge(tables), run.judge(tables)
    assert (once, once.test_evaluations) == (again, 1)
    gated = planned(tmp_path, WINE | {"gates": [{"metric": "accuracy", "at_least": 0.5}]}, start="judge")
    tables = gated.tables()
    assert [gated.judge(tables).test_evaluations for _ in range(2)] == [2, 2]


def test_what_did_not_learn_leaves_nothing_to_ship(tmp_path: Path) -> None:
    """Not even what an earlier verdict in this folder shipped."""
    run = planned(tmp_path, WINE | {"train": {"epochs": 2, "seeds": 2, "learning_rate": 1e-9}})
    (tmp_path / "model" / "model.keras").touch()
    (tmp_path / "winner.yaml").touch()
    verdict = run.judge(run.tables())
    assert (verdict.shipped, verdict.winner) == (None, None)
    assert "the weights moved by 0." in verdict.recipes[0].note
    assert not list((tmp_path / "model").iterdir()) and not (tmp_path / "winner.yaml").exists()


def test_stages_do_not_depend_on_the_folder_they_run_in(tmp_path: Path) -> None:
    one, other = planned(tmp_path / "one", WINE), planned(tmp_path / "other", WINE)
    assert one.plan == other.plan
    assert replace(one.run, folder=other.folder, base=other.folder, home=other.folder) == other.run
