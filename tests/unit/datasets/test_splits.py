"""Splits: their invariants over generated data sets, and each way of splitting by example."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.dataset import Dataset
from tasks.datasets.splits import reaches, split_rows
from tasks.errors import BadInput
from tasks.records.tables import SPLITS
from tasks.spec.data import Split
from tests.datasets import made


def classes_of(target: list[int] | np.ndarray, **more: object) -> Dataset:
    """A data set with the classes 0..max, whose inputs don't matter."""
    target = np.asarray(target, dtype=np.int64)
    names = tuple(str(i) for i in range(target.max() + 1))
    table = pd.DataFrame({"a": np.zeros(len(target))})
    return made("d", table, target, "y", names, "", **more)


def steered_by(**columns: list) -> Dataset:
    rows = len(next(iter(columns.values())))
    return classes_of(np.arange(rows) % 2, extras=pd.DataFrame(columns))


def parts_of(dataset: Dataset, **split: object) -> np.ndarray:
    frame = split_rows(dataset, Split(**split))
    assert list(frame["row"]) == list(range(dataset.rows)), "each row once, in order: disjoint and covering"
    assert set(frame["part"]) == {"train", "val", "test"}
    assert list(frame.columns) == [*SPLITS.columns, "schema_version"]
    return frame["part"].to_numpy(object)


shares = st.floats(0.05, 0.6)
class_sizes = st.lists(st.integers(5, 60), min_size=2, max_size=6)


@given(class_sizes, shares, shares, st.integers(0, 5))
def test_stratified_parts_have_the_classes_shares(sizes: list[int], test: float, val: float, seed: int) -> None:
    target = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    parts = parts_of(classes_of(target), test=test, validation=val, seed=seed)
    assert abs((parts == "test").sum() - test * len(target)) <= len(sizes)
    assert abs((parts == "val").sum() - val * (parts != "test").sum()) <= len(sizes)
    for label, size in enumerate(sizes):
        of_class = parts[target == label]
        assert set(of_class) == {"train", "val", "test"}, "each class is in each part"
        # Largest remainder is off by less than one row; what small classes are given to be in each part, at most a row
        # each, large ones give up.
        assert abs((of_class == "test").sum() - test * size) < len(sizes) + 1
        assert abs((of_class == "val").sum() - val * (of_class != "test").sum()) < len(sizes) + 1


@given(st.integers(20, 300), shares, shares, st.integers(0, 5))
def test_random_parts_have_exactly_their_shares(rows: int, test: float, val: float, seed: int) -> None:
    dataset = classes_of(np.arange(rows) % 2)
    parts = parts_of(dataset, test=test, validation=val, seed=seed, stratify=False)
    assert (parts == "test").sum() == max(round(test * rows), 1)
    assert (parts == "val").sum() == max(round(val * (parts != "test").sum()), 1)


@given(st.lists(st.integers(0, 12), min_size=30, max_size=120), shares, shares, st.integers(0, 5))
def test_groups_stay_whole_and_near_the_shares(groups: list[int], test: float, val: float, seed: int) -> None:
    names, counts = np.unique(groups, return_counts=True)
    dataset = steered_by(g=[f"g{group}" for group in groups])
    if len(names) < 3:
        with pytest.raises(BadInput, match="at least three groups"):
            split_rows(dataset, Split(group="g"))
        return
    split = {"group": "g", "test": test, "validation": val, "seed": seed}
    parts = parts_of(dataset, **split)
    for name in names:
        assert len(set(parts[np.array(groups) == name])) == 1
    if len(names) > 3:
        assert abs((parts == "test").sum() - test * len(groups)) <= max(counts) + sum(sorted(counts)[-2:])
    order = np.random.default_rng(seed).permutation(len(groups))
    shuffled = steered_by(g=[f"g{groups[i]}" for i in order])
    assert list(parts_of(shuffled, **split)) == list(parts[order]), "the rows' order does not matter"


@given(st.lists(st.integers(0, 40), min_size=12, max_size=80, unique_by=None), shares, shares)
def test_time_runs_from_train_over_val_to_test(times: list[int], test: float, val: float) -> None:
    dataset = steered_by(t=[str(time) for time in times])
    if len(set(times)) < 3:
        with pytest.raises(BadInput, match="three distinct times"):
            split_rows(dataset, Split(time="t"))
        return
    parts, values = parts_of(dataset, time="t", test=test, validation=val), np.array(times)
    assert values[parts == "train"].max() < values[parts == "val"].min()
    assert values[parts == "val"].max() < values[parts == "test"].min()


