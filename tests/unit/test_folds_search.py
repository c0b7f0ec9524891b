"""A search beside folds that judge: done anew in each of them, on the rows that are left to it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks import preparation
from tasks.dataset import TEST, TRAIN, VAL
from tasks.execution import nested
from tasks.execution.nested import searched_rows
from tasks.inputs.prepared import Prepared, prepare_folds, prepare_held_out
from tasks.records.plan import HeldOut, Plan
from tests.guarded import guarded
from tests.runs import Planned, planned

FOLDS, TRIALS = 3, 4
SPEC: dict[str, Any] = {
    "data": {"source": "wine"},
    "model": "linear",
    "train": {"epochs": 4, "seeds": 2},
    "compare": {"optimizer": ["adam", "sgd"]},
    "tune": {"trials": TRIALS, "space": {"learning_rate": {"low": 1e-4, "high": 1, "scale": "log"}}},
    "evaluate": {"folds": FOLDS, "metric": "accuracy"},
}


def with_tune(**tune: Any) -> dict[str, Any]:
    return SPEC | {"tune": SPEC["tune"] | tune}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    return planned(tmp_path_factory.mktemp("folds"), SPEC)


@pytest.fixture(scope="module")
def run(opened: Planned) -> Planned:
    return opened.searched()


@pytest.fixture(scope="module")
def tables(run: Planned) -> dict[str, pd.DataFrame]:
    return run.tables()


def held_out(plan: Plan) -> HeldOut:
    assert plan.held_out
    return plan.held_out


def guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads a row that a fold, or a fold of its search, may not see ends the test."""

    def judging(*given: Any) -> tuple[Prepared, ...]:
        return tuple(guarded(each, each.rows[TEST]) for each in prepare_held_out(*given))

    def choosing(dataset: Any, splits: pd.DataFrame, **options: Any) -> dict[int | None, Prepared]:
        away = splits.loc[(splits["part"] == TEST).to_numpy(bool), "row"].to_numpy()
        return {fold: guarded(each, away) for fold, each in prepare_folds(dataset, splits, **options).items()}

    monkeypatch.setattr(preparation, "prepare_held_out", judging)
    monkeypatch.setattr(nested, "prepare_folds", choosing)


@pytest.mark.slow
@pytest.mark.parametrize(
    "tune",
    [
        {"method": "random"},
        {"method": "tpe", "trials": 3, "folds": 2},
        {"method": "successive-halving"},
        {"trials": 2, "space": {"learning_rate": "range-test"}},
    ],
    ids=lambda tune: tune.get("method", "range test"),
)
def test_no_search_reads_a_row_that_judges(tune: dict[str, Any], tmp_path: Path, monkeypatch: Any) -> None:
    guard(monkeypatch)
    done = planned(tmp_path, with_tune(**tune) | {"compare": {"optimizer": ["adam"]}}).searched()
    choices = held_out(done.plan).searched
    assert choices and [each.fold for each in choices.choices] == list(range(FOLDS))


def test_a_fold_searches_in_folds_of_its_own_rows(opened: Planned) -> None:
    by_fold, places = searched_rows(opened.prepared, opened.splits, opened.run.spec.data.split, 2)
    assert places == {None: (3, 4), 0: (5, 6), 1: (7, 8), 2: (9, 10)}
    for outer, inner in places.items():
        own = opened.prepared.by_fold[outer]
        learned = np.sort(np.concatenate([own.rows[TRAIN], own.rows[VAL]]))
        validated = np.concatenate([by_fold[fold].rows[VAL] for fold in inner])
        assert len(np.unique(validated)) == len(validated) >= len(learned) - 1
        for fold in inner:
            rows = np.concatenate([by_fold[fold].rows[TRAIN], by_fold[fold].rows[VAL]])
            np.testing.assert_array_equal(np.sort(rows), learned)


@pytest.mark.slow
def test_every_fold_trains_what_its_own_search_found_best(run: Planned, tables: dict[str, pd.DataFrame]) -> None:
    held = held_out(run.plan)
    assert held.searched
    chosen = {(each.fold, each.recipe_id): each for each in held.searched.choices}
    assert len(chosen) == FOLDS * 2
    for trial in held.trials:
        assert trial.variant_id == chosen[trial.fold or 0, trial.recipe_id].variant_id
    assert all(
        len({trial.fold for trial in held.trials if trial.trial_id in each.trials}) == FOLDS for each in held.stacks
    )
    values = tables["metrics"].query("part == 'val' and metric == 'accuracy'").set_index("trial_id")["value"]
    tried = tables["trials"].query("stage == 'search'")
    assert len(tried) == 2 * TRIALS * (1 + FOLDS)
    assert tried.groupby(tried["fold"].fillna(-1))["seed"].nunique().eq(1).all()
    assert tried["seed"].nunique() == 1 + FOLDS, "initial weights are drawn anew in every fold"
    for (fold, recipe_id), choice in chosen.items():
        own = tried[(tried["fold"] == fold) & (tried["recipe_id"] == recipe_id)]
        assert choice.score == values[own["trial_id"]].max()


@pytest.mark.slow
def test_the_verdict_counts_what_was_chosen(run: Planned, tables: dict[str, pd.DataFrame]) -> None:
    verdict, held = run.judge(tables), held_out(run.plan)
    judged = verdict.out_of_fold
    assert judged and judged.searched and held.searched
    assert "searching" in judged.sentence and "a search of its own" in judged.sentence
    for recipe, found in zip(run.plan.recipes, judged.searched, strict=True):
        own = [each for each in held.searched.choices if each.recipe_id == recipe.recipe_id]
        assert [each.folds for each in found.settings] == [
            count for _, count in Counter(each.variant_id for each in own).most_common()
        ]
        assert found.folds == FOLDS
        assert found.chosen_by == pytest.approx(np.mean([each.score for each in own]))
        whole = {each.variant_id for each in own} & {recipe.variant_id}
        assert sum(each.whole for each in found.settings) == len(whole)


@pytest.mark.slow
def test_who_goes_on_with_it_trains_and_chooses_the_same(run: Planned) -> None:
    again = planned(run.folder, SPEC, start="search").searched()
    assert again.plan == run.plan
