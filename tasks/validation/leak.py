"""Columns that give the target away, alone, in pairs, or as a sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from tasks.dataset import TEST, TRAIN, VAL, Dataset
from tasks.ranges import Share
from tasks.validation.copies import Sum, copies, exact_sum
from tasks.validation.finding import Finding
from tasks.validation.rows import rows_in
from tasks.validation.strength import Rows, Strength, alone, combined, of_missing, screened, together
from tasks.validation.wording import listing, yaml_list

_MOST_ROWS, _LEAST_ROWS, _MOST_CELLS = 20_000, 2_000, 1_500_000
_ROWS_OF_PAIRS = 4_000
_STRONGEST = 8
"""How many of the strongest columns are combined in pairs, sums and differences."""
_MOST_TREES = 1_000
"""The most numeric columns that trees are grown for. Of more, a quick screen chooses so many."""
_FEWEST_HELD = 100
"""The fewest held-out rows on which a rule without error is a leak."""
_FEWEST_ERRORS = 10
"""If guessing classes makes fewer errors on the held-out rows, no rule's strength is measured."""


def target_leak(dataset: Dataset, splits: pd.DataFrame, *, strength: Share = 0.9) -> Finding | None:
    """No column, pair or sum may give the target away, as a result recorded after the event does.

    Blocks: a one-to-one copy of the target in any format (20 rows or more), a rule without error on at least 100
    held-out rows, a linear rule that leaves under a millionth of the target's deviation. Warns: a rule that removes
    `strength` or more of guessing's errors on rows it has not seen. Rules see each column as it is used and whether it
    is missing, the pairs of the strongest columns, and sums and differences of the strongest numbers.

    Args:
        strength: A rule that removes at least this share of the errors of guessing (for a number: of the variance)
            gives a warning. In `(0, 1]`.
    """
    if not len(dataset.table.columns):
        return None
    found = evidence(dataset, splits)
    said = found.blocking or found.warning(strength)
    columns = list(dict.fromkeys(name for each in said for name in each.columns))
    best = found.strengths[0] if found.strengths else None
    seen = f"{best.phrase}: {best.share:.3g} of the errors of guessing" if best else "nothing could be learned"
    gone = "give" if len(said) > 1 else "gives"
    return Finding(
        success=not said,
        expected=f"below {strength:g} of the errors of guessing, for every column, pair and sum",
        observed=f"{seen}{found.left_out}",
        rows=found.rows,
        unexpected=len(columns),
        message=f"{listing([each.sentence for each in said])} {gone} {dataset.target_name} away."
        if said
        else f"No column, pair or sum gives {dataset.target_name} away.",
        remedy=f"data.drop: {yaml_list(columns)}, unless known before the prediction is needed",
        column=columns[0] if len(columns) == 1 else None,
        severity="warn" if said and not found.blocking else None,
        strengths=[each.record() for each in found.strengths[:_STRONGEST]],
    )


@dataclass(frozen=True)
class Hint:
    """Something that gives the target away.

    Args:
        columns: The columns to leave out.
        sentence: The same in words, with the reason.
    """

    columns: tuple[str, ...]
    sentence: str


@dataclass(frozen=True)
class Evidence:
    """What was found in a data set.

    Args:
        blocking: Copies and rules without error.
        strengths: Strengths of all rules that were tried, the strongest first.
        rows: How many rows were looked at.
        left_out: What was not looked at, in words; empty if nothing was left out.
    """

    blocking: Sequence[Hint]
    strengths: Sequence[Strength]
    rows: int
    left_out: str

    def warning(self, least: float) -> list[Hint]:
        """Hints for rules of at least this strength: single columns if there are some, else pairs without a common
        column."""
        strong = [each for each in self.strengths if each.share >= least]
        hints: list[Hint] = []
        for each in [each for each in strong if len(each.columns) == 1] or strong:
            if not {name for hint in hints for name in hint.columns} & set(each.columns):
                hints.append(Hint(each.columns, f"{each.phrase} ({each.share:.0%} of the errors of guessing)"))
        return hints


