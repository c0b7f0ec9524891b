"""Measures the coverage of the bounds of fairness differences: `python -m tests.bench.fairness [--quick]`.

A gate on equalised odds that passes states that no two slices of new rows are further apart than its threshold. So each
cell sets the threshold exactly to the true difference and counts the passes, all of them false: 5% at most. Coverage is
the share of bounds that contain the truth. The table also shows how often the estimate alone would have passed.

Slices have equally many rows. `one apart`: one slice has a lower true positive rate than all others, which are equal.
`evenly`: true and false positive rates rise evenly from slice to slice, by the same amounts. `alike but two`: two
slices differ from the rest, in false positive rates near 0.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.evaluation.fairness import ODDS, gap
from tests.bench import cells

DRAWS = 2000
CONFIDENCE = 0.95
MOST_FALSE = 0.05
LEAST_COVERAGE = 0.95
SIZES = (50, 200, 2000)
SLICES = (2, 3, 6)
SHARES = (0.1, 0.5)

Rates = tuple[np.ndarray, np.ndarray]
"""True and false positive rates by slice, `[slices]` each."""


def _one_apart(slices: int) -> Rates:
    true = np.full(slices, 0.8)
    true[0] = 0.7
    return true, np.full(slices, 0.15)


def _evenly(slices: int) -> Rates:
    return np.linspace(0.7, 0.8, slices), np.linspace(0.1, 0.2, slices)


def _alike_but_two(slices: int) -> Rates:
    false = np.full(slices, 0.03)
    false[0], false[-1] = 0.01, 0.06
    return np.full(slices, 0.9), false


PATTERNS: dict[str, Callable[[int], Rates]] = {
    "one apart": _one_apart,
    "evenly": _evenly,
    "alike but two": _alike_but_two,
}


@dataclass(frozen=True)
class Cell:
    """The figures of a cell, as shares of repeats; `width` is the mean distance between the bounds."""

    pattern: str
    slices: int
    rows: int
    positive: float
    truth: float
    false: float
    coverage: float
    estimate_alone: float
    width: float

    @property
    def missed(self) -> bool:
        return self.false > MOST_FALSE or self.coverage < LEAST_COVERAGE


def measure(task: tuple[str, int, int, float, int]) -> Cell:
    """Measures one cell, given its pattern, slices, rows of each, share of positives, and repeats."""
    pattern, slices, rows, positive, repeats = task
    rng = np.random.default_rng(zlib.crc32(repr(task[:4]).encode()))
    true, false = PATTERNS[pattern](slices)
    truth = float(max(np.ptp(true), np.ptp(false)))
    of_slice = np.repeat(np.arange(slices), rows)
    ends = np.empty((repeats, 3))
    for repeat in range(repeats):
        actual = rng.random(len(of_slice)) < positive
        predicted = rng.random(len(of_slice)) < np.where(actual, true[of_slice], false[of_slice])
        found = gap(ODDS, actual, predicted, of_slice, CONFIDENCE).interval
        ends[repeat] = found.low, found.mean, found.high
    low, mean, high = ends.T
    return Cell(
        pattern,
        slices,
        rows,
        positive,
        truth,
        false=float((high <= truth).mean()),
        coverage=float(((low <= truth + 1e-12) & (high >= truth - 1e-12)).mean()),
        estimate_alone=float((mean <= truth).mean()),
        width=float((high - low).mean()),
    )


def table(measured: Sequence[Cell]) -> str:
    head = (
        "| rates | slices | rows of each | positive | truth | false passes | coverage | the estimate alone passes | "
        "width of the bounds |\n|---|---|---|---|---|---|---|---|---|\n"
    )
    return head + "".join(
        f"| {each.pattern} | {each.slices} | {each.rows:,} | {each.positive:.0%} | {each.truth:.2g} | "
        f"{each.false:.2%}{' !' * (each.false > MOST_FALSE)} | "
        f"{each.coverage:.1%}{' !' * (each.coverage < LEAST_COVERAGE)} | {each.estimate_alone:.0%} | "
        f"{each.width:.2f} |\n"
        for each in measured
    )


def main(arguments: Sequence[str] | None = None) -> int:
    def tasks(repeats: int) -> list[tuple[str, int, int, float, int]]:
        return [
            (pattern, slices, rows, positive, repeats)
            for pattern in PATTERNS
            for slices in SLICES
            for rows in SIZES
            for positive in SHARES
        ]

    return cells.run(__doc__, DRAWS, tasks, measure, table, arguments)


if __name__ == "__main__":
    sys.exit(main())
