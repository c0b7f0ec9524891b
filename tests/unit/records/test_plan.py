"""plan.json: what was read is written again byte for byte, and what is not a plan is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import BadInput
from tasks.records.documents import as_json, document_of
from tasks.records.plan import Plan
from tasks.records.search_plan import SearchedChoices, SearchedRange
from tests.plans import made_up, space_of
from tests.synthetic_run import write_synthetic_run
from tests.unit.records.test_verdict import RUNS


@pytest.mark.parametrize("options", RUNS.values(), ids=RUNS)
def test_a_plan_that_was_read_is_written_as_it_was(tmp_path: Path, options: dict[str, Any]) -> None:
    run = write_synthetic_run(tmp_path / "run", **options)
    before = (run / "plan.json").read_bytes()
    Plan.read(run).write(run)
    assert (run / "plan.json").read_bytes() == before


def test_the_settings_of_a_recipe_are_its_params_in_the_file() -> None:
    plan = made_up(recipes=[{"recipe_id": "r", "recipe": "sgd", "params": {"epochs": 3}}])
    assert plan.recipes[0].settings.document == {"epochs": 3}
    assert list(as_json(plan)["recipes"][0]) == [
        "recipe_id",
        "recipe",
        "optimizer",
        "schedule",
        "variant_id",
        "params",
    ]


@pytest.mark.parametrize(("low", "high"), [(1, 3), (1.0, 3.0), (1, 3.5)])
def test_a_range_keeps_whole_numbers_whole(low: float, high: float) -> None:
    (written,) = space_of({"name": "layers", "low": low, "high": high})
    read = document_of(json.loads(json.dumps(as_json(written))), SearchedRange)
    assert [type(end) for end in (read.low, read.high)] == [type(low), type(high)]


def test_choices_have_no_ends() -> None:
    (written,) = space_of({"name": "batch_size", "choices": [16, 32]})
    assert set(as_json(written)) == {"name", "choices", "when", "owned"}
    assert document_of(as_json(written), SearchedChoices) == written


@pytest.mark.parametrize(
    ("changes", "place"),
    [({"recipes": None}, "recipes"), ({"trials": [{"trial_id": 3}]}, "trials.0"), ({"cost": {}}, "cost.trials")],
)
def test_what_is_not_a_plan_is_refused_with_the_place(tmp_path: Path, changes: dict[str, Any], place: str) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(as_json(made_up()) | changes))
    with pytest.raises(BadInput) as error:
        Plan.read(tmp_path)
    assert f"plan.json: {place}" in error.value.where
