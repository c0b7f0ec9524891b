"""Whole runs through the command and Prefect: the run folder follows the contract that other tools may rely on."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pytest

from flows.orchestration import api
from tasks.datasets.load import load_dataset
from tasks.errors import BadInput, Locked
from tasks.run_folder import STAGES, locked
from tasks.spec.data import Data
from tasks.training.exported import predict
from tests.flows.command import SMALL, bakeoff
from tests.flows.servers import processes_with
from tests.unit.records.test_tables import COLUMNS

FILES = {
    "spec.yaml",
    "plan.json",
    "stages.json",
    "environment.json",
    "validation.json",
    "verdict.json",
    "winner.yaml",
    "report.html",
}
FOLDERS = {"model", "previews", "checkpoints"}
OPTIONAL = {"repaired.yaml"}  # written if the stage stabilise cured a recipe
UNTUNED = [stage for stage in STAGES if stage not in ("search", "stabilise")]
WRITTEN = [name for name in COLUMNS if name != "settings"]  # which only a search writes
KEYS = {
    "plan.json": "schema_version experiment description spec task metric also confidence data parts recipes trials "
    "stacks skipped cost",
    "validation.json": "schema_version outcome seconds sampled results",
    "verdict.json": "schema_version metric greater_is_better confidence part winner leader tied sentence recipes "
    "comparisons baselines against_baselines shipped gates operating_point test_evaluations warnings next",
    "environment.json": "python platform cpus versions command git started",
    "stages.json": "stages",
}
ITEMS = {
    ("plan.json", "recipes"): "recipe_id recipe optimizer schedule variant_id params",
    ("plan.json", "trials"): "trial_id recipe_id variant_id stage seed fold epochs",
    ("plan.json", "stacks"): "stack_id trainer why trials lanes size parameters steps memory_bytes",
    ("validation.json", "results"): "check column origin severity success expected observed rows unexpected message "
    "remedy parameters",
    (
        "verdict.json",
        "recipes",
    ): "recipe_id recipe optimizer schedule seeds status metrics val learned note seconds rank",
    ("verdict.json", "comparisons"): "recipe_id recipe difference low high p p_holm effect_size smallest_difference "
    "answer",
    ("verdict.json", "baselines"): "name trial_id metrics",
    ("verdict.json", "against_baselines"): "name difference low high answer",
    ("verdict.json", "gates"): "metric at_least severity estimate low high answer sentence",
}
PROGRESS = re.compile(r"\w+ +\d+\.\d s")


@dataclass(frozen=True)
class Finished:
    """A run that ended successfully.

    Args:
        home: Its home folder, in which nothing else has run.
        folder: The run folder.
    """

    home: Path
    folder: Path
    command: subprocess.CompletedProcess[str]

    def json(self, name: str) -> Any:
        return strict_json(self.folder / name)

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.folder / f"{name}.parquet")


def strict_json(path: Path) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{path.name} holds {constant}, which is not JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def run(home: Path, *arguments: object, spec: Path = SMALL) -> Finished:
    command = bakeoff("run", spec, *arguments, home=home)
    assert command.returncode == 0, command.stderr
    (folder,) = (home / "runs").iterdir()
    return Finished(home, folder, command)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return run(tmp_path_factory.mktemp("home"))


# --- output to the user --------------------------------------------------------------------------------------


def test_the_reports_path_is_the_last_line(small: Finished) -> None:
    report = Path(small.command.stdout.splitlines()[-1])
    assert report == small.folder / "report.html"
    assert report.stat().st_size > 100_000


def test_the_verdict_stands_above_it(small: Finished) -> None:
    verdict, said = small.json("verdict.json"), " ".join(small.command.stdout.split())
    assert verdict["sentence"] in said
    for recipe in verdict["recipes"]:
        assert recipe["recipe"] in said
    for name in ("majority class", "logistic regression", "gradient boosting"):
        assert f"baseline: {name}" in said
    for gate in verdict["gates"]:
        assert f"{gate['answer']} {gate['sentence']}" in said


def test_a_line_a_stage_is_all_that_is_said_beside(small: Finished) -> None:
    lines = small.command.stderr.splitlines()
    assert lines.pop(1) == f"note: the run's folder is {small.folder}"
    assert [line.split()[0] for line in lines] == ["start", *UNTUNED]
    assert all(PROGRESS.fullmatch(line) for line in lines)


def test_nothing_is_left_running(small: Finished) -> None:
    assert processes_with("BAKEOFF_HOME", str(small.home)) == []


def test_state_lies_in_the_home_folder_only(small: Finished) -> None:
    assert {path.name for path in small.home.iterdir()} == {"runs", "prefect", "cache", "index.html"}
    assert re.fullmatch(r"\d{8}-\d{6}-small", small.folder.name)


# --- the run folder ------------------------------------------------------------------------------------------


def test_the_run_folder_holds_what_the_contract_says(small: Finished) -> None:
    tables = {f"{name}.parquet" for name in WRITTEN}
    assert {path.name for path in small.folder.iterdir()} == FILES | FOLDERS | tables | {"lock"}
    assert not [path for path in small.folder.rglob("*") if path.name.startswith(".")], "no temporary files"


@pytest.mark.parametrize("name", KEYS)
def test_a_json_file_is_strict_and_has_the_contracts_keys(small: Finished, name: str) -> None:
    value = small.json(name)
    assert set(KEYS[name].split()) <= set(value)
    if "schema_version" in value:
        assert value["schema_version"] == 1


@pytest.mark.parametrize(("name", "key"), ITEMS)
def test_a_json_files_lists_have_the_contracts_keys(small: Finished, name: str, key: str) -> None:
    items = small.json(name)[key]
    assert items
    for item in items:
        assert set(ITEMS[name, key].split()) <= set(item)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_table_has_the_contracts_columns(small: Finished, name: str) -> None:
    frame = small.table(name)
    assert list(frame.columns) == COLUMNS[name]
    assert set(frame["schema_version"]) == {1}


def test_stages_are_on_record_in_order(small: Finished) -> None:
    stages = small.json("stages.json")["stages"]
    assert list(stages) == UNTUNED
    assert {record["status"] for record in stages.values()} == {"done"}
    assert stages["train"]["seconds"] > 0


def test_the_spec_is_kept_as_written_and_complete(small: Finished) -> None:
    assert (small.folder / "spec.yaml").read_text(encoding="utf-8") == SMALL.read_text(encoding="utf-8")
    spec = small.json("plan.json")["spec"]
    assert spec["train"]["batch_size"] == 32
    assert spec["compare"]["optimizer"][1]["adam"]["beta_1"] == 0.9


def test_the_files_agree_with_each_other(small: Finished) -> None:
    plan, verdict = small.json("plan.json"), small.json("verdict.json")
    trials, metrics, splits = small.table("trials"), small.table("metrics"), small.table("splits")
    final = trials[trials["stage"] == "final"]
    assert sorted(final["trial_id"]) == sorted(trial["trial_id"] for trial in plan["trials"])
    assert sorted(final["trial_id"]) == sorted(each for stack in plan["stacks"] for each in stack["trials"])
    assert set(metrics["trial_id"]) == set(trials["trial_id"])
    assert splits["part"].value_counts().to_dict() == plan["parts"]
    assert sum(plan["parts"].values()) == plan["data"]["rows"] == 178
    ids = {recipe["recipe_id"] for recipe in plan["recipes"]}
    assert {recipe["recipe_id"] for recipe in verdict["recipes"]} == ids
    assert [recipe["rank"] for recipe in verdict["recipes"]] == [1, 2]
    assert verdict["winner"] in {*ids, None}
    assert verdict["test_evaluations"] == 1
    for recipe in verdict["recipes"]:
        of_recipe = final[final["recipe_id"] == recipe["recipe_id"]]["trial_id"]
        test = metrics[metrics["trial_id"].isin(of_recipe) & (metrics["part"] == "test")]
        for name, value in recipe["metrics"].items():
            assert value["mean"] == pytest.approx(test[test["metric"] == name]["value"].mean())
        assert len(of_recipe) == recipe["seeds"] == 2


def test_the_shipped_model_gives_the_recorded_predictions(small: Finished) -> None:
    assert_shipped_predicts_what_is_recorded(small, Data(source="wine"))


def assert_shipped_predicts_what_is_recorded(finished: Finished, data: Data) -> None:
    shipped = finished.json("verdict.json")["shipped"]["trial_id"]
    predictions = finished.table("predictions")
    recorded = predictions[(predictions["trial_id"] == shipped) & (predictions["part"] == "test")]
    columns = max(1, recorded["class_index"].nunique())
    dataset = load_dataset(data, home=finished.home)
    rows = recorded["row"].to_numpy()[::columns]
    answers = predict(finished.folder / "model", dataset.raw_at(rows)).reshape(-1)
    np.testing.assert_allclose(answers, recorded["value"], rtol=1e-4, atol=1e-5)


def test_the_report_asks_nobody(small: Finished) -> None:
    report = (small.folder / "report.html").read_text(encoding="utf-8")
    assert re.findall(r"""(?:src|href)=["']?(?:https?:)?//[^"' >]+\.(?:js|css|woff2?|png|svg)""", report) == []


# --- other kinds of data -------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_regression_with_a_recipe_that_diverges(tmp_path: Path) -> None:
    finished = run(
        tmp_path,
        "--set=data.source=diabetes",
        "--set=compare.optimizer=[{sgd: {learning_rate: 1000000}}, {adam: {learning_rate: 0.05}}]",
        "--set=gates=[{metric: rmse, at_most: 1000}]",
        "--set=evaluate.also=[mae, r2]",
    )
    trials = finished.table("trials").set_index("optimizer")
    assert set(trials.loc["sgd", "status"]) == {"diverged"}
    assert trials.loc["sgd", "reason"].str.contains("non-finite").all()
    assert set(trials.loc["adam", "status"]) == {"ok"}
    verdict = finished.json("verdict.json")
    assert [recipe["status"] for recipe in verdict["recipes"]] == ["ok", "diverged"]
    assert set(verdict["recipes"][0]["metrics"]) == {"rmse", "mae", "r2"}
    assert verdict["gates"][0]["answer"] == "pass"
    assert "(diverged)" in finished.command.stdout
    assert_shipped_predicts_what_is_recorded(finished, Data(source="diabetes"))


@pytest.mark.slow
def test_a_run_in_which_everything_diverges_ends_with_its_report(tmp_path: Path) -> None:
    only = "--set=compare.optimizer=[{sgd: {learning_rate: 1000000}}]"
    finished = run(tmp_path, "--set=data.source=diabetes", "--set=gates=[{metric: rmse, at_most: 1}]", only)
    verdict = finished.json("verdict.json")
    assert (verdict["winner"], verdict["shipped"]) == (None, None)
    assert [gate["answer"] for gate in verdict["gates"]] == ["undecided"]
    assert list((finished.folder / "model").iterdir()) == []
    assert "could not be made" not in (finished.folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_images_through_a_convolutional_network(tmp_path: Path) -> None:
    data = {"source": "digits", "rows": 200}
    finished = run(
        tmp_path,
        f"--set=data={json.dumps(data)}",
        "--set=model={cnn: {filters: [4], hidden: [8]}}",
        "--set=train={epochs: 20, seeds: 2, learning_rate: 0.01}",
    )
    plan = finished.json("plan.json")
    assert plan["data"]["image_shape"] == [8, 8, 1]
    assert sum(plan["parts"].values()) == 200
    trials = finished.table("trials").query("stage == 'final'")
    planned = {trial: stack["trainer"] for stack in plan["stacks"] for trial in stack["trials"]}
    assert dict(zip(trials["trial_id"], trials["trainer"], strict=True)) == planned
    assert_shipped_predicts_what_is_recorded(finished, Data(**data))


@pytest.mark.slow
def test_a_table_nobody_described(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "größe (cm)": rng.normal(170, 10, 300).round(1),
            "city": rng.choice(["Oslo", "Rome", "<b>São Paulo</b>"], 300),
            "member": rng.choice(["true", "false", ""], 300),
            "constant": "x",
        }
    )
    table["bought"] = np.where(table["größe (cm)"] + rng.normal(0, 5, 300) > 170, "yes", "no")
    table.loc[::7, "größe (cm)"] = np.nan
    folder = tmp_path / "specs"
    folder.mkdir()
    table.to_csv(folder / "people.csv", index=False)
    spec = folder / "people.yaml"
    spec.write_text("data: {source: people.csv, target: bought}\ntrain: {epochs: 3, seeds: 2}\n", encoding="utf-8")
    finished = run(tmp_path / "home", spec=spec)
    assert finished.json("plan.json")["experiment"] == "people"
    assert finished.json("plan.json")["data"]["classes"] == ["no", "yes"]
    assert "<b>São Paulo</b>" not in (finished.folder / "report.html").read_text(encoding="utf-8")
    assert sorted(path.name for path in folder.iterdir()) == ["people.csv", "people.yaml"]


# --- requests that the flow refuses before anything runs -------------------------------------------------------


def refused(**request: Any) -> BadInput:
    from flows.bakeoff import RunRequest, execute
    from flows.run_page import RunPage

    with pytest.raises(BadInput) as error:
        execute(RunRequest(experiment=str(SMALL), **request), RunPage())
    return error.value


@pytest.mark.usefixtures("home")
def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").touch()
    assert refused(run_dir=str(tmp_path)).problem == "the run folder is not empty"


def test_going_on_needs_a_run(home: Path, tmp_path: Path) -> None:
    assert refused(start_from="train", run_dir=str(tmp_path / "new")).problem == "there is no run to go on from"
    assert not home.exists()
    assert not (tmp_path / "new").exists()


def test_a_mistake_in_the_data_leaves_no_new_folder(home: Path) -> None:
    with api(home) as wait_until_ready:
        wait_until_ready()
        assert refused(set=["data.target=nothing"]).where == "data.target"
    assert list((home / "runs").iterdir()) == []


@pytest.mark.usefixtures("home")
def test_a_locked_folder_is_refused(tmp_path: Path) -> None:
    with locked(tmp_path):
        assert isinstance(refused(run_dir=str(tmp_path)), Locked)


@pytest.mark.usefixtures("home")
def test_a_run_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "can't be made" in refused(run_dir=str(tmp_path / "file")).problem


@pytest.mark.parametrize("request_", [{"set": ["train.epochs"]}, {"start_from": "bogus"}, {"experiment": ""}, {"x": 1}])
def test_a_request_is_checked_before_the_flow_runs(request_: dict[str, Any]) -> None:
    from pydantic import ValidationError

    from flows.bakeoff import RunRequest

    with pytest.raises(ValidationError):
        RunRequest(**request_)


def test_a_wrong_spec_is_refused_in_the_flow_too(home: Path) -> None:
    assert "train.epochs" in str(refused(set=["train.epochs=many"]).where)
    assert not home.exists()
