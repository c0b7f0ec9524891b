"""Range tests before a search, through the stages: what is searched then, and that it is the same after a kill."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import pytest

from reports.numbers import setting
from reports.tables.search import search as search_in_words
from tasks.errors import BadInput
from tasks.records.documents import as_json
from tasks.records.plan import Plan
from tasks.run_folder import read_json
from tasks.spec.load import parse_spec
from tests.runs import Planned, planned

SPEC: dict[str, Any] = {
    "data": {"source": "wine"},
    "model": "linear",
    "train": {"epochs": 10, "seeds": 1, "early_stopping": {"patience": 2}},
    "compare": {"optimizer": ["adam", "sgd"]},
    "tune": {"trials": 3, "space": {"learning_rate": "range-test", "l2": {"low": 1e-6, "high": 1e-3, "scale": "log"}}},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    return planned(tmp_path_factory.mktemp("run"), SPEC)


@pytest.fixture(scope="module")
def done(run: Planned) -> Plan:
    return run.searched().plan


def test_its_cost_is_planned(run: Planned) -> None:
    cost = run.plan.cost.search
    assert cost is not None and cost.range_tests is not None
    assert cost.range_tests.trials == 2 * 31 * 3


def test_each_recipe_is_searched_in_the_range_that_was_found(done: Plan) -> None:
    assert done.search is not None and done.search.range_tests is not None
    for test, recipe in zip(done.search.range_tests, done.search.recipes, strict=True):
        rate, l2 = recipe.space
        assert (rate.low, rate.high, rate.log, rate.tested) == (test.low, test.high, True, True)
        assert l2.tested is None
        assert test.best is not None and test.low <= test.best <= test.high
        assert len(test.losses) == len(test.rates) == 31
    for chosen in done.recipes:
        parameters = chosen.settings.optimizer.parameters
        (test,) = (each for each in done.search.range_tests if each.recipe_id == chosen.recipe_id)
        assert test.low <= parameters["learning_rate"] <= test.high
        assert chosen.settings.part("early_stopping") is not None  # left out of the test alone


def test_the_report_says_how_ranges_were_found(done: Plan) -> None:
    said = html.unescape(search_in_words(done, None))
    assert "found by a range test" in said and "Learning-rate range tests" in said
    assert done.search is not None and done.search.range_tests is not None
    for test in done.search.range_tests:
        assert f"{setting(test.low)} to {setting(test.high)}" in said


def test_the_plan_is_read_as_it_was_written(run: Planned, done: Plan) -> None:
    assert as_json(Plan.read(run.folder)) == as_json(done) == read_json(run.folder / "plan.json")


@pytest.mark.parametrize("where", ["range test", "round 1"])
def test_a_search_that_goes_on_looks_where_it_looked_before(
    where: str, run: Planned, done: Plan, tmp_path: Path
) -> None:
    stopped = planned(tmp_path, SPEC)

    def stop(what: str, done: int, total: int) -> None:
        if what.startswith(where):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped.searched(progress=stop)
    again = planned(tmp_path, SPEC, start="train").searched().plan
    assert as_json(again)["search"] == as_json(done)["search"]
    assert as_json(again)["recipes"] == as_json(done)["recipes"]


def test_a_grid_can_not_wait_for_it(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="laid out before the range test"):
        planned(tmp_path, SPEC | {"tune": {"method": "grid", "space": {"learning_rate": "range-test"}}})


@pytest.mark.parametrize(
    "space",
    [{"learning_rate": {"range_test": True, "low": 0.1, "high": 1.0}}, {"momentum": "range-test"}],
)
def test_only_a_learning_rate_is_tested_and_without_a_range_beside(space: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        planned(tmp_path, SPEC | {"train": {"optimizer": "momentum"}, "compare": {}, "tune": {"space": space}})


def test_it_is_written_as_it_was_read() -> None:
    for form in ("range-test", {"range_test": True}):
        spec = parse_spec(SPEC | {"tune": {"space": {"learning_rate": form}}})
        assert spec.model_dump(mode="json")["tune"]["space"] == {"learning_rate": "range-test"}
