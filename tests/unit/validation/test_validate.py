"""validation.json: the spec's own entries, their mistakes, the outcome, and what is left behind (nothing)."""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

from tasks.dataset import Dataset
from tasks.errors import BadInput, Several
from tasks.records.documents import as_json
from tasks.records.tables import SPLITS
from tasks.records.validation import CheckResult, Validation
from tasks.validation.validate import outcome_table, validate
from tasks.validation.written import raw_table
from tests.datasets import made

KEYS = {
    "check",
    "column",
    "origin",
    "severity",
    "success",
    "expected",
    "observed",
    "rows",
    "unexpected",
    "message",
    "remedy",
    "parameters",
}
BETWEEN = "expect_column_values_to_be_between"


@dataclass(frozen=True)
class Entry:
    name: str
    parameters: dict[str, Any]
    severity: Literal["block", "warn"] = "warn"


@pytest.fixture
def dataset() -> Dataset:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "age": rng.uniform(1, 80, 600),
            "fare": rng.uniform(5, 500, 600),
            "sex": pd.Series(rng.choice(["male", "female"], 600), dtype="str"),
        }
    )
    table.loc[0, "age"] = -3.0
    table.loc[1, "age"] = np.nan
    target = (rng.random(600) < 0.4).astype(np.int64)
    extras = pd.DataFrame({"ticket": pd.Series([f"t{i}" for i in range(600)], dtype="str")})
    return made("titanic", table, target, "survived", ("0", "1"), "0" * 64, extras=extras)


@pytest.fixture
def splits() -> pd.DataFrame:
    part = np.array(["train", "train", "train", "val", "test"])[np.arange(600) % 5]
    return SPLITS.frame(pd.DataFrame({"row": range(600), "part": part}))


def written(result: Validation) -> list[CheckResult]:
    return [result for result in result.results if result.origin == "spec"]


def test_the_result_keeps_the_contract_of_validation_json(dataset, splits):
    result = validate(dataset, splits)
    document = as_json(result)

    assert document.keys() == {"schema_version", "outcome", "seconds", "sampled", "strengths", "results"}
    assert result.outcome == "passed"
    assert {entry.origin for entry in result.results} == {"inferred", "comparison"}
    assert all(entry.keys() == KEYS for entry in document["results"])
    for entry in result.results:
        assert isinstance(entry.success, bool)
        assert entry.remedy is None or not entry.success
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_texts_are_seen_as_they_are_written_and_numbers_as_they_are_meant(tmp_path):
    """Also of columns that are no inputs."""
    from tasks.datasets.load import load_dataset
    from tasks.spec.data import Data

    rows = [f'{i % 7:05d},{"Yes" if i % 2 else "No"},"{i + 1},5",K{i:03d},{i % 3}' for i in range(90)]
    (tmp_path / "d.csv").write_text("\n".join(["zip,smoker,price,customer,left", *rows]))
    read = {"columns": {"zip": "number"}, "drop": ["customer"]}
    dataset = load_dataset(Data(source=str(tmp_path / "d.csv"), target="left", **read), home=tmp_path)
    part = np.array(["train", "train", "train", "val", "test"])[np.arange(90) % 5]
    entries = [
        Entry("expect_column_values_to_match_regex", {"column": "zip", "regex": "^[0-9]{5}$"}),
        Entry(BETWEEN, {"column": "zip", "min_value": 0, "max_value": 6}),
        Entry("expect_column_values_to_be_in_set", {"column": "smoker", "value_set": ["Yes", "No"]}),
        Entry("expect_column_values_to_be_in_set", {"column": "smoker", "value_set": [0, 1]}),
        Entry("expect_column_values_to_match_regex", {"column": "price", "regex": ",5$"}),
        Entry(BETWEEN, {"column": "price", "min_value": 1, "max_value": 91}),
        Entry("expect_column_values_to_be_unique", {"column": "customer"}),
        Entry("expect_column_value_lengths_to_equal", {"column": "customer", "value": 4}),
    ]
    result = validate(dataset, SPLITS.frame(pd.DataFrame({"row": range(90), "part": part})), entries)
    assert [entry.success for entry in written(result)] == [True] * len(entries)


