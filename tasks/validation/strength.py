"""How much columns tell about the target, measured by rules that are tested on rows they have not seen.

Strength is the share of guessing's errors that a rule removes. For classes, guessing always predicts the commonest
class (Goodman and Kruskal's lambda, 1954). For numbers, it always predicts the mean, and errors are squared. A rule is
learned on the training rows and tested on the others, and the other way round. So each row is predicted by a rule that
has not seen it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.records.validation import ColumnStrength

_MOST_LEAVES = 64
_MOST_VALUES = 50
"""A number with at most so many distinct values is also looked up value by value, like a code."""

_EIGHTHS = 8
_ROUNDING = 1e-12

Predict = Callable[[np.ndarray], np.ndarray]
"""Takes a mask of the rows to learn from, and returns predictions for all rows."""


@dataclass(frozen=True)
class Rows:
    """The rows that rules are learned from and tested on.

    Args:
        target: Class index (int64) or value (float64), `[rows]`.
        held: Which rows are of the validation and test parts, bool `[rows]`.
        classes: How many classes the target has; None for a number.
    """

    target: np.ndarray
    held: np.ndarray
    classes: int | None

    def guesses(self, learn: np.ndarray) -> np.ndarray:
        """The best prediction without inputs, for all rows: the commonest class, or the mean."""
        own = self.target[learn]
        best = own.mean() if self.classes is None else np.bincount(own, minlength=self.classes).argmax()
        return np.full(len(self.target), best)

    def errors(self, predicted: np.ndarray, rows: np.ndarray) -> float:
        """Wrong rows, or squared errors, summed over `rows`, a mask."""
        if self.classes is None:
            return float(np.square(predicted[rows] - self.target[rows]).sum())
        return float((predicted[rows] != self.target[rows]).sum())

    def told(self, predict: Predict, columns: Sequence[str], how: str) -> Strength:
        """Measures the strength of a rule."""
        left = guessed = 0.0
        for judged in (self.held, ~self.held):
            left += self.errors(predict(~judged), judged)
            guessed += self.errors(self.guesses(~judged), judged)
        share = 1 - left / guessed if guessed > 0 else 0.0
        return Strength(tuple(columns), how, max(share, 0.0), guessed > 0 and left <= _ROUNDING * guessed)


@dataclass(frozen=True)
class Strength:
    """How much a rule on some columns tells about the target.

    Args:
        columns: Their names.
        how: What the rule sees of them: `alone`, `missing` (whether there is a value), `together`, `sum`, `difference`.
        share: The share of guessing's errors that the rule removes, in [0, 1].
        flawless: Whether the rule removes them all, on the held-out rows and, learned from those, on the training rows.
    """

    columns: tuple[str, ...]
    how: str
    share: float
    flawless: bool

    def record(self) -> ColumnStrength:
        """An entry of validation.json's `strengths`."""
        return ColumnStrength(list(self.columns), self.phrase, round(self.share, 4))

    @property
    def phrase(self) -> str:
        """`shop`, `whether fee is missing`, `shop and day together`, `a + b`."""
        sign = {"sum": " + ", "difference": " - "}.get(self.how)
        if self.how == "missing":
            return f"whether {self.columns[0]} is missing"
        if sign:
            return sign.join(self.columns)
        return f"{' and '.join(self.columns)} together" if self.how == "together" else self.columns[0]


def by_value(codes: np.ndarray, rows: Rows) -> Predict:
    """A rule that predicts the commonest class, or the mean, of the rows with the same value. It guesses for unseen
    values.

    Args:
        codes: Which value each row has, int64 `[rows]`, from 0.
    """

    def predict(learn: np.ndarray) -> np.ndarray:
        size = int(codes.max()) + 1
        counts = np.bincount(codes[learn], minlength=size)
        if rows.classes is None:
            sums = np.bincount(codes[learn], weights=rows.target[learn], minlength=size)
            best = sums / np.maximum(counts, 1)
        else:
            table = np.zeros((size, rows.classes), np.int64)
            np.add.at(table, (codes[learn], rows.target[learn]), 1)
            best = table.argmax(axis=1)
        return np.where(counts[codes] > 0, best[codes], rows.guesses(learn))

    return predict


