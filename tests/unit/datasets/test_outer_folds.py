"""Folds that judge: every row is held out once in each repeat, and what a fold learns from has none of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.dataset import TEST, TRAIN, VAL
from tasks.datasets.outer_folds import first_fold, outer_folds, undivided_rows
from tasks.errors import BadInput
from tasks.spec.data import Split
from tests.unit.datasets.test_splits import classes_of, steered_by


@settings(max_examples=40, deadline=None)
@given(
    counts=st.lists(st.integers(12, 60), min_size=2, max_size=3),
    folds=st.integers(2, 6),
    repeats=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_each_repeat_holds_every_row_out_once(counts: list[int], folds: int, repeats: int, seed: int) -> None:
    target = np.repeat(np.arange(len(counts)), counts)
    dataset = classes_of(np.random.default_rng(seed).permutation(target))
    found = outer_folds(dataset, Split(seed=seed), folds, repeats)
    assert len(found) == folds * repeats
    for start in range(0, len(found), folds):
        held_out = np.concatenate([each[TEST] for each in found[start : start + folds]])
        assert len(np.unique(held_out)) == len(held_out) >= dataset.rows - folds + 1
    for each in found:
        assert sorted(np.concatenate([each[part] for part in (TRAIN, VAL, TEST)])) == list(range(dataset.rows))
        for part in (TRAIN, VAL, TEST):
            assert set(dataset.target[each[part]]) == set(target), "stratified: each class in each part"
    assert len({tuple(len(each[part]) for part in (TRAIN, VAL, TEST)) for each in found}) == 1, "they share stacks"


def test_repeats_and_seeds_divide_anew_and_the_same_again() -> None:
    dataset = classes_of(np.arange(60) % 2)
    first = outer_folds(dataset, Split(), 3, 2)
    assert not np.array_equal(first[0][TEST], first[3][TEST])
    assert not np.array_equal(first[0][TEST], outer_folds(dataset, Split(seed=1), 3, 1)[0][TEST])
    np.testing.assert_array_equal(first[4][TRAIN], outer_folds(dataset, Split(), 3, 2)[4][TRAIN])


def test_groups_stay_together() -> None:
    groups = np.array([f"g{number}" for number in np.arange(60) // 5])
    for each in outer_folds(steered_by(g=groups.tolist()), Split(group="g"), 3, 2):
        own = [set(groups[each[part]]) for part in (TRAIN, VAL, TEST)]
        assert not (own[0] & own[1] or own[0] & own[2] or own[1] & own[2])


def test_in_time_a_fold_learns_from_what_was_before() -> None:
    times = np.random.default_rng(0).permutation(48)
    found = outer_folds(steered_by(t=times.tolist()), Split(time="t"), 3, 1)
    for each in found:
        assert times[each[TRAIN]].max() < times[each[VAL]].min() <= times[each[VAL]].max() < times[each[TEST]].min()
    assert [len(each[TRAIN]) + len(each[VAL]) for each in found] == [12, 24, 36]


def test_what_is_shipped_learns_from_every_row() -> None:
    dataset = classes_of(np.arange(60) % 3)
    splits = undivided_rows(dataset, Split(), 3)
    assert splits["part"].value_counts().to_dict() == {TRAIN: 48, VAL: 12}
    for fold, each in enumerate(outer_folds(dataset, Split(), 3, 1)):
        np.testing.assert_array_equal(np.flatnonzero(splits["fold"] == fold), each[TEST])
    checked = first_fold(splits)
    np.testing.assert_array_equal(checked["part"] == TEST, splits["fold"] == 0)


def test_what_folds_cannot_judge_is_refused() -> None:
    small = classes_of(np.repeat([0, 1], [30, 4]))
    with pytest.raises(BadInput, match="more folds than rows in a class"):
        outer_folds(small, Split(), 5, 1)
    divided = replace(small, given_part=np.repeat(["train", "test"], 17))
    with pytest.raises(BadInput, match="the source gives its own test part"):
        outer_folds(divided, Split(), 2, 1)
