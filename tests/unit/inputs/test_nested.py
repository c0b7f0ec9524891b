"""Training sets of several sizes: each within the next, and each a fair sample."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tasks.inputs.nested import nested_order

LABELS = st.lists(st.integers(0, 3), min_size=1, max_size=80).map(np.array)


@given(LABELS)
def test_it_is_an_order_of_all_rows_and_the_same_each_time(labels: np.ndarray) -> None:
    found = nested_order(len(labels), labels)
    np.testing.assert_array_equal(np.sort(found), np.arange(len(labels)))
    np.testing.assert_array_equal(found, nested_order(len(labels), labels))


@given(LABELS, st.data())
def test_any_number_of_first_rows_holds_each_class_in_its_share(labels: np.ndarray, data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, len(labels)))
    first = labels[nested_order(len(labels), labels)[:rows]]
    for label in np.unique(labels):
        share = (labels == label).mean()
        assert abs((first == label).sum() - share * rows) <= 2


def test_classes_of_one_size_are_all_there_from_as_many_rows_as_classes_on() -> None:
    labels = np.repeat(np.arange(10), 7)
    assert set(labels[nested_order(70, labels)[:10]]) == set(range(10))


def test_rows_are_not_in_the_order_of_the_part() -> None:
    assert nested_order(50).tolist() != list(range(50))
    assert nested_order(50, np.zeros(50, np.int64)).tolist() != list(range(50))