def test_an_expectation_of_the_spec_tells_what_it_found(dataset, splits):
    entry = Entry(BETWEEN, {"column": "age", "min_value": 0, "max_value": 100}, "block")

    result = validate(dataset, splits, [entry])

    assert result.outcome == "blocked"
    (found,) = written(result)
    assert as_json(found) | {"message": "", "observed": ""} == {
        "check": BETWEEN,
        "column": "age",
        "origin": "spec",
        "severity": "block",
        "success": False,
        "expected": "between 0 and 100",
        "observed": "",
        "rows": 599,
        "unexpected": 1,
        "message": "",
        "remedy": "mend these rows at their source, or change the expectation",
        "parameters": None,
    }
    assert found.observed.startswith("min -3, max 79.")
    assert "1 of 599 values (0.2%) are not as expected (between 0 and 100), such as -3" in found.message


@pytest.mark.parametrize(
    ("severity", "min_value", "outcome"),
    [("block", -5, "passed"), ("warn", 0, "warned"), ("block", 0, "blocked")],
)
def test_severity_decides_the_outcome(dataset, splits, severity, min_value, outcome):
    entry = Entry(BETWEEN, {"column": "age", "min_value": min_value}, severity)

    assert validate(dataset, splits, [entry]).outcome == outcome


@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        (BETWEEN, {"column": "age", "min_value": -9}, "at least -9"),
        (BETWEEN, {"column": "fare", "max_value": 500, "strict_max": True}, "below 500"),
        (
            BETWEEN,
            {"column": "age", "min_value": 0, "max_value": 1e6, "mostly": 0.95},
            "between 0 and 1e+06, in at least 95% of the values",
        ),
        (
            "expect_column_mean_to_be_between",
            {"column": "age", "min_value": 1, "max_value": 99},
            "mean between 1 and 99",
        ),
        (
            "expect_column_values_to_be_in_set",
            {"column": "survived", "value_set": [0, 1]},
            "column values to be in set, value set [0 and 1]",
        ),
        ("expect_column_values_to_be_unique", {"column": "ticket"}, "column values to be unique"),
    ],
)
def test_expectations_in_words(dataset, splits, name, parameters, expected):
    (found,) = written(validate(dataset, splits, [Entry(name, parameters)]))

    assert (found.success, found.expected) == (True, expected)


def test_an_expectation_replaces_the_inferred_one_of_its_name_and_column(dataset, splits):
    entry = Entry(BETWEEN, {"column": "fare", "min_value": 0})

    results = validate(dataset, splits, [entry]).results

    assert [r.origin for r in results if (r.check, r.column) == (BETWEEN, "fare")] == ["spec"]


def test_a_check_of_ours_takes_the_specs_severity_and_parameters(dataset, splits):
    entry = Entry("too_few_rows", {"rows": 500}, "block")

    result = validate(dataset, splits, [entry])

    assert result.outcome == "blocked"
    (found,) = written(result)
    assert (found.check, found.severity, found.expected) == (
        "too_few_rows",
        "block",
        "at least 500 test rows",
    )
    assert sum(entry.check == "too_few_rows" for entry in result.results) == 1


def test_the_raw_table_has_inputs_labels_and_extras(dataset):
    assert list(raw_table(dataset)) == ["age", "fare", "sex", "survived", "ticket"]
    assert set(raw_table(dataset)["survived"]) == {0, 1}
    assert set(raw_table(replace(dataset, classes=("no", "yes")))["survived"]) == {"no", "yes"}
    overlapping = replace(dataset, extras=dataset.table[["sex"]])
    assert list(raw_table(overlapping)) == ["age", "fare", "sex", "survived"]


@pytest.mark.parametrize(
    ("name", "parameters", "problem"),
    [
        (BETWEEN, {"column": "agee", "min_value": 0}, "there is no column 'agee'"),
        (BETWEEN, {"column": 3, "min_value": 0}, "there is no column 3"),
        (BETWEEN, {"column": ["age"], "min_value": 0}, "there is no column ['age']"),
        (BETWEEN, {"min_value": 0}, "column: field required"),
        (BETWEEN, {"column": "age"}, "min_value and max_value cannot both be None"),
        (BETWEEN, {"column": "age", "min_value": "old"}, "min_value: value is not a valid float"),
        (BETWEEN, {"column": "age", "min_value": 9, "max_value": 1}, "min_value is above max_value"),
        (BETWEEN, {"column": "age", "min_value": 0, "mostly": 7}, "mostly: ensure this value is less than"),
        (BETWEEN, {"column": "age", "min_value": {"$PARAMETER": "now()"}}, "min_value must be a plain value"),
        (BETWEEN, {"column": "sex", "min_value": 0}, "can't be computed on sex"),
        ("expect_column_mean_to_be_between", {"column": "sex", "min_value": 0}, "can't be computed on sex"),
        ("expect_column_values_to_match_regex", {"column": "sex", "regex": "("}, "can't be computed on sex"),
        ("expect_compound_columns_to_be_unique", {"column_list": ["age", "fair"]}, "no column 'fair'"),
        ("expect_compound_columns_to_be_unique", {"column_list": 5}, "there is no column 5"),
        ("expect_column_values_to_be_in_set", {"column": "sex", "value_set": "male"}, "value_set"),
    ],
)
def test_a_wrong_expectation_is_bad_input_with_its_path(dataset, splits, name, parameters, problem):
    with pytest.raises(BadInput) as error:
        validate(dataset, splits, [Entry("too_few_rows", {"rows": 1}), Entry(name, parameters)])

    assert error.value.where == "data.checks[1]"
    assert problem in error.value.problem
    assert name in error.value.problem
    assert "Traceback" not in error.value.message()


