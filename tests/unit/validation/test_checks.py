"""Each check fires on the fault it is for, names it, and stays silent on what only looks like it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.dataset import Dataset
from tasks.records.tables import SPLITS
from tasks.validation.columns import constant_column, identifier_column, infinite_value, unequal_scales
from tasks.validation.leak import target_leak
from tasks.validation.overlap import shared_groups, shared_rows
from tasks.validation.parts import capped_target, missing_class, too_few_rows
from tasks.validation.rows import row_digests
from tests.datasets import made


def classified(rows: int = 1000, seed: int = 0, **columns: object) -> Dataset:
    """Two classes, 40% and 60%, and one weak input."""
    rng = np.random.default_rng(seed)
    target = (np.arange(rows) % 5 < 2).astype(np.int64)
    table = pd.DataFrame({"weak": rng.normal(size=rows) + target, **columns})
    return made("made", table, target, "sold", ("no", "yes"), "0")


def measured(rows: int = 500, seed: int = 0, **columns: object) -> Dataset:
    """A number to predict, and one input that correlates with it at about 0.99."""
    target = np.random.default_rng(seed).normal(50, 10, rows)
    strong = target + np.random.default_rng(seed + 1).normal(0, 1.5, rows)
    return made("made", pd.DataFrame({"strong": strong, **columns}), target, "price", None, "0")


def split(rows: int, group: object = None, seed: int = 0) -> pd.DataFrame:
    """60% train, 20% val, 20% test, at random."""
    shares = np.array(["train", "train", "train", "val", "test"])
    part = np.random.default_rng(seed).permutation(shares[np.arange(rows) % 5])
    return SPLITS.frame(pd.DataFrame({"row": np.arange(rows), "part": part, "group": group}))


def text(values: object) -> pd.Series:
    return pd.Series(values, dtype="str")


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_rows_and_columns_does_not_matter(seed):
    target = classified(rows=400).target
    dataset = classified(rows=400, copy=target * 2.0, word=text(np.where(target, "x", "y")))
    splits = split(400)
    rng = np.random.default_rng(seed)
    rows, columns = rng.permutation(400), rng.permutation(dataset.table.columns)
    shuffled = made(
        "shuffled",
        dataset.table.iloc[rows].reset_index(drop=True)[list(columns)],
        target[rows],
        "sold",
        ("no", "yes"),
        "0",
    )
    moved = splits.iloc[rows].assign(row=np.arange(400))

    assert target_leak(shuffled, moved) == target_leak(dataset, splits)
    assert shared_rows(shuffled, moved) == shared_rows(dataset, splits)


# overlap


def test_rows_that_stand_in_two_parts_are_counted():
    table = pd.DataFrame({"x": [1.0, 2.0, 1.0, 2.0, 3.0, 3.0], "s": text(["a", None, "a", None, "c", "c"])})
    target = np.array([0, 1, 0, 0, 1, 1])
    splits = SPLITS.frame(pd.DataFrame({"row": range(6), "part": ["train", "train", "val", "val", "val", "test"]}))

    finding = shared_rows(made("rows", table, target, "y", ("a", "b"), "0"), splits)

    # Row 2 repeats row 0; row 3 has row 1's inputs but another target; row 5 (test) repeats row 4 (val).
    assert (finding.success, finding.unexpected, finding.rows) == (False, 2, 4)
    assert finding.observed == "validation: 1 of 3 rows (33%), test: 1 of 1 rows (100%)"


def test_a_share_of_repeated_rows_may_be_allowed():
    dataset = made("same", pd.DataFrame({"x": np.zeros(100)}), np.arange(100) // 50, "y", ("a", "b"), "0")

    assert not shared_rows(dataset, split(100)).success
    distinct = made("new", pd.DataFrame({"x": np.arange(100.0)}), np.arange(100) // 50, "y", ("a", "b"), "0")
    assert shared_rows(distinct, split(100)).success
    distinct.table.loc[0, "x"] = 1.0
    assert shared_rows(distinct, split(100), share=0.5).success


def test_digests_tell_rows_apart_as_their_values_do():
    table = pd.DataFrame({"x": [0.0, -0.0, np.nan, np.nan, 1.0], "s": text(["a", "a", None, None, "a"])})
    digests = row_digests(made("rows", table, np.zeros(5), "y", None, "0"))

    assert digests[0] == digests[1]
    assert digests[2] == digests[3]
    assert len(set(digests)) == 3


def test_equal_images_in_two_parts_are_shared_rows():
    images = np.random.default_rng(0).integers(0, 255, (50, 4, 4, 1)).astype(np.uint8)
    images[49] = images[0]
    splits = SPLITS.frame(pd.DataFrame({"row": range(50), "part": ["train"] * 40 + ["test"] * 10}))
    dataset = made("images", pd.DataFrame(index=range(50)), np.zeros(50, np.int64), "y", ("a",), "0", images=images)

    assert shared_rows(dataset, splits).unexpected == 1


def test_a_group_in_two_parts_is_found_and_no_groups_is_no_finding():
    dataset, splits = classified(rows=10), split(10)
    whole = splits.assign(group=splits["part"].map({"train": "g1", "val": "g2", "test": "g3"}))
    torn = whole.assign(group=whole["group"].replace("g3", "g1"))

    assert shared_groups(dataset, splits) is None
    assert shared_groups(dataset, whole).success
    assert shared_groups(dataset, torn).unexpected == 1
    assert "g1" in shared_groups(dataset, torn).message


# columns


def test_a_column_that_is_constant_in_training_is_found_though_it_moves_later():
    splits = split(1000)
    late = (splits["part"] == "test").to_numpy(np.float64)
    finding = constant_column(classified(late=late), splits)

    assert not finding.success
    assert finding.column == "late"
    assert finding.remedy == "data.drop: [late]"
    half_missing = np.where(np.arange(1000) % 2, 1.0, np.nan)
    assert constant_column(classified(flag=half_missing), splits).success


def test_wildly_different_scales_are_found():
    finding = unequal_scales(classified(cents=np.arange(1000) * 1e4), split(1000))

    assert not finding.success
    assert "cents" in finding.message
    assert unequal_scales(classified(cents=np.arange(1000) * 1e4), split(1000), ratio=1e9).success
    assert unequal_scales(classified(), split(1000)) is None


def test_identifiers_are_found_among_whole_numbers_and_texts_only():
    columns = {
        "number": np.arange(1000.0),
        "key": text([f"k{i}" for i in range(1000)]),
        "length": np.random.default_rng(0).normal(size=1000),
        "age": np.arange(1000.0) % 80,
    }
    finding = identifier_column(classified(**columns), split(1000))

    assert finding.remedy == "data.drop: [number, key]"
    assert identifier_column(classified(rows=40, number=np.arange(40.0)), split(40)).success


def test_infinite_numbers_are_found_in_inputs_target_and_pixels():
    ratio = np.ones(1000)
    ratio[7] = np.inf
    assert infinite_value(classified(ratio=ratio), split(1000)).column == "ratio"

    endless = measured()
    endless.target[0] = -np.inf
    assert infinite_value(endless, split(500)).unexpected == 1

    images = np.full((5, 2, 2, 1), np.nan, np.float32)
    dataset = made("images", pd.DataFrame(index=range(5)), np.zeros(5, np.int64), "y", ("a",), "0", images=images)
    assert infinite_value(dataset, split(5)).unexpected == 20


# parts


def test_a_class_absent_from_a_part_is_named():
    dataset = classified(rows=10)
    splits = SPLITS.frame(pd.DataFrame({"row": range(10), "part": ["train"] * 5 + ["val"] * 2 + ["test"] * 3}))

    finding = missing_class(dataset, splits)

    assert finding.observed == "absent: no in val and yes in test"
    assert missing_class(dataset, splits.assign(part="train")).success  # an empty part has no classes to miss
    assert missing_class(measured(), split(500)) is None


def test_a_small_test_part_is_found():
    assert not too_few_rows(classified(rows=200), split(200)).success
    assert too_few_rows(classified(rows=200), split(200), rows=40).success


def test_a_target_that_piles_up_at_its_largest_value_looks_capped():
    free = measured()
    capped = measured()
    capped.target[:] = np.minimum(capped.target, 60)

    assert capped_target(free, split(500)).success
    finding = capped_target(capped, split(500))
    assert not finding.success
    assert "largest price, 60" in finding.message
    stars = made("stars", free.table, np.random.default_rng(0).integers(1, 6, 500) * 1.0, "stars", None, "0")
    assert capped_target(stars, split(500)).success
