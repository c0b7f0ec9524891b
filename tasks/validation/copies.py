"""Columns that copy the target: in other words, as other numbers, or as parts of a sum."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.validation.strength import codes_of

FEWEST_ROWS = 20
"""The fewest rows, with values of column and target, from which a copy is reported."""

_MOST_LUCK = 0.01
"""The accepted probability that any of all columns looks like a copy by chance."""

_EXACT = 1e-6
"""The error on held-out rows, in standard deviations of the target, below which a linear rule counts as exact."""
_MOST_TERMS = 30


def copies(table: pd.DataFrame, target: np.ndarray, *, number: bool) -> Iterator[str]:
    """Yields the names of columns that are one-to-one with the target in at least `FEWEST_ROWS` rows, in any format.

    A text is also read as the number that its digits make (`$285,000`). Two numbers are copies if they have the same
    order, or the reverse. Any other column is a copy if equal values have equal targets and different values different
    ones. A copy counts only if it is unlikely to be chance. That is computed over all ways to divide the rows into
    groups of these sizes and, if the order agrees, over all orders of the groups.

    Args:
        table: Inputs, `[rows, columns]`.
        target: `[rows]`, class index or value.
        number: Whether the target is a number.
    """
    least = np.log(max(table.shape[1], 1) / _MOST_LUCK)
    for name in table.columns:
        present = table[name].notna().to_numpy()
        if present.sum() < FEWEST_ROWS:
            continue
        column, own = table.loc[present, name], target[present]
        if _evidence(column, own, number=number) >= least:
            yield str(name)


def _evidence(column: pd.Series, target: np.ndarray, *, number: bool) -> float:
    """The logarithm of how many arrangements are possible for each one that is a copy; negative if the column is no
    copy."""
    groups = np.unique(target, return_inverse=True)[1]
    found = -1.0
    if _one_to_one(codes_of(column), groups):
        found = _divisions(groups)
    if number:
        orders = math.lgamma(int(groups.max()) + 2) - math.log(2)
        if any(_same_order(reading, groups) for reading in _readings(column)):
            found = max(found, _divisions(groups) + orders)
    return found


def _one_to_one(one: np.ndarray, other: np.ndarray) -> bool:
    pairs = len(np.unique(one * (int(other.max()) + 1) + other))
    return pairs == len(np.unique(one)) == len(np.unique(other))


def _divisions(groups: np.ndarray) -> float:
    """The logarithm of the number of ways to divide rows into groups of these sizes. The groups' order does not
    count."""
    sizes = np.bincount(groups)
    equal = np.bincount(sizes[sizes > 0])
    return math.lgamma(len(groups) + 1) - _factorials(sizes) - _factorials(equal)


def _factorials(counts: np.ndarray) -> float:
    """The logarithm of the product of all factorials."""
    return sum(math.lgamma(count + 1) for count in counts.tolist())


def _same_order(values: np.ndarray, groups: np.ndarray) -> bool:
    """Whether values always rise or always fall with the target, and are equal where targets are equal."""
    order = np.unique(values, return_inverse=True)[1]
    return bool((order == groups).all() or (order == groups.max() - groups).all())


def _readings(column: pd.Series) -> Iterator[np.ndarray]:
    """The numbers that a column may mean: its own, or those of its texts' digits, with a point, a comma or no decimal
    mark."""
    if pd.api.types.is_numeric_dtype(column):
        yield column.to_numpy(np.float64)
        return
    texts = column.astype("str")
    for mark in (".", ",", ""):
        digits = texts.str.replace(rf"[^\d\-{mark}]", "", regex=True).str.replace(",", ".", regex=False)
        numbers = pd.to_numeric(digits, errors="coerce")
        if numbers.notna().all():
            yield numbers.to_numpy(np.float64)


@dataclass(frozen=True)
class Sum:
    """A linear rule that explains a number exactly: `2 * rooms - area + 3`.

    Args:
        terms: Each column and its factor.
        constant: What is added.
    """

    terms: Sequence[tuple[str, float]]
    constant: float

    def __str__(self) -> str:
        parts = [_term(factor, name) for name, factor in self.terms]
        parts += [_signed(self.constant)] if self.constant else []
        first, *rest = parts
        return " ".join([first.removeprefix("+ ").replace("- ", "-", 1), *rest])


def _term(factor: float, name: str) -> str:
    return f"{'-' if factor < 0 else '+'} {name}" if abs(factor) == 1 else f"{_signed(factor)} * {name}"


def _signed(value: float) -> str:
    return f"{'-' if value < 0 else '+'} {abs(value):.6g}"


def exact_sum(numbers: pd.DataFrame, target: np.ndarray, held: np.ndarray) -> Sum | None:
    """Finds a linear rule of few columns whose error on held-out rows is under a millionth of the target's deviation;
    None if there is none.

    Only rows with all values count. Columns are added one by one, each time the one that explains most of the rest
    (orthogonal matching pursuit, Pati et al. 1993). A rule of more than 30 columns is not found.

    Args:
        numbers: Numeric inputs, `[rows, columns]`.
        target: float64 `[rows]`.
        held: Which rows are held out, bool `[rows]`.
    """
    whole = numbers.notna().all(axis=1).to_numpy() & np.isfinite(numbers.to_numpy(np.float64)).all(axis=1)
    values, own, judged = numbers.to_numpy(np.float64)[whole], target[whole], held[whole]
    spread = values[~judged].std(axis=0) if (~judged).any() else np.zeros(values.shape[1])
    usable = np.flatnonzero(spread > 0)
    if judged.sum() < FEWEST_ROWS or (~judged).sum() < FEWEST_ROWS or not len(usable) or own[judged].std() == 0:
        return None
    centre, deviation = values[~judged].mean(axis=0)[usable], spread[usable]
    scaled = (values[:, usable] - centre) / deviation
    level = own[~judged].mean()
    chosen: list[int] = []
    left = own - level
    for _ in range(min(len(usable), _MOST_TERMS, int((~judged).sum()) - 2)):
        gain = np.abs(scaled[~judged].T @ left[~judged])
        gain[chosen] = -1.0
        chosen.append(int(gain.argmax()))
        factors = np.linalg.lstsq(scaled[~judged][:, chosen], own[~judged] - level, rcond=None)[0]
        left = own - level - scaled[:, chosen] @ factors
        if left[judged].std() < _EXACT * own[judged].std() and abs(left[judged].mean()) < _EXACT * own[judged].std():
            per_unit = factors / deviation[chosen]
            terms = [(str(numbers.columns[usable[i]]), _rounded(f)) for i, f in zip(chosen, per_unit, strict=True)]
            constant = level - float((per_unit * centre[chosen]).sum())
            return Sum(terms, 0.0 if abs(constant) < _EXACT * own.std() else _rounded(constant))
    return None


def _rounded(factor: float) -> float:
    """Rounds to six significant digits, so that a whole factor shows no rounding error."""
    return float(f"{factor:.6g}")
