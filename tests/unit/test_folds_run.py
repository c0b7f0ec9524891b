"""A run that is judged out of fold, from its plan to its verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.dataset import TEST, TRAIN, VAL
from tasks.evaluation.intervals import over_folds
from tasks.inputs.prepared import prepare_held_out
from tasks.records.verdict import Verdict
from tests.runs import Planned, planned

SPEC: dict[str, Any] = {
    "data": {"source": "wine"},
    "model": "linear",
    "train": {"epochs": 2, "seeds": 2},
    "compare": {"optimizer": ["adam", "sgd"]},
    "evaluate": {"folds": 3, "repeats": 2, "metric": "accuracy", "seed_sources": True},
    "gates": [{"metric": "accuracy", "at_least": 0.05}],
}
ROWS = 177  # of 178, one is left over so that folds are equally large


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    return planned(tmp_path_factory.mktemp("folds"), SPEC)


@pytest.fixture(scope="module")
def tables(run: Planned) -> dict[str, pd.DataFrame]:
    return run.tables()


@pytest.fixture(scope="module")
def verdict(run: Planned, tables: dict[str, pd.DataFrame]) -> Verdict:
    return run.judge(tables)


@pytest.mark.slow
def test_nothing_of_a_fold_is_in_what_is_learned_without_it(run: Planned) -> None:
    dataset, fold = run.prepared.dataset, run.prepared.held_out[0]
    raw = dataset.table.copy()
    raw.loc[fold.rows[TEST]] = 1e6
    (spoilt,) = prepare_held_out(replace(dataset, table=raw), [fold.rows])
    for part in (TRAIN, VAL):
        np.testing.assert_array_equal(spoilt.features[fold.rows[part]], fold.features[fold.rows[part]])


@pytest.mark.slow
def test_every_model_answers_each_row_once(run: Planned, tables: dict[str, pd.DataFrame]) -> None:
    predicted = tables["predictions"][tables["predictions"]["part"] == TEST]
    final = tables["trials"][tables["trials"]["stage"].isin(["final", "baseline"])]
    assert set(predicted["trial_id"]) == set(final["trial_id"])
    for _, own in predicted.groupby("trial_id", observed=True):
        assert len(own) == 3 * ROWS
        assert own["row"].nunique() == ROWS
    assert run.plan.held_out
    judging = [each for each in run.plan.held_out.trials if each.stage == "fold"]
    assert len(judging) == 6 * 2 * 2
    assert len({(each.fold, each.seed) for each in judging}) == 12, "initial weights are drawn anew"


@pytest.mark.slow
def test_the_figures_are_means_over_folds(tables: dict[str, pd.DataFrame], verdict: Verdict) -> None:
    trials, metrics = tables["trials"], tables["metrics"]
    accuracy = metrics[(metrics["metric"] == "accuracy")].pivot(index="trial_id", columns="part", values="value")
    folds = trials[trials["stage"] == "fold"].set_index("trial_id").join(accuracy)
    for recipe in verdict.recipes:
        own = folds[folds["recipe_id"] == recipe.recipe_id].groupby("fold")["test"].mean().to_numpy(float)
        expected = over_folds(own, 59 / 119, 0.95).within(0, 1).estimate()
        found = recipe.metrics["accuracy"]
        assert (found.mean, found.low, found.high) == pytest.approx((expected.mean, expected.low, expected.high))
    networks = folds[folds["trainer"] != "sklearn"]
    chosen = []
    for _, of_fold in networks.groupby("fold"):
        leader = of_fold.groupby("recipe", sort=False)["val"].mean().idxmax()
        mine = of_fold[of_fold["recipe"] == leader].sort_values("seed")
        chosen.append(mine.loc[mine["val"].idxmax(), "test"])
    judged = verdict.out_of_fold
    assert judged and judged.scores == pytest.approx(chosen)
    leading = folds[folds["recipe_id"] == verdict.leader].groupby("fold")["test"]
    assert judged.variance and judged.variance.seed == pytest.approx(np.sqrt(leading.var(ddof=1).mean()))
    assert (judged.variance.folds, judged.variance.seeds) == (6, 2)
    mixed = trials[(trials["recipe_id"] == verdict.leader) & (trials["stage"] == "mixed")]
    of_mixed = mixed.set_index("trial_id").join(accuracy).sort_values("fold")["test"].to_numpy(float)
    own = folds[folds["recipe_id"] == verdict.leader].sort_values(["fold", "seed"])["test"].to_numpy(float)
    for source, others in ((judged.variance.initial, own[::2]), (judged.variance.order, own[1::2])):
        assert source and source.mean == pytest.approx(np.sqrt(np.square(of_mixed - others).mean() / 2))
    assert sum(judged.chosen.values()) == 6
    assert verdict.shipped
    assert verdict.shipped.metrics["accuracy"] == judged.metrics["accuracy"]
    (gate,) = verdict.gates
    assert (gate.estimate, gate.answer) == (judged.metrics["accuracy"].mean, "pass")
    assert "out of fold" in gate.sentence


@pytest.mark.slow
def test_another_run_reuses_every_fold_and_judges_the_same(run: Planned, verdict: Verdict, tmp_path: Path) -> None:
    again = planned(tmp_path, SPEC, home=run.run.home)
    assert again.plan.reuse.startswith("40 of 40 trials are reused")
    found = again.judge(again.tables())
    assert found.out_of_fold == verdict.out_of_fold
    assert found.gates == verdict.gates


@pytest.mark.slow
def test_forward_in_time_is_judged_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"day": np.arange(160), "x": rng.normal(size=160)})
    frame["y"] = 3 * frame["x"] + rng.normal(size=160)
    frame.to_csv(tmp_path / "days.csv", index=False)
    data = {"source": str(tmp_path / "days.csv"), "target": "y", "split": {"time": "day"}}
    spec = {"data": data, "train": {"epochs": 1, "seeds": 1}, "evaluate": {"folds": 3, "ship": "best"}}
    timed = planned(tmp_path / "run", spec)
    assert timed.plan.held_out
    assert timed.plan.held_out.learned_from == (40, 120)
    judged = timed.judge(timed.tables()).out_of_fold
    assert judged and judged.rows == 120
    assert len(judged.scores) == 3


@pytest.mark.slow
def test_slices_and_their_gates_are_judged_out_of_fold(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=240), "town": np.repeat(["north", "south", "isle"], [140, 96, 4])})
    frame["y"] = np.where(frame["x"] + rng.normal(size=240) > 0, "yes", "no")
    frame.to_csv(tmp_path / "towns.csv", index=False)
    gates = [
        {"metric": "accuracy", "slice": {"town": "north"}, "at_least": 0.3},
        {"metric": "accuracy", "slice": {"town": "isle"}, "at_least": 0.3},
        {"metric": "demographic_parity_difference", "by": "town", "at_most": 0.9},
    ]
    evaluate = {
        "folds": 5,
        "repeats": 2,
        "metric": "accuracy",
        "slices": ["town"],
        "cost": {"false_negative": 2, "false_positive": 1},
    }
    data = {"source": str(tmp_path / "towns.csv"), "target": "y", "positive": "yes"}
    spec = {"data": data, "train": {"epochs": 3, "seeds": 1}, "evaluate": evaluate, "gates": gates}
    run = planned(tmp_path / "run", spec)
    verdict = run.judge(run.tables())
    assert verdict.slices and verdict.out_of_fold
    (found,) = verdict.slices
    by_name = {each.name: each for each in found.slices}
    assert by_name["north"].metric.low is not None and by_name["north"].cost
    assert by_name["isle"].few and by_name["isle"].metric.low is None, "some fold has none of its four rows"
    shares = [by_name[name].metric.mean or 0.0 for name in ("north", "south")]
    assert min(shares) - 0.1 < (verdict.out_of_fold.metrics["accuracy"].mean or 0.0) < max(shares) + 0.1
    assert [gate.answer for gate in verdict.gates] == ["pass", "undecided", "undecided"]
    assert "out of fold, on 140 rows" in verdict.gates[0].sentence
    assert verdict.fairness_prices is None
