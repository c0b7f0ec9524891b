"""The target: classes, named as the file writes them, or a quantity."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.datasets.columns import MOSTLY_NUMBERS, as_truth_values, as_written, finite, mixed, said, some
from tasks.errors import BadInput, nearest
from tasks.evaluation.metrics import CLASSIFICATION, REGRESSION

MAX_CLASSES_OF_INTEGERS = 20
"""A target with more distinct whole numbers than this is a quantity."""
_FEW_VALUES = 50
"""A quantity with at most so many distinct values may have been meant as classes. So a note says how to choose classes,
and with a metric of classification whole numbers are classes."""
_PLAIN_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")

Spellings = Mapping[str, Sequence[str]]
"""Class to the texts that mean it."""


@dataclass(frozen=True)
class Target:
    """The target as a model learns it.

    Args:
        values: Class index (int64) or quantity (float64), `[rows]`.
        classes: Names in order, or None for a quantity.
        notes: What was assumed, and how to choose otherwise.
    """

    values: np.ndarray
    classes: tuple[str, ...] | None
    notes: tuple[str, ...] = ()


def as_target(
    column: pd.Series,
    where: str,
    *,
    task: str | None = None,
    implied: str | None = None,
    order: Sequence[str] | None = None,
    names: Mapping[str, str] | None = None,
    labels: bool = False,
) -> Target:
    """Reads the target: texts, booleans and at most 20 distinct whole numbers are classes; other numbers a quantity.

    Args:
        column: float64, integer or bool, or stripped texts (dtype object); no value is missing.
        where: File and column, for messages.
        task: `classification` or `regression` where the spec says so.
        implied: The task that the spec's metrics are for; `task` overrules it.
        order: The classes in order; every value is one of them. None: they are sorted.
        names: Value to class name, in the order of the classes, where the catalogue has better ones.
        labels: Whether the values are class labels even if they look like numbers (folder names).

    Raises:
        BadInput: a constant, a regression target that is no number, or almost as many classes as rows.
    """
    if column.nunique() < 2:
        raise BadInput(
            "the target has one value in every row: there is nothing to learn",
            where=where,
            got=str(column.iloc[0]),
        )
    if order is not None or labels:
        if task == REGRESSION and order is not None:
            raise BadInput("names classes, and data.task is regression", where="data.classes", remedy="take one out")
        if task != REGRESSION:
            return _classes(column, where, order, names)
    numbers = _numbers(column, where)
    _refuse_almost_numbers(column, numbers, task or implied, where)
    chosen, notes = _task(column, numbers, task, implied)
    if chosen == REGRESSION:
        return Target(_quantity(column, numbers, where), None, notes)
    found = _classes(column, where, None, names)
    return Target(found.values, found.classes, notes)


def _task(
    column: pd.Series, numbers: pd.Series | None, task: str | None, implied: str | None
) -> tuple[str, tuple[str, ...]]:
    """The task, and a note where another one could have been meant."""
    if task is not None:
        return task, ()
    if numbers is None or column.dtype == bool:
        return CLASSIFICATION, ()
    whole = bool((numbers == np.floor(numbers)).all())
    values = column.nunique()
    by_values = CLASSIFICATION if few_whole_numbers(numbers) else REGRESSION
    if implied == CLASSIFICATION and not (whole and values <= _FEW_VALUES):
        implied = None  # hundreds of numbers are no classes, whatever the metric: it is refused later
    chosen = implied or by_values
    what = f"{values:,} different {'whole ' if whole else ''}numbers"
    because = f", since the metrics are those of {implied}" if implied and implied != by_values else ""
    if chosen == CLASSIFICATION:
        if set(numbers.unique()) <= {-1.0, 0.0, 1.0} or (values == 2 and not because):
            return chosen, ()
        return chosen, (f"its {what} are taken as classes{because}; as a quantity: data.task: regression",)
    if values > _FEW_VALUES and not because:
        return chosen, ()
    return chosen, (f"its {what} are taken as a quantity{because}; as classes: data.task: classification",)


def few_whole_numbers(numbers: pd.Series) -> bool:
    """Whether numbers are taken as classes if the spec does not say."""
    return bool((numbers == np.floor(numbers)).all()) and numbers.nunique() <= MAX_CLASSES_OF_INTEGERS


def _refuse_almost_numbers(column: pd.Series, numbers: pd.Series | None, task: str | None, where: str) -> None:
    if numbers is None and task is None and column.dtype == object and column.nunique() > MAX_CLASSES_OF_INTEGERS:
        parsed = pd.to_numeric(column, errors="coerce")
        if parsed.notna().mean() >= MOSTLY_NUMBERS:
            raise mixed(column[parsed.isna()].unique(), where)


def _one_spelling(labels: Sequence[str]) -> dict[str, str]:
    """Each label's class name: the label itself, or the shortest form if the file writes a number in several ways (1,
    1.0).

    A label with a leading zero or an exponent (`0100`, `1e2`) is a code, not a number: then all labels stay as they
    are.
    """
    if not all(_PLAIN_NUMBER.fullmatch(label) for label in labels):
        return {label: label for label in labels}
    shortest: dict[float, str] = {}
    for label in sorted(labels, key=len):
        shortest.setdefault(float(label), label)
    return {label: shortest[float(label)] for label in labels}


def _classes(column: pd.Series, where: str, order: Sequence[str] | None, names: Mapping[str, str] | None) -> Target:
    codes, values = pd.factorize(column)
    labels = [said(value) for value in values]
    if order is None:
        called = _one_spelling(labels)
        labels = [called[label] for label in labels]
        order = _sorted(set(labels))
    if len(order) > MAX_CLASSES_OF_INTEGERS and len(order) > len(column) / 2:
        raise BadInput(
            "almost every row has a class of its own",
            where=where,
            got=f"{len(order):,} classes in {len(column):,} rows",
            remedy="choose another target, or for numbers data.task: regression and a metric of regression",
        )
    if names is not None:
        order = [label for label in names if label in set(order)]
    index = {label: i for i, label in enumerate(order)}
    return Target(
        np.array([index[label] for label in labels], np.int64)[codes],
        tuple(names[label] if names else label for label in order),
    )


def _sorted(labels: set[str]) -> list[str]:
    """Sorts labels by value if all are numbers, else alphabetically."""
    try:
        return sorted(labels, key=lambda label: (float(label), label))
    except ValueError:
        return sorted(labels)


def joined(column: pd.Series, classes: Spellings, where: str) -> tuple[pd.Series, np.ndarray, tuple[str, ...]]:
    """The labels under the names that `data.classes` gives them.

    Returns:
        The column as texts; a mask `[rows]` of the rows of these classes; notes on the other rows.

    Raises:
        BadInput: a spelling of a class is in no row.
    """
    labels = as_written(column)
    meant = {spelling: name for name, spellings in classes.items() for spelling in spellings}
    present = set(labels.unique())
    for name, spellings in classes.items():
        absent = [spelling for spelling in spellings if spelling not in present]
        if absent:
            raise BadInput(
                f"no row of {where} has this value",
                where="data.classes" if list(spellings) == [name] else f"data.classes.{name}",
                got=absent[0],
                accepted=nearest(absent[0], sorted(present)),
            )
    kept = labels.isin(meant).to_numpy(bool)
    others = labels[~kept].value_counts()
    notes: tuple[str, ...] = ()
    if len(others):
        listed = ", ".join(f"{name}: {count:,}" for name, count in others.head(5).items())
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        notes = (f"{int((~kept).sum()):,} rows of other classes left out ({listed}{more})",)
    return labels.map(meant).astype(object), kept, notes


def _numbers(column: pd.Series, where: str) -> pd.Series | None:
    """The column as float64 where every value is a number, else None."""
    if column.dtype == object:
        column = pd.to_numeric(column, errors="coerce")
    return finite(column.astype(np.float64), where) if column.notna().all() else None


def _quantity(column: pd.Series, numbers: pd.Series | None, where: str) -> np.ndarray:
    if numbers is None:
        meaning = as_truth_values(column)
        if meaning is None:
            strangers = column[pd.to_numeric(column, errors="coerce").isna()].unique()
            raise BadInput(
                "regression needs a target of numbers",
                where=where,
                got=some(strangers),
                remedy="set data.task: classification, or mend these values",
            )
        numbers = column.map(meaning)
    elif column.dtype.kind in "iu" and numbers.nunique() < column.nunique() / 2:
        raise BadInput(
            "the target's numbers are too large to be told apart",
            where=where,
            got=f"{column.nunique():,} different whole numbers from {column.min():,} to {column.max():,}, which are "
            f"{numbers.nunique():,} in floating point",
            accepted=f"whole numbers up to {2**53:,}",
            remedy="subtract what they have in common, such as the smallest of them",
        )
    return numbers.to_numpy(np.float64)