def evidence(dataset: Dataset, splits: pd.DataFrame) -> Evidence:
    """Finds what gives the target away; in a seeded sample where there are many rows or columns."""
    table = dataset.table
    learn, judge = _sampled(rows_in(splits, TRAIN), rows_in(splits, VAL, TEST), len(table.columns))
    chosen = np.concatenate([learn, judge])
    sample, target = table.iloc[chosen], dataset.target[chosen]
    rows = Rows(target, np.arange(len(chosen)) >= len(learn), len(dataset.classes) if dataset.classes else None)
    copied = sorted(copies(sample, target, number=rows.classes is None))
    blocking = [Hint((name,), f"{name} (a copy in other words or numbers)") for name in copied]
    guessed = rows.errors(rows.guesses(~rows.held), rows.held) if rows.held.any() and not rows.held.all() else 0.0
    if not guessed or (rows.classes is not None and guessed < _FEWEST_ERRORS):
        return Evidence(blocking, [], len(chosen), "")
    others = sample.drop(columns=copied)
    if rows.classes is None:
        summed = exact_sum(others[[name for name in dataset.numbers if name in others]], target, rows.held)
        blocking += [Hint(*_of_sum(summed))] if summed else []
    strengths, left_out = _strengths(others, rows)
    if rows.held.sum() >= _FEWEST_HELD:
        known = {name for hint in blocking for name in hint.columns}
        for each in strengths:
            if each.flawless and not known & set(each.columns):
                known |= set(each.columns)
                blocking.append(Hint(each.columns, f"{each.phrase} (no error on {rows.held.sum():,} held-out rows)"))
    return Evidence(blocking, strengths, len(chosen), left_out)


def _of_sum(found: Sum) -> tuple[tuple[str, ...], str]:
    return tuple(name for name, _ in found.terms), f"{found} (to the last digit)"


def _strengths(table: pd.DataFrame, rows: Rows) -> tuple[list[Strength], str]:
    """Tries all rules. Returns their strengths, the strongest first, and in words what was left out."""
    every = len(table.columns)
    numbers = [name for name in table.columns if pd.api.types.is_numeric_dtype(table[name])]
    left_out = ""
    if len(numbers) > _MOST_TREES and not rows.held.all():
        every_number = set(numbers)
        likely = set(screened(table[numbers], rows, _MOST_TREES))
        table = table[[name for name in table.columns if name in likely or name not in every_number]]
        left_out = f"; of {len(numbers):,} numbers the {_MOST_TREES:,} likeliest"
    names = list(table.columns)
    found = [alone(table[name], rows) for name in names]
    found += [each for name in names if (each := of_missing(table[name], rows))]
    ranked = sorted(found, key=lambda each: (-each.share, each.columns))
    strongest = sorted(list(dict.fromkeys(each.columns[0] for each in ranked if each.how == "alone"))[:_STRONGEST])
    few = _fewer(rows)
    smaller, part = table[strongest].iloc[few], Rows(rows.target[few], rows.held[few], rows.classes)
    if part.held.any() and not part.held.all():
        for one, other in combinations(strongest, 2):
            found.append(together(smaller[one], smaller[other], part))
            if all(pd.api.types.is_numeric_dtype(smaller[name]) for name in (one, other)):
                found += combined(smaller[one], smaller[other], part)
    if every > _STRONGEST:
        left_out += f"; pairs of the {_STRONGEST} strongest of {every:,} columns only"
    # Among rules of nearly equal strength, the simpler one comes first.
    simple = {"missing": 0, "alone": 1}
    return sorted(
        found, key=lambda each: (-round(each.share, 2), simple.get(each.how, 2), -each.share, each.columns)
    ), left_out


def _fewer(rows: Rows) -> np.ndarray:
    """Positions of at most `_ROWS_OF_PAIRS` rows, ascending."""
    count = len(rows.target)
    if count <= _ROWS_OF_PAIRS:
        return np.arange(count)
    return np.sort(np.random.default_rng(1).choice(count, _ROWS_OF_PAIRS, replace=False))


def _sampled(learn: np.ndarray, judge: np.ndarray, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """A seeded sample of both kinds of rows, smaller for wide tables."""
    most = int(np.clip(_MOST_CELLS // columns, _LEAST_ROWS, _MOST_ROWS)) // 2
    rng = np.random.default_rng(0)
    few = [rng.choice(rows, most, replace=False) if len(rows) > most else rows for rows in (learn, judge)]
    return few[0], few[1]
