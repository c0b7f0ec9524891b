"""Every check of `CHECKS`, and every expectation of `EXPECTATIONS`, keeps its contract."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.dataset import Dataset
from tasks.records.documents import as_json
from tasks.records.tables import SPLITS
from tasks.validation.checks import CHECKS
from tasks.validation.finding import Finding
from tasks.validation.names import EXPECTATIONS
from tasks.validation.suite import Expectation, run
from tasks.validation.validate import validate
from tests.datasets import made

NOT_OFFERED = {
    "ExpectColumnKLDivergenceToBeLessThan": "its partition object is no parameter to write by hand",
    "ExpectColumnValuesToBeInTypeList": "a column has one type here: expect_column_values_to_be_of_type",
    "ExpectColumnValuesToBeJsonParseable": "JSON in a cell is no input of a network",
    "ExpectColumnValuesToMatchJsonSchema": "JSON in a cell is no input of a network",
    "ExpectColumnValuesToMatchLikePattern": "not supported on pandas",
    "ExpectColumnValuesToMatchLikePatternList": "not supported on pandas",
    "ExpectColumnValuesToNotMatchLikePattern": "not supported on pandas",
    "ExpectColumnValuesToNotMatchLikePatternList": "not supported on pandas",
    "ExpectMulticolumnValuesToBeUnique": "renamed: expect_select_column_values_to_be_unique_within_record",
    "ExpectQueryResultsToMatchComparison": "needs a database",
    "ExpectTableRowCountToEqualOtherTable": "needs another table",
}

EXAMPLES: dict[str, dict[str, Any]] = {
    "expect_table_row_count_to_equal": {"value": 4},
    "expect_table_row_count_to_be_between": {"min_value": 1, "max_value": 9},
    "expect_table_column_count_to_equal": {"value": 3},
    "expect_table_column_count_to_be_between": {"min_value": 1},
    "expect_table_columns_to_match_ordered_list": {"column_list": ["n", "m", "s"]},
    "expect_table_columns_to_match_set": {"column_set": ["s", "m", "n"], "exact_match": True},
    "expect_column_to_exist": {"column": "n"},
    "expect_column_type_to_be": {"column": "n", "type_": "float64"},
    "expect_column_values_to_be_of_type": {"column": "s", "type_": "str"},
    "expect_column_values_to_be_null": {"column": "n", "mostly": 0.1},
    "expect_column_values_to_not_be_null": {"column": "n", "mostly": 0.5},
    "expect_column_values_to_be_unique": {"column": "n"},
    "expect_column_values_to_be_between": {"column": "n", "min_value": 0, "max_value": 5},
    "expect_column_values_to_be_in_set": {"column": "s", "value_set": ["a1", "b2"]},
    "expect_column_values_to_not_be_in_set": {"column": "s", "value_set": ["zz"]},
    "expect_column_values_to_be_increasing": {"column": "m"},
    "expect_column_values_to_be_decreasing": {"column": "m", "mostly": 0.1},
    "expect_column_values_to_not_be_outliers": {"column": "m"},
    "expect_column_value_z_scores_to_be_less_than": {"column": "m", "threshold": 4, "double_sided": True},
    "expect_column_value_lengths_to_equal": {"column": "s", "value": 2},
    "expect_column_value_lengths_to_be_between": {"column": "s", "min_value": 1, "max_value": 3},
    "expect_column_values_to_match_regex": {"column": "s", "regex": "[ab]"},
    "expect_column_values_to_not_match_regex": {"column": "s", "regex": "z"},
    "expect_column_values_to_match_regex_list": {"column": "s", "regex_list": ["a", "b"]},
    "expect_column_values_to_not_match_regex_list": {"column": "s", "regex_list": ["y", "z"]},
    "expect_column_values_to_match_strftime_format": {"column": "s", "strftime_format": "%Y", "mostly": 0.0},
    "expect_column_values_to_be_dateutil_parseable": {"column": "s", "mostly": 0.0},
    "expect_column_min_to_be_between": {"column": "n", "min_value": 0},
    "expect_column_max_to_be_between": {"column": "n", "max_value": 9},
    "expect_column_mean_to_be_between": {"column": "n", "min_value": 0},
    "expect_column_median_to_be_between": {"column": "n", "min_value": 0},
    "expect_column_stdev_to_be_between": {"column": "n", "min_value": 0},
    "expect_column_sum_to_be_between": {"column": "n", "min_value": 0},
    "expect_column_quantile_values_to_be_between": {
        "column": "n",
        "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[0, 9]]},
    },
    "expect_column_unique_value_count_to_be_between": {"column": "n", "min_value": 1},
    "expect_column_proportion_of_unique_values_to_be_between": {"column": "n", "min_value": 0.1},
    "expect_column_proportion_of_non_null_values_to_be_between": {"column": "n", "min_value": 0.1},
    "expect_column_most_common_value_to_be_in_set": {"column": "s", "value_set": ["a1"]},
    "expect_column_distinct_values_to_be_in_set": {"column": "s", "value_set": ["a1", "b2"]},
    "expect_column_distinct_values_to_contain_set": {"column": "s", "value_set": ["a1"]},
    "expect_column_distinct_values_to_equal_set": {"column": "s", "value_set": ["a1", "b2"]},
    "expect_column_pair_values_to_be_equal": {"column_A": "n", "column_B": "n"},
    "expect_column_pair_values_a_to_be_greater_than_b": {
        "column_A": "m",
        "column_B": "n",
        "or_equal": True,
        "ignore_row_if": "either_value_is_missing",
    },
    "expect_column_pair_values_to_be_in_set": {
        "column_A": "n",
        "column_B": "m",
        "value_pairs_set": [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]],
        "ignore_row_if": "either_value_is_missing",
    },
    "expect_compound_columns_to_be_unique": {"column_list": ["n", "m"]},
    "expect_select_column_values_to_be_unique_within_record": {"column_list": ["m", "s"]},
    "expect_multicolumn_sum_to_equal": {"column_list": ["n", "m"], "sum_total": 4, "mostly": 0.2},
    "expect_multicolumn_values_to_be_equal": {
        "column_list": ["n", "m"],
        "ignore_row_if": "any_value_is_missing",
    },
}


def clean_data(rows: int = 600, seed: int = 0) -> tuple[Dataset, pd.DataFrame]:
    """Two weak numeric inputs and a category, three balanced classes, disjoint groups."""
    rng = np.random.default_rng(seed)
    target = np.arange(rows) % 3
    table = pd.DataFrame(
        {
            "height": rng.normal(size=rows) + 0.2 * target,
            "weight": rng.normal(size=rows),
            "colour": pd.Series(rng.choice(["red", "green"], rows), dtype="str"),
        }
    )
    part = np.array(["train", "train", "train", "val", "test"])[np.arange(rows) // 3 % 5]
    splits = SPLITS.frame(pd.DataFrame({"row": np.arange(rows), "part": part, "group": part}))
    return made("clean", table, target, "kind", ("a", "b", "c"), "0" * 64), splits


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_is_documented_configurable_and_silent_on_clean_data(name):
    check = CHECKS[name]
    dataset, splits = clean_data()
    before = dataset.table.copy(), dataset.target.copy(), splits.copy()

    finding = check.function(dataset, splits)

    assert check.function.__name__ == name
    assert check.function.__doc__
    assert check.severity in ("block", "warn")
    parameters = list(inspect.signature(check.function, eval_str=True).parameters.values())
    assert [parameter.name for parameter in parameters[:2]] == ["dataset", "splits"]
    for parameter in parameters[2:]:
        assert parameter.kind is parameter.KEYWORD_ONLY
        assert parameter.default is not parameter.empty
        assert parameter.annotation is not parameter.empty
    assert finding is None or (isinstance(finding, Finding) and finding.success and finding.message.endswith("."))
    pd.testing.assert_frame_equal(dataset.table, before[0])
    np.testing.assert_array_equal(dataset.target, before[1])
    pd.testing.assert_frame_equal(splits, before[2])


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_answers_in_plain_values_on_odd_data(name):
    """No columns, one class, an empty part, images only: an answer or None, never an exception."""
    splits = SPLITS.frame([{"row": row, "part": "train"} for row in range(4)])
    empty, target = pd.DataFrame(index=range(4)), np.zeros(4, np.int64)
    images = np.zeros((4, 2, 2, 1), np.uint8)
    missing = pd.DataFrame({"x": np.full(4, np.nan), "s": pd.Series([None] * 4, dtype="str")})
    for dataset in (
        made("images", empty, target, "y", ("a",), "0", images=images),
        made("one class", missing, target, "y", ("a",), "0"),
        made("constant", missing, np.zeros(4), "y", None, "0"),
    ):
        finding = CHECKS[name].function(dataset, splits)
        if finding is not None:
            json.dumps(as_json(finding.result(name, "comparison", "warn")), allow_nan=False)


def test_the_table_of_expectations_is_the_librarys():
    import great_expectations.expectations as library

    common = {*library.Expectation.__fields__, "batch_id", "library_metadata"}
    evaluated = {"row_condition", "condition_parser"}
    offered = {}
    for cls_name in dir(library):
        if not cls_name.startswith("Expect") or cls_name in ("Expectation", *NOT_OFFERED):
            continue
        fields = getattr(library, cls_name).__fields__
        offered[cls_name] = {name: field.required for name, field in fields.items() if name not in common | evaluated}

    ours = {"".join(word.capitalize() for word in name.split("_")): takes for name, takes in EXPECTATIONS.items()}
    assert {name: {key: bool(needed) for key, needed in fields.items()} for name, fields in offered.items()} == ours
    assert all(hasattr(library, name) for name in NOT_OFFERED)


def test_every_expectation_runs_on_pandas():
    frame = pd.DataFrame(
        {
            "n": [1.0, 2.0, 3.0, np.nan],
            "m": [1.0, 2.0, 3.0, 4.0],
            "s": pd.Series(["a1", "b2", "a1", None], dtype="str"),
        }
    )
    assert EXAMPLES.keys() == EXPECTATIONS.keys()

    outcomes = run(frame, [Expectation(name, parameters) for name, parameters in EXAMPLES.items()])

    failed = {name: outcome for name, outcome in zip(EXAMPLES, outcomes, strict=True) if not outcome.success}
    assert failed == {}


def test_every_expectation_can_be_written_in_a_spec():
    dataset, splits = clean_data(rows=60)
    columns = {"n": "height", "m": "weight", "s": "colour"}
    entries = []
    for name, example in EXAMPLES.items():
        parameters = {
            key: columns.get(value, value) if isinstance(value, str) else value for key, value in example.items()
        }
        if "column_list" in parameters:
            parameters["column_list"] = [columns[column] for column in parameters["column_list"]]
        entries.append(SimpleNamespace(name=name, parameters=parameters, severity="warn"))

    result = validate(dataset, splits, entries)

    written = [result for result in result.results if result.origin == "spec"]
    assert [result.check for result in written] == list(EXAMPLES)
    assert all(result.message.endswith(".") for result in written)
    json.dumps(as_json(result), allow_nan=False)


def test_reading_the_tables_needs_no_heavy_import():
    heavy = {"great_expectations", "sklearn", "scipy", "tensorflow"}
    program = "import sys, tasks.validation.checks, tasks.validation.names; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not heavy & set(answer.stdout.split())
