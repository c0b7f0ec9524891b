"""The inferred suite, run by Great Expectations itself: silent on clean data, naming each fault put in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.dataset import Dataset
from tasks.records.tables import SPLITS
from tasks.records.validation import CheckResult
from tasks.validation.by_case import of_classes
from tasks.validation.by_profile import of_images
from tasks.validation.infer import WIDE, infer
from tasks.validation.inferred import bounds
from tests.datasets import made

ROWS = 500
PART = np.array(["train", "train", "train", "val", "test"])[np.arange(ROWS) // 10 % 5]
HELD = np.flatnonzero(PART != "train")
SPLIT = SPLITS.frame(pd.DataFrame({"row": np.arange(ROWS), "part": PART}))


def table(**columns: object) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    colours = pd.Series(rng.choice(["red", "green"], ROWS), dtype="str")
    return pd.DataFrame({"height": rng.normal(size=ROWS), "colour": colours, **columns})


def classified(inputs: pd.DataFrame, target: np.ndarray | None = None) -> Dataset:
    target = np.arange(ROWS) // 5 % 2 if target is None else target
    return made("made", inputs, target, "sold", ("no", "yes"), "0")


def failures(dataset: Dataset, **options: object) -> dict[tuple[str, str | None], CheckResult]:
    results = infer(dataset, SPLIT, **options)
    return {(result.check, result.column): result for result in results if not result.success}


def test_clean_data_pass_and_every_kind_of_expectation_is_there():
    results = infer(classified(table()), SPLIT)

    assert all(result.success for result in results)
    assert {result.check for result in results if result.column == "height"} == {
        "expect_column_values_to_be_of_type",
        "expect_column_values_to_not_be_null",
        "expect_column_values_to_be_between",
    }
    assert {result.check for result in results if result.column == "colour"} >= {
        "expect_column_values_to_be_of_type",
        "expect_column_values_to_not_be_null",
        "expect_column_values_to_be_in_set",
    }
    assert {"expect_column_values_to_be_unique"} == {result.check for result in results if not result.column}
    assert sum(result.column == "sold" for result in results) == 3


def test_values_far_outside_training_are_found_and_near_ones_are_not():
    far, near = np.linspace(0, 1, ROWS), np.linspace(0, 1, ROWS)
    far[HELD[0]], near[HELD[0]] = 3.0, 1.4

    found = failures(classified(table(far=far, near=near)))

    assert list(found) == [("expect_column_values_to_be_between", "far")]
    result = found["expect_column_values_to_be_between", "far"]
    assert (result.rows, result.unexpected, result.severity) == (200, 1, "warn")
    assert "1 of 200 values (0.5%) such as 3 lie far outside" in result.message


def test_categories_that_training_never_sees_are_found_when_they_are_many():
    many, few = (table()["colour"].to_numpy(dtype=object) for _ in range(2))
    many[HELD[:20]], few[HELD[:1]] = "blue", "blue"

    found = failures(classified(table(many=pd.Series(many, dtype="str"), few=pd.Series(few, dtype="str"))))

    assert list(found) == [("expect_column_values_to_be_in_set", "many")]
    assert "'blue'" in found["expect_column_values_to_be_in_set", "many"].message


def test_missing_values_warn_from_five_percent_and_block_where_training_has_none():
    few, many, none = (np.linspace(0, 1, ROWS) for _ in range(3))
    few[:20], many[:30], none[PART == "train"] = np.nan, np.nan, np.nan

    found = failures(classified(table(few=few, many=many, none=none)))

    assert {column: result.severity for (_, column), result in found.items()} == {
        "many": "warn",
        "none": "block",
    }
    assert "many is missing in 30 of 500 rows" in found["expect_column_values_to_not_be_null", "many"].message
    assert "no value at all in the training part" in found["expect_column_values_to_not_be_null", "none"].message


def test_texts_that_mean_missing_and_numbers_read_as_categories_are_found():
    place = pd.Series(["?", "red", "green", "blue", "grey"] * (ROWS // 5), dtype="str")
    stray = pd.Series(["1.5", "2", "-3e4", "none known", "7"] * (ROWS // 5), dtype="str")

    found = failures(classified(table(place=place, stray=stray)))

    assert set(found) == {
        ("expect_column_values_to_not_be_in_set", "place"),
        ("expect_column_values_to_not_match_regex", "stray"),
    }


def test_repeated_rows_are_counted_without_their_first():
    inputs = table()
    inputs.loc[10] = inputs.loc[0]
    inputs.loc[20] = inputs.loc[0]

    found = failures(classified(inputs))

    assert "2 of 500 rows (0.4%) repeat an earlier one" in found["expect_column_values_to_be_unique", None].message


def test_rare_classes_warn_and_classes_without_training_rows_block():
    rare = (np.arange(ROWS) % 50 == 0).astype(np.int64)
    single = np.zeros(ROWS, np.int64)
    single[0] = 1

    (result,) = failures(classified(table(), rare)).values()
    assert (result.severity, "yes (" in result.message) == ("warn", True)
    by_severity = {result.severity: result for result in infer(classified(table(), single), SPLIT)[-2:]}
    assert not by_severity["block"].success
    assert "yes (1)" in by_severity["block"].message


def test_what_the_spec_states_of_an_input_column_is_not_inferred():
    far = np.linspace(0, 1, ROWS)
    far[HELD[0]] = 3.0
    stated = {("expect_column_values_to_be_between", "far"), ("expect_column_values_to_be_between", "sold")}

    results = infer(classified(table(far=far)), SPLIT, stated=stated)

    assert all(result.success for result in results)
    assert sum(result.column == "sold" for result in results) == 3  # class balance is no range


def test_a_wide_table_is_checked_through_its_profile():
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(rng.normal(size=(ROWS, WIDE + 50))).rename(columns=lambda i: f"x{i}")
    wide.loc[HELD[0], "x3"] = 99.0
    wide.loc[:49, "x4"] = np.nan
    wide.loc[PART == "train", "x5"] = np.nan
    wide["code"] = pd.Series(["a", "b"] * (ROWS // 2), dtype="str")
    wide.loc[HELD, "code"] = "c"

    found = {result.message: result.severity for result in infer(classified(wide), SPLIT) if not result.success}

    assert len(infer(classified(wide), SPLIT)) == 4 + 1 + 3
    assert found == {
        "Columns that are missing in more than 5% of the rows: x4 and x5 (2).": "warn",
        "Columns that have no value at all in the training part: x5 (1).": "block",
        "Columns that have values in the validation and test parts far outside what training sees: "
        "x3 and code (2).": "warn",
    }


def test_images_are_checked_through_their_profile():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 200, (ROWS, 4, 4, 1)).astype(np.float32)
    clean = made(
        "images",
        pd.DataFrame(index=range(ROWS)),
        np.arange(ROWS) // 5 % 2,
        "y",
        ("a", "b"),
        "0",
        images=images,
    )
    assert all(result.success for result in infer(clean, SPLIT))

    images[HELD[0]] = 255  # blank, and brighter than any in training
    images[1, 0, 0, 0] = -4
    images[2, 0, 0, 0] = 256
    images[12] = images[11]

    found = [result.message for result in infer(clean, SPLIT) if not result.success]

    assert len(found) == 5
    for words in ("below 0", "above 255", "blank", "brighter or darker", "repeat an earlier one"):
        assert any(words in message for message in found)


def test_brightness_is_learned_from_training_images_only():
    images = np.random.default_rng(0).integers(0, 50, (10, 2, 2, 1)).astype(np.uint8)
    profile, _ = of_images(images, np.arange(5), np.arange(5, 10))

    assert profile["brightness"].isna().tolist() == [True] * 5 + [False] * 5


@settings(deadline=None)
@given(st.lists(st.floats(), max_size=20))
def test_bounds_hold_every_finite_value_and_are_finite(seen):
    limits = bounds(np.array(seen, dtype=np.float64))
    finite = [value for value in seen if np.isfinite(value)]

    assert (limits is None) == (not finite)
    if limits is not None:
        assert np.isfinite(limits).all()
        assert limits[0] <= min(finite) <= max(finite) <= limits[1]


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_rows_and_columns_does_not_matter(seed):
    far = np.linspace(0, 1, ROWS)
    far[HELD[0]] = 3.0
    inputs = table(far=far)
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(ROWS), list(rng.permutation(inputs.columns))
    dataset = classified(inputs)
    shuffled = classified(inputs.iloc[rows].reset_index(drop=True)[columns], dataset.target[rows])
    moved = SPLIT.iloc[rows].assign(row=np.arange(ROWS))

    def summary(results: list[CheckResult]) -> list[tuple]:
        return sorted((r.check, str(r.column), r.success, r.unexpected, r.message) for r in results)

    assert summary(infer(shuffled, moved)) == summary(infer(dataset, SPLIT))


def test_a_class_of_one_row_that_is_another_ones_spelling_is_to_be_joined():
    classes, counts = ("No", "Yes", "yes"), [5, 8, 1]
    target = np.repeat(np.arange(3), counts)

    _, suite = of_classes(classes, target, "sold")

    few = next(each for each in suite if each.severity == "block")
    assert few.remedy.startswith("join what differs in case or blanks only: data.classes: {")
    assert "[Yes, yes]" in few.remedy.replace("'", "")
