"""What a target's values are taken as, and what is said of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.datasets.positive import named, rarer
from tasks.datasets.targets import as_target, joined
from tasks.errors import BadInput


def texts(*values: str) -> pd.Series:
    return pd.Series(values, dtype=object)


@pytest.mark.parametrize(
    ("column", "classes", "indices"),
    [
        (texts("b", "a", "b"), ("a", "b"), [1, 0, 1]),
        (texts("10", "9", "10"), ("9", "10"), [1, 0, 1]),
        (texts("1.0", "0.0", "1"), ("0.0", "1"), [1, 0, 1]),
        (texts("0100", "1e2", "100"), ("0100", "100", "1e2"), [0, 2, 1]),
        (pd.Series([True, False, True]), ("False", "True"), [1, 0, 1]),
        (pd.Series([1.0, 0.0, 1.0]), ("0", "1"), [1, 0, 1]),
        (texts("yes", "no", "yes"), ("no", "yes"), [1, 0, 1]),
    ],
)
def test_few_values_are_classes_in_order_and_called_as_written(
    column: pd.Series, classes: tuple[str, ...], indices: list[int]
) -> None:
    target = as_target(column, "w")
    assert target.classes == classes and target.values.dtype == np.int64 and list(target.values) == indices


def test_named_classes_keep_the_order_of_their_names() -> None:
    target = as_target(texts("2", "1", "2"), "w", names={"1": "good", "2": "bad"})
    assert target.classes == ("good", "bad") and list(target.values) == [1, 0, 1]


def test_quantities_are_regression_and_the_spec_overrules() -> None:
    assert as_target(texts(*(str(i) for i in range(21))), "w").classes is None
    assert as_target(texts("0.5", "1.5", "0.5"), "w").classes is None
    assert as_target(texts("0.5", "1.5", "0.5"), "w", task="classification").classes == ("0.5", "1.5")
    assert as_target(texts("1", "2", "1"), "w", task="regression").classes is None
    np.testing.assert_array_equal(as_target(texts("no", "yes"), "w", task="regression").values, [0.0, 1.0])


RATINGS = texts("1", "2", "3", "4", "5", "3")
AMOUNTS = texts(*(f"{i}.5" for i in range(60)))


@pytest.mark.parametrize(
    ("column", "options", "task", "said"),
    [
        (RATINGS, {}, "classification", "its 5 different whole numbers are taken as classes; as a quantity: data.task"),
        (
            RATINGS,
            {"implied": "regression"},
            "regression",
            "taken as a quantity, since the metrics are those",
        ),
        (RATINGS, {"implied": "classification"}, "classification", "are taken as classes; as a quantity"),
        (RATINGS, {"task": "regression"}, "regression", None),
        (RATINGS, {"task": "classification", "implied": "regression"}, "classification", None),
        (texts("0.5", "1.5", "2.5"), {}, "regression", "its 3 different numbers are taken as a quantity; as classes"),
        (texts("0", "1", "0"), {}, "classification", None),
        (texts("-1", "1", "1"), {}, "classification", None),
        (AMOUNTS, {}, "regression", None),
        (texts("a", "b", "a"), {"implied": "regression"}, "classification", None),
        (texts(*map(str, range(27))), {"labels": True}, "classification", None),
        (texts(*map(str, range(27))), {"labels": True, "task": "regression"}, "regression", None),
    ],
)
def test_the_task_is_chosen_and_said(column: pd.Series, options: dict[str, Any], task: str, said: str | None) -> None:
    many = pd.concat([column] * 3, ignore_index=True)
    target = as_target(many, "w", **options)
    assert ("regression" if target.classes is None else "classification") == task
    assert (said in target.notes[0]) if said else not target.notes


def test_classes_are_joined_and_ordered_and_others_left_out_and_counted() -> None:
    column = texts("Yes", "YES", "no", "maybe", "maybe", "unknown")
    labels, kept, notes = joined(column, {"yes": ["Yes", "YES"], "no": ["no"]}, "f.csv, column answer")
    assert list(kept) == [True, True, True, False, False, False]
    assert notes == ("3 rows of other classes left out (maybe: 2, unknown: 1)",)
    target = as_target(labels[kept], "w", order=["yes", "no"])
    assert target.classes == ("yes", "no") and list(target.values) == [0, 0, 1]


def test_a_class_that_is_in_no_row_is_refused() -> None:
    with pytest.raises(BadInput) as error:
        joined(texts("a", "b"), {"a": ["a"], "c": ["c"]}, "f.csv, column y")
    assert error.value.where == "data.classes" and error.value.got == "c"


@pytest.mark.parametrize(
    ("classes", "said", "index"),
    [
        (("0", "1"), None, 1),
        (("False", "True"), None, 1),
        (("N", "Y"), None, 1),
        (("Yes", "no"), None, 0),
        (("-1", "1"), None, 1),
        (("1", "2"), None, None),
        (("ham", "spam"), None, None),
        (("a", "b", "c"), None, None),
        (("a", "b", "c"), "b", 1),
        (("False", "True"), "false", 0),
        (("ham", "spam"), "ham", 0),
    ],
)
def test_the_class_of_interest_is_named_or_says_so_itself(
    classes: tuple[str, ...], said: str | None, index: int | None
) -> None:
    found = named(classes, said)
    assert (found and found.index) == index


def test_else_it_is_the_rarer_one_of_two() -> None:
    first, last = rarer(("fraud", "legit"), np.array([0, 1, 1])), rarer(("ham", "spam"), np.array([0, 0, 1]))
    assert first is not None and first.index == 0 and "rarer" in first.why
    assert last is not None and last.index == 1
    level = rarer(("a", "b"), np.array([0, 1]))
    assert level is not None and level.index == 1 and "equally frequent" in level.why
    assert rarer(("a", "b", "c"), np.array([0, 1, 2])) is None


@pytest.mark.parametrize(("classes", "said"), [(("ham", "spam"), "fraud"), (None, "1")])
def test_a_class_of_interest_that_is_not_there_is_refused(classes: tuple[str, ...] | None, said: str) -> None:
    with pytest.raises(BadInput) as error:
        named(classes, said)
    assert error.value.where == "data.positive"


def test_whole_numbers_that_are_one_in_floating_point_are_refused() -> None:
    column = pd.Series(np.arange(100, dtype=np.uint64) + np.uint64(2**63))
    with pytest.raises(BadInput, match="too large to be told apart"):
        as_target(column, "a table, column y", task="regression")