def test_time_shares_are_exact_without_ties() -> None:
    days = [f"2024-{1 + i // 28:02d}-{1 + i % 28:02d}T06:00" for i in range(100)]
    parts = parts_of(steered_by(t=days[::-1]), time="t", test=0.2, validation=0.25)
    assert list(parts) == ["test"] * 20 + ["val"] * 20 + ["train"] * 60


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ([f"2024-01-{day:02d}" for day in range(1, 11)], ["2024-01-01 to 2024-01-06", "2024-01-07 to 2024-01-08"]),
        ([f"2024-01-01 {hour:02d}:30" for hour in range(10)], ["2024-01-01 00:30 to 2024-01-01 05:30", None]),
        ([f"2024-01-01T00:00:{second:02d}Z" for second in range(10)], ["2024-01-01 00:00:00 to 2024-01-01 00:00:05"]),
        ([str(year) for year in range(2010, 2020)], ["2010 to 2015", "2016 to 2017"]),
        ([f"{tenth / 10}" for tenth in range(10)], ["0 to 0.5", "0.6 to 0.7"]),
    ],
)
def test_each_part_says_from_when_to_when_it_reaches(times: list[str], said: list[str | None]) -> None:
    dataset, split = steered_by(t=times), Split(time="t")
    parts = split_rows(dataset, split)["part"].to_numpy(object)
    found = reaches(dataset, {part: np.flatnonzero(parts == part) for part in ("train", "val", "test")}, split)
    assert found is not None and list(found) == ["train", "val", "test"]
    for reach, expected in zip(found.values(), said, strict=False):
        assert expected in (None, str(reach))
    assert reaches(dataset, {}, Split()) is None


def test_time_zones_are_compared_as_instants() -> None:
    times = ["2024-01-01T00:30+02:00", "2024-01-01T00:00Z", "2023-12-31T23:00Z"]
    assert list(parts_of(steered_by(t=times), time="t")) == ["train", "test", "val"]


@pytest.mark.parametrize("way", [{}, {"stratify": False}, {"group": "g"}])
def test_seeds_decide(way: dict) -> None:
    dataset = steered_by(g=[str(i // 2) for i in range(100)])
    parts = [list(parts_of(dataset, seed=seed, **way)) for seed in (0, 0, 1)]
    assert parts[0] == parts[1] != parts[2]


def test_a_given_column_is_taken_as_it_is() -> None:
    dataset = steered_by(p=["Train", "TEST", "validation", "val", "train", "test"])
    assert list(parts_of(dataset, given="p")) == ["train", "test", "val", "val", "train", "test"]


def test_without_val_rows_a_stratified_share_of_train_becomes_val() -> None:
    dataset = steered_by(p=["train"] * 50 + ["test"] * 10)
    parts = parts_of(dataset, given="p", validation=0.2)
    assert (parts[50:] == "test").all() and (parts[:50] == "val").sum() == 10
    assert dataset.target[parts == "val"].sum() == 5


def test_the_sources_own_parts_hold_unless_the_spec_says_otherwise() -> None:
    given_part = np.array(["train"] * 50 + ["test"] * 10)
    dataset = classes_of(np.arange(60) % 2, given_part=given_part, extras=pd.DataFrame({"g": np.arange(60) // 4}))
    assert ((parts_of(dataset) == "test") == (given_part == "test")).all()
    assert (parts_of(dataset, test=0.5) == "test").sum() == 30
    assert ((parts_of(dataset, group="g") == "test") != (given_part == "test")).any()


def test_the_sources_own_group_holds_within_its_own_parts() -> None:
    groups = np.arange(60) // 4
    given_part = np.where(groups < 12, "train", "test")
    dataset = classes_of(np.arange(60) % 2, given_part=given_part, group="g", extras=pd.DataFrame({"g": groups}))
    frame = split_rows(dataset, Split())
    assert (frame.groupby("group")["part"].nunique() == 1).all()
    assert ((frame["part"] == "test").to_numpy() == (given_part == "test")).all()


@pytest.mark.parametrize("share", [{"test": 0.0}, {"validation": 0.0}])
@pytest.mark.parametrize("way", [{}, {"group": "g"}, {"time": "g"}])
def test_an_empty_part_is_refused(share: dict, way: dict) -> None:
    with pytest.raises(BadInput, match=rf"data\.split\.{next(iter(share))}: the part would be empty"):
        split_rows(steered_by(g=[str(i) for i in range(20)]), Split(**share, **way))


def test_rare_classes_reach_as_many_parts_as_they_can() -> None:
    target = np.array([0] * 40 + [1] * 2 + [2] * 3)
    parts = parts_of(classes_of(target))
    assert sorted(parts[target == 1]) == ["test", "train"]
    assert sorted(parts[target == 2]) == ["test", "train", "val"]


def test_groups_held_out_are_the_test_part() -> None:
    dataset = steered_by(speaker=["a", "b", "c", "d"] * 5)
    parts = parts_of(dataset, group="speaker", hold_out=["c"])
    assert [part == "test" for part in parts] == [False, False, True, False] * 5


@pytest.mark.parametrize(("names", "message"), [(["e"], "no such group"), (["a", "b", "c"], "two groups at least")])
def test_groups_held_out_must_be_there_and_leave_some(names: list[str], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        split_rows(steered_by(speaker=["a", "b", "c", "d"] * 5), Split(group="speaker", hold_out=names))
