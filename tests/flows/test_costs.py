"""Runs that decide by cost: costs, the threshold that they choose, and the model that is saved with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.records.tables import METRICS as METRICS_TABLE
from tasks.records.tables import PREDICTIONS
from tasks.records.verdict import Verdict
from tasks.run_folder import read_json
from tasks.serving.answers import answers
from tasks.stages import report
from tests.runs import Planned, planned

TRAIN = {"epochs": 20, "seeds": 2, "batch_size": 16, "learning_rate": 0.02}


def customers(folder: Path, rows: int = 600) -> Path:
    """Writes customers of whom 20% leave; two numbers predict it weakly, and a column has each customer's worth."""
    rng = np.random.default_rng(0)
    leaves = rng.random(rows) < 0.2
    frame = pd.DataFrame(
        {
            "calls": np.round(rng.normal(3 + 2 * leaves, 1.5), 2),
            "months": np.round(rng.normal(20 - 6 * leaves, 6), 1),
            "worth": np.round(rng.lognormal(4, 0.5, rows), 2),
            "left": np.where(leaves, "yes", "no"),
        }
    )
    frame.to_csv(folder / "customers.csv", index=False)
    return folder / "customers.csv"


def judged(folder: Path, file: Path, evaluate: dict[str, Any], **more: Any) -> tuple[Planned, Verdict]:
    spec: dict[str, Any] = {"data": {"source": str(file), "target": "left"}, "model": "linear", "train": TRAIN}
    one = planned(folder / "run", spec | {"evaluate": evaluate} | more)
    return one, one.judge(one.tables())


def test_the_threshold_of_least_cost_is_chosen_and_travels_with_the_model(tmp_path: Path) -> None:
    file = customers(tmp_path)
    cost = {"false_negative": 5, "false_positive": 1}
    gates = [{"metric": "cost_per_case", "at_most": 1.0}, {"metric": "recall", "at_least": 0.1}]
    one, verdict = judged(tmp_path, file, {"cost": cost, "currency": "EUR"}, gates=gates)
    point = verdict.operating_point
    assert verdict.metric == "cost_per_case" and not verdict.greater_is_better
    assert verdict.titles["cost_per_case"] == "Cost per case in EUR"
    assert point and point.how and point.costs and point.curve and point.low is not None and point.high is not None
    assert point.threshold < 0.5 and point.low <= point.threshold <= point.high

    assert verdict.shipped
    own = PREDICTIONS.read(one.folder).query(f"trial_id == {verdict.shipped.trial_id!r} and class_index == 1")
    test = own[own["part"] == "test"]
    left = test["target"] == 1

    def cost_at(threshold: float) -> float:
        alarm = test["value"] >= threshold
        return float((5 * (left & ~alarm) + (alarm & ~left)).mean())

    mean, alarm = cost_at(point.threshold), test["value"] >= point.threshold
    assert verdict.shipped.metrics["cost_per_case"].mean == pytest.approx(mean) == point.costs[0].cost.mean
    assert verdict.gates[1].estimate == pytest.approx(float(alarm[left].mean()))  # at the threshold, too

    by_name = {each.name.rpartition(", ")[2]: each for each in point.costs}
    assert by_name["best in hindsight"].cost.mean <= mean
    assert by_name["at one half"].cost.mean == pytest.approx(cost_at(0.5))
    assert by_name["yes for no row"].cost.mean == pytest.approx(5 * float(left.mean()))
    assert by_name["yes for every row"].cost.mean == pytest.approx(1 - float(left.mean()))

    served, notes = answers(one.folder / "model", file)
    chosen = np.where(served["probability of yes"] >= point.threshold, "yes", "no")
    assert (served["prediction"] == chosen).all()
    assert any("yes is predicted at a probability of" in note for note in notes)
    page = report(one.run).path.read_text(encoding="utf-8")
    assert "Threshold and costs" in page and "Cost per case in EUR" in page and "best in hindsight" in page


