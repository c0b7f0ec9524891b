"""Runs whose shipped model is judged in slices, also by columns that are not inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.errors import BadInput
from tasks.records.slices import JudgedSlicing
from tasks.records.tables import PREDICTIONS
from tasks.records.verdict import Verdict
from tasks.stages import report
from tests.runs import Planned, planned

TRAIN = {"epochs": 10, "seeds": 1, "batch_size": 16, "learning_rate": 0.02}


def people(folder: Path, rows: int = 600) -> pd.DataFrame:
    """Writes people whose repayment depends on a number, more clearly for men. Some towns are missing, and one is
    small."""
    rng = np.random.default_rng(0)
    sex = rng.choice(["F", "M"], rows)
    pays = rng.random(rows) < 0.4
    town = rng.choice(["north", "south", ""], rows, p=[0.6, 0.35, 0.05])
    town[:10] = "far"
    frame = pd.DataFrame(
        {
            "income": np.round(rng.normal(3 + np.where(sex == "M", 3, 0.7) * pays, 1), 2),
            "age": rng.integers(18, 80, rows),
            "sex": sex,
            "town": town,
            "country": "X",
            "pays": np.where(pays, "yes", "no"),
        }
    )
    frame.to_csv(folder / "people.csv", index=False)
    return frame


def judged(folder: Path, evaluate: dict[str, Any], gates: Any = (), **data: Any) -> tuple[Planned, Verdict]:
    source = {"source": str(folder / "people.csv"), "target": "pays", "drop": ["sex", "town", "country"]} | data
    spec = {"data": source, "model": "linear", "train": TRAIN, "evaluate": evaluate, "gates": list(gates)}
    one = planned(folder / "run", spec)
    return one, one.judge(one.tables())


def test_every_slice_has_its_figures_and_gates_look_at_them(tmp_path: Path) -> None:
    frame = people(tmp_path)
    gates = [
        {"metric": "equalised_odds_difference", "by": "sex", "at_most": 0.2},
        {"metric": "demographic_parity_difference", "by": ["town", "sex"], "at_most": 0.9},
        {"metric": "recall", "at_least": 0.5, "slice": {"sex": "M"}},
        {"metric": "accuracy", "at_least": 0.5, "slice": {"age": 1}},
    ]
    evaluate = {
        "slices": ["sex", ["sex", "town"], {"age": 3}, "country"],
        "cost": {"false_negative": 5, "false_positive": 1},
        "metric": "accuracy",
    }
    one, verdict = judged(tmp_path, evaluate, gates)
    assert verdict.slices and verdict.shipped and verdict.operating_point
    by_sex, by_both, by_age, by_country = verdict.slices

    own = PREDICTIONS.read(one.folder).query(
        f"trial_id == {verdict.shipped.trial_id!r} and class_index == 1 and part == 'test'"
    )
    rows = own["row"].to_numpy(int)
    alarm, pays = (own["value"] >= verdict.operating_point.threshold).to_numpy(), (own["target"] == 1).to_numpy()
    for each in by_sex.slices:
        of = frame["sex"].to_numpy()[rows] == each.name
        assert (each.rows, each.positives) == (of.sum(), (of & pays).sum())
        assert each.metric.mean == pytest.approx((alarm == pays)[of].mean())
        assert each.selection.mean == pytest.approx(alarm[of].mean())
        assert each.true_positive.mean == pytest.approx(alarm[of & pays].mean())
        assert each.false_positive.mean == pytest.approx(alarm[of & ~pays].mean())
        assert each.cost.mean == pytest.approx((5 * (pays & ~alarm) + (alarm & ~pays))[of].mean())
        assert each.true_positive.low < each.true_positive.mean <= each.true_positive.high
    assert {each.name for each in by_both.slices} >= {"F, missing", "M, missing", "F, north"}
    assert {each.few for each in by_both.slices} == {True, False}
    assert [each.values[0] for each in by_age.slices] == ["1", "2", "3"]
    assert sum(each.rows for each in by_age.slices) == len(rows)

    odds = {each.metric: each for each in by_sex.differences}["equalised_odds_difference"]
    assert verdict.gates[0].estimate == odds.difference.mean and verdict.gates[0].answer == "fail"
    assert verdict.gates[1].by == ["sex", "town"]
    assert verdict.gates[2].estimate == pytest.approx(by_sex.slices[1].true_positive.mean)
    assert verdict.gates[3].slice == {"age": by_age.slices[0].name}
    assert "equalised odds difference by sex" in verdict.decision.reason
    assert by_sex.worst and by_sex.worst.name == "F" and "corrected" in by_sex.worst.sentence
    assert by_country.nothing == "Nothing to compare: country is X in every test row."
    assert not by_country.differences and by_country.worst is None

    assert Verdict.read(one.folder).slices == verdict.slices
    page = report(one.run).path.read_text(encoding="utf-8")
    gate = "Recall of yes where sex is M"
    for said in ('id="slices"', "too few to tell", "Nothing to compare", "True positive rate", gate):
        assert said in page


def only(slices: list[Any], folder: Path, **data: Any) -> JudgedSlicing:
    _, verdict = judged(folder, {"slices": slices}, **data)
    assert verdict.slices
    return verdict.slices[0]


def test_a_value_has_mean_residuals_and_no_rates(tmp_path: Path) -> None:
    people(tmp_path)
    found = only(["sex"], tmp_path, target="income", drop=["sex", "town", "country", "pays"])
    assert all(each.residual and each.residual.low < each.residual.mean < each.residual.high for each in found.slices)
    assert all(each.positives is None and each.true_positive is None for each in found.slices)
    assert not found.differences


def test_several_classes_have_the_metric_alone(tmp_path: Path) -> None:
    frame = people(tmp_path).assign(band=lambda frame: pd.cut(frame["income"], 3, labels=["low", "middle", "high"]))
    frame.to_csv(tmp_path / "people.csv", index=False)
    found = only(["sex"], tmp_path, target="band", drop=["sex"])
    assert all(each.metric.mean is not None and each.selection is None for each in found.slices)
    assert not found.differences


def test_rows_of_one_speaker_say_nothing_of_others(tmp_path: Path) -> None:
    """Intervals of slices respect groups: a slice with one group has no interval."""
    frame = people(tmp_path).assign(person=lambda frame: np.where(frame["sex"] == "F", "f", frame.index // 6))
    frame.to_csv(tmp_path / "people.csv", index=False)
    men = frame.loc[frame["sex"] == "M", "person"].unique()[:40]
    split = {"group": "person", "hold_out": ["f", *map(str, men)]}
    _, verdict = judged(tmp_path, {"slices": ["sex"]}, split=split)
    one, many = verdict.slices[0].slices
    assert one.rows > many.rows and one.selection.low is None and many.selection.low is not None


def test_a_gate_of_a_slice_that_does_not_exist_is_refused_before_training(tmp_path: Path) -> None:
    people(tmp_path)
    with pytest.raises(BadInput, match=r"gates\[0\]\.slice: no row is in this slice of sex"):
        judged(tmp_path, {"slices": ["sex"]}, [{"metric": "recall", "at_least": 0.5, "slice": {"sex": "X"}}])