def test_the_nearest_column_is_suggested_and_all_mistakes_are_said_at_once(dataset, splits):
    entries = [Entry(BETWEEN, {"column": name, "min_value": 0}) for name in ("agee", "fares")]

    with pytest.raises(Several) as error:
        validate(dataset, splits, entries)

    assert [wrong.where for wrong in error.value.errors] == ["data.checks[0]", "data.checks[1]"]
    assert "did you mean age?" in error.value.message()
    assert "did you mean fare?" in error.value.message()


def test_a_column_that_should_exist_and_does_not_is_a_finding_not_a_mistake(dataset, splits):
    (found,) = written(validate(dataset, splits, [Entry("expect_column_to_exist", {"column": "cabin"})]))

    assert not found.success


def test_the_table_for_a_terminal_shows_failures_first(dataset, splits):
    entries = [
        Entry(BETWEEN, {"column": "fare", "min_value": 100}, "warn"),
        Entry(BETWEEN, {"column": "age", "min_value": 0}, "block"),
    ]

    rows = outcome_table(validate(dataset, splits, entries).results)

    assert [row["answer"] for row in rows[:3]] == ["blocks", "warns", "passed"]
    assert list(rows[0]) == ["answer", "check", "column", "finding", "remedy"]
    assert {row["answer"] for row in rows[2:]} == {"passed"}
    assert all(isinstance(text, str) for row in rows for text in row.values())


def test_the_same_data_give_the_same_results(dataset, splits):
    first, second = (validate(dataset, splits).results for _ in range(2))

    assert first == second


def test_nothing_is_printed_logged_or_left_behind(dataset, splits, tmp_path, monkeypatch, capfd, caplog):
    home, scratch, here = (tmp_path / name for name in ("home", "scratch", "here"))
    for folder in (home, scratch, here):
        folder.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.chdir(here)

    validate(dataset, splits, [Entry(BETWEEN, {"column": "age", "min_value": 0})])
    with pytest.raises(BadInput):
        validate(dataset, splits, [Entry(BETWEEN, {"column": "sex", "min_value": 0})])

    assert [path for folder in (home, scratch, here) for path in folder.rglob("*")] == []
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


@pytest.mark.skipif(not os.environ.get("BAKEOFF_DATA"), reason="needs BAKEOFF_DATA")
def test_the_oddities_of_the_shot_log_are_found():
    path = Path(os.environ["BAKEOFF_DATA"]) / "nba_shot_logs" / "shot_logs.kaggle_names.csv.gz"
    source = pd.read_csv(path)
    inputs = source[["SHOT_CLOCK", "TOUCH_TIME", "SHOT_DIST", "PTS"]].astype("float64")
    inputs["SHOT_RESULT"] = source["SHOT_RESULT"].astype("str")
    target = source["FGM"].to_numpy(np.int64)
    dataset = made("shots", inputs, target, "FGM", ("0", "1"), "0")
    part = np.array(["train", "train", "train", "val", "test"])[source["GAME_ID"].to_numpy() % 5]
    splits = SPLITS.frame(
        pd.DataFrame({"row": range(len(source)), "part": part, "group": source["GAME_ID"].astype("str")})
    )

    result = validate(dataset, splits, [Entry(BETWEEN, {"column": "TOUCH_TIME", "min_value": 0})])

    assert result.outcome == "blocked"
    failed = {entry.check: entry for entry in result.results if not entry.success}
    assert failed[BETWEEN].unexpected == 312
    assert all(name in failed["target_leak"].message for name in ("PTS", "SHOT_RESULT"))
    assert re.search(r"data\.drop: \[(PTS, SHOT_RESULT|SHOT_RESULT, PTS)\]", failed["target_leak"].remedy)