def test_a_mistake_may_cost_what_a_column_says(tmp_path: Path) -> None:
    file = customers(tmp_path)
    one, verdict = judged(tmp_path, file, {"cost": {"false_negative": "worth", "false_positive": 4}, "ship": "best"})
    assert verdict.shipped and verdict.operating_point and verdict.operating_point.costs
    worth = pd.read_csv(file)["worth"].to_numpy()
    own = PREDICTIONS.read(one.folder).query(f"trial_id == {verdict.shipped.trial_id!r} and class_index == 1")
    test = own[own["part"] == "test"]
    alarm, left = test["value"] >= verdict.operating_point.threshold, test["target"] == 1
    costs = np.where(left & ~alarm, worth[test["row"].to_numpy(int)], np.where(alarm & ~left, 4.0, 0.0))
    assert verdict.shipped.metrics["cost_per_case"].mean == pytest.approx(float(costs.mean()))


@pytest.mark.parametrize(
    ("threshold", "kept"),
    [
        ({"recall_at_least": 0.9}, lambda alarm, left: alarm[left].mean() >= 0.9),
        ({"alarms_at_most": 50, "of": 1000}, lambda alarm, left: alarm.mean() <= 0.05),
        (0.3, lambda alarm, left: True),
    ],
)
def test_a_rule_is_kept_on_the_validation_part_by_every_model(threshold: Any, kept: Any, tmp_path: Path) -> None:
    one, verdict = judged(tmp_path, customers(tmp_path), {"threshold": threshold})
    metrics = METRICS_TABLE.read(one.folder)
    thresholds = metrics[metrics["metric"] == "threshold"].set_index("trial_id")["value"]
    val = PREDICTIONS.read(one.folder).query("part == 'val' and class_index == 1")
    assert set(thresholds.index) == set(val["trial_id"])
    for trial, frame in val.groupby("trial_id"):
        assert kept(frame["value"] >= thresholds[trial], frame["target"] == 1)
    assert verdict.operating_point and verdict.operating_point.costs is None
    if threshold == 0.3:
        assert set(thresholds) == {0.3} and verdict.operating_point.low is None


def test_of_three_classes_the_one_of_least_expected_cost_is_predicted(tmp_path: Path) -> None:
    matrix = {"class_0": {"class_1": 1, "class_2": 9}, "class_1": {"class_0": 1}, "class_2": {"class_0": 30}}
    spec = {"data": {"source": "wine"}, "model": "linear", "train": TRAIN, "evaluate": {"cost": {"matrix": matrix}}}
    one = planned(tmp_path / "run", spec)
    verdict = one.judge(one.tables())
    assert verdict.operating_point is None and verdict.shipped
    assert read_json(one.folder / "model" / "signature.json")["choice"]["costs"][2] == [30, 0, 0]
    costs = np.array([[0, 1, 9], [1, 0, 0], [30, 0, 0]])
    own = PREDICTIONS.read(one.folder).query(f"trial_id == {verdict.shipped.trial_id!r} and part == 'test'")
    probability = own["value"].to_numpy(float).reshape(-1, 3)
    target = own["target"].to_numpy(int)[::3]
    mean = costs[target, (probability @ costs).argmin(axis=1)].mean()
    assert verdict.shipped.metrics["cost_per_case"].mean == pytest.approx(mean)


def test_errors_of_a_value_cost(tmp_path: Path) -> None:
    spec = {
        "data": {"source": "diabetes"},
        "model": "linear",
        "train": {"epochs": 2, "seeds": 1},
        "evaluate": {"cost": {"over": 1, "under": 3}},
    }
    one = planned(tmp_path / "run", spec)
    verdict = one.judge(one.tables())
    assert verdict.metric == "cost_per_case" and verdict.operating_point is None
    assert verdict.recipes[0].metrics["cost_per_case"].mean > 0


def test_other_costs_are_other_trials(tmp_path: Path) -> None:
    """Trials with other costs or thresholds must not be reused, since their recorded figures would differ."""
    file = customers(tmp_path)
    ids = []
    for number, evaluate in enumerate(({}, {"threshold": 0.3}, {"cost": {"false_negative": 5, "false_positive": 1}})):
        spec = {"data": {"source": str(file), "target": "left"}, "model": "linear", "train": TRAIN}
        ids.append(planned(tmp_path / str(number), spec | {"evaluate": evaluate}).plan.trials[0].trial_id)
    assert len(set(ids)) == 3