def by_tree(inputs: np.ndarray, rows: Rows) -> Predict:
    """A rule that is a decision tree. Missing values may have a branch of their own.

    Args:
        inputs: float32 `[rows, columns]`, NaN where missing.
    """
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    model = DecisionTreeRegressor if rows.classes is None else DecisionTreeClassifier
    leaves = max(_MOST_LEAVES, 2 * (rows.classes or 0))

    def predict(learn: np.ndarray) -> np.ndarray:
        tree = model(max_leaf_nodes=leaves, random_state=0).fit(inputs[learn], rows.target[learn])
        return tree.predict(inputs)

    return predict


def screened(table: pd.DataFrame, rows: Rows, most: int) -> list[str]:
    """Finds the numeric columns that tell most about the target: at most `most`, in the table's order. The screen uses
    the eighths of each column's ranks, on the training rows alone. It costs a hundredth of a tree.

    Args:
        table: Numbers, `[rows, columns]`.
    """
    learn = table.to_numpy(np.float64)[~rows.held]
    target = rows.target[~rows.held]
    ranks = np.argsort(np.argsort(learn, axis=0, kind="stable"), axis=0) * _EIGHTHS // len(learn)
    bins = np.where(np.isnan(learn), _EIGHTHS, ranks)
    sums = np.stack([target - target.mean()]) if rows.classes is None else np.eye(rows.classes)[target].T
    told = np.zeros(table.shape[1])
    for each in range(_EIGHTHS + 1):
        inside = (bins == each).astype(np.float64)
        of_bin = sums @ inside  # [1 or classes, columns]
        if rows.classes is None:
            told += np.square(of_bin[0]) / np.maximum(inside.sum(axis=0), 1)
        else:
            told += of_bin.max(axis=0)
    best = np.sort(np.argsort(-told, kind="stable")[:most])
    return [str(name) for name in table.columns[best]]


def alone(column: pd.Series, rows: Rows) -> Strength:
    """The strength of one column: of a category by value; of a number by a tree and, if it has few values, by value
    too."""
    name, number = str(column.name), pd.api.types.is_numeric_dtype(column)
    rules = []
    if number:
        rules.append(by_tree(as_tree_inputs(column.to_numpy(np.float64)[:, None]), rows))
    if not number or column.nunique() <= _MOST_VALUES:
        rules.append(by_value(codes_of(column), rows))
    return max((rows.told(rule, [name], "alone") for rule in rules), key=lambda found: found.share)


def of_missing(column: pd.Series, rows: Rows) -> Strength | None:
    """The strength of whether a value is missing; None if all or none are."""
    missing = column.isna().to_numpy()
    if missing.all() or not missing.any():
        return None
    return rows.told(by_value(missing.astype(np.int64), rows), [str(column.name)], "missing")


def together(one: pd.Series, other: pd.Series, rows: Rows) -> Strength:
    """The strength of a pair: by a tree and, if both columns have few values, by value too."""
    names = [str(one.name), str(other.name)]
    inputs = np.column_stack([_as_number(column, rows) for column in (one, other)])
    rules = [by_tree(as_tree_inputs(inputs), rows)]
    if one.nunique() <= _MOST_VALUES and other.nunique() <= _MOST_VALUES:
        second = codes_of(other)
        pairs = codes_of(one) * (int(second.max()) + 1) + second
        rules.append(by_value(np.unique(pairs, return_inverse=True)[1], rows))
    return max((rows.told(rule, names, "together") for rule in rules), key=lambda found: found.share)


def combined(one: pd.Series, other: pd.Series, rows: Rows) -> list[Strength]:
    """The strengths of the sum and the difference of two numbers."""
    names = [str(one.name), str(other.name)]
    first, second = one.to_numpy(np.float64), other.to_numpy(np.float64)
    both = (("sum", first + second), ("difference", first - second))
    return [rows.told(by_tree(as_tree_inputs(values[:, None]), rows), names, how) for how, values in both]


def codes_of(column: pd.Series) -> np.ndarray:
    """The code of each row's value, int64 from 0; missing is a value too."""
    return pd.factorize(column, use_na_sentinel=False)[0].astype(np.int64)


def as_tree_inputs(values: np.ndarray) -> np.ndarray:
    """Values as trees take them: float32, with NaN in place of infinities."""
    with np.errstate(over="ignore"):
        inputs = values.astype(np.float32)
    inputs[np.isinf(inputs)] = np.nan
    return inputs


def _as_number(column: pd.Series, rows: Rows) -> np.ndarray:
    """A number as it is; a category as the mean target of its training rows, so that a tree can order it."""
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(np.float64)
    means = pd.Series(rows.target[~rows.held], dtype=np.float64).groupby(column.to_numpy()[~rows.held]).mean()
    return column.map(means).to_numpy(np.float64)
