"""Measures the coverage of the metrics' intervals: `python -m tests.bench.coverage [--quick] [--metric rmse,mae]`.

A gate that passes states that the true value is on the good side of its threshold. So each cell sets the threshold
exactly to the true value and counts the passes, all of them false. Shares of two classes are enumerated; for all else,
`DRAWS` test parts a cell are drawn, each through `Metric.over_rows`, as in a run. An interval that never decides would
have full coverage. So the bench also counts how often a gate passes whose threshold is one and two half-widths (of the
cell's median interval) on the safe side of the truth.

False passes are a share of all repeats, coverage is a share of those with an interval. Prints a Markdown table and
exits with 1 if a bar is missed. `--quick` draws a tenth: then a bar may be missed by chance.
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import numpy as np
from scipy.stats import binom

from tasks.evaluation.intervals import Interval
from tasks.evaluation.metrics import METRICS
from tests.bench.populations import POPULATIONS

CONFIDENCE = 0.95
DRAWS = 5000
PROCESSES = 2

MOST_FALSE_ENUMERATED = 0.025
MOST_FALSE = 0.05
LEAST_COVERAGE = 0.92
FEWEST_INTERVALS = 0.05
"""Share of repeats with an interval, below which coverage is not judged: those few repeats are not typical of the
cell."""

MEASURED = tuple(name for name, metric in METRICS.items() if metric.reads != "cost")
"""Metrics that are measured here; costs have a bench of their own, `tests.bench.costs`."""
ENUMERATED = ("accuracy", "precision", "recall", "f1")
COUNTS = (4, 10, 30, 50, 100, 300, 1000)
Task = tuple[str, int, int]
"""A metric, the population's index in the list, rows: an index, since populations can't be sent to another process."""

SHARES = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99)


@dataclass(frozen=True)
class Cell:
    """A cell of the table: what is measured, and its figures, which are shares of repeats.

    Args:
        metric: Name in `METRICS`.
        population: Name of the population that the test parts are drawn from.
        rows: Rows of a test part; for an enumerated share, the rows that count.
        truth: The metric's value over the whole population.
        false: How often a gate passes whose threshold is the truth.
        coverage: Share of the intervals that contain the truth.
        answered: Repeats with an interval.
        one: How often a gate passes whose threshold is one half-width worse than the truth.
        two: The same for two half-widths.
        enumerated: Whether every outcome was counted by its probability.
    """

    metric: str
    population: str
    rows: int
    truth: float
    false: float
    coverage: float
    answered: float
    one: float
    two: float
    enumerated: bool = False

    @property
    def missed(self) -> list[str]:
        """The bars that this cell misses."""
        judged = self.answered >= FEWEST_INTERVALS
        return [
            *(["false passes"] if self.false > (MOST_FALSE_ENUMERATED if self.enumerated else MOST_FALSE) else []),
            *(["coverage"] if judged and self.coverage < LEAST_COVERAGE else []),
        ]


def cell(
    metric: str, population: str, rows: int, truth: float, intervals: Sequence[Interval], weights: np.ndarray | None
) -> Cell:
    """Returns the figures of drawn intervals, or of all possible intervals with their probabilities `weights`."""
    sign = METRICS[metric].sign
    chance = np.full(len(intervals), 1 / len(intervals)) if weights is None else weights
    ends = np.array([[i.low, i.high] if i.low is not None else [np.nan, np.nan] for i in intervals], dtype=np.float64)
    there = ~np.isnan(ends[:, 0])
    answered = float(chance[there].sum())
    # The end that a gate in the metric's own direction reads, with the sign changed where needed: greater is better.
    end = ends[:, 0] if sign > 0 else -ends[:, 1]
    half = _median(ends[there, 1] - ends[there, 0], chance[there]) / 2 if answered else np.nan

    def passes(margin: float) -> float:
        return float(chance[there & (end >= sign * truth - margin)].sum())

    covered = chance[there & (ends[:, 0] <= truth) & (truth <= ends[:, 1])].sum()
    return Cell(
        metric=metric,
        population=population,
        rows=rows,
        truth=truth,
        false=passes(0.0),
        coverage=float(covered / answered) if answered else np.nan,
        answered=answered,
        one=passes(half) if answered else 0.0,
        two=passes(2 * half) if answered else 0.0,
        enumerated=weights is not None,
    )


def _median(values: np.ndarray, chance: np.ndarray) -> float:
    order = np.argsort(values)
    below = np.cumsum(chance[order])
    return float(values[order][np.searchsorted(below, below[-1] / 2)])


def enumerated(name: str) -> Iterator[Cell]:
    """Yields the cells of a share of two classes, over every possible number of hits among the rows that count."""
    for count in COUNTS:
        intervals = [METRICS[name].over_rows(*_hits(name, hits, count), CONFIDENCE) for hits in range(count + 1)]
        for share in SHARES:
            truth = 2 * share / (1 + share) if name == "f1" else share
            chances = binom.pmf(np.arange(count + 1), count, share)
            yield cell(name, f"binomial, {share:g}", count, truth, intervals, chances)


def _hits(name: str, hits: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns target `[rows]` and one-hot prediction `[rows, 2]`: `count` rows count for the share, `hits` of them are
    hits, and ten other rows do not count."""
    hit, other = np.arange(count) < hits, np.zeros(10, dtype=bool)
    actual = np.r_[hit if name == "precision" else np.ones(count, bool), other]
    predicted = np.r_[np.ones(count, bool) if name == "precision" else hit, other]
    if name == "accuracy":
        actual, predicted = actual[:count], predicted[:count]
    return actual.astype(np.int64), np.eye(2)[predicted.astype(np.int64)]


def drawn(task: Task, draws: int) -> Cell:
    """Returns the cell of a task, from `draws` test parts of its population."""
    name, index, rows = task
    metric, population = METRICS[name], POPULATIONS[index]
    rng = np.random.default_rng(zlib.crc32(f"{name} {population.name} {rows}".encode()))
    intervals = []
    for _ in range(draws):
        target, prediction, groups = population.draw(rng, rows)
        intervals.append(metric.over_rows(target, prediction, CONFIDENCE, groups))
    return cell(name, population.name, rows, population.truth(name), intervals, None)


def tasks(names: Sequence[str]) -> list[Task]:
    """Lists the cells to draw: each metric on its populations, at each of their sizes."""
    return [
        (name, index, rows)
        for name in names
        for index, population in enumerate(POPULATIONS)
        if name in population.metrics
        for rows in population.sizes
    ]


def measured(names: Sequence[str], draws: int, processes: int = PROCESSES) -> list[Cell]:
    """Returns every cell of the metrics `names`; drawn cells have `draws` repeats."""
    cells = [each for name in names if name in ENUMERATED for each in enumerated(name)]
    # The longest first, so that no process works alone on a long one at the end.
    todo = tasks(names)
    if processes == 1:
        return cells + [drawn(task, draws) for task in todo]
    order = sorted(range(len(todo)), key=lambda place: -todo[place][2])
    with ProcessPoolExecutor(processes) as pool:
        found = dict(zip(order, pool.map(partial(drawn, draws=draws), [todo[place] for place in order]), strict=True))
    return cells + [found[place] for place in range(len(todo))]


def page(cells: Sequence[Cell], draws: int) -> str:
    """Returns the Markdown page: a row for every cell, and above them the worst figures of each metric."""
    heads = "| {} | population | rows | truth | false passes | coverage | with an interval | passes at 1 | at 2 |"
    parts = [
        "# Intervals over test rows",
        f"`python -m tests.bench.coverage`: {draws:,} draws a cell, {CONFIDENCE:.0%} intervals. The bars: at most "
        f"{MOST_FALSE_ENUMERATED:.1%} false passes where enumerated, else {MOST_FALSE:.0%}, and {LEAST_COVERAGE:.0%} "
        f'coverage of the intervals there are, judged where {FEWEST_INTERVALS:.0%} of the repeats have one. "passes at '
        '1" and "at 2": of a gate whose threshold is that many half-widths on the safe side of the truth; above, the '
        "median of the cells with an interval.",
        _worst(cells),
    ]
    for (name, enumerated_), each in groupby(cells, key=lambda cell: (cell.metric, cell.enumerated)):
        lines = [heads.format(name + (", enumerated" if enumerated_ else "")), "|" + "---|" * 9, *map(_line, each)]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _line(cell: Cell) -> str:
    coverage = f"{cell.coverage:.1%}" if cell.answered >= FEWEST_INTERVALS else "-"
    figures = [f"{cell.false:.1%}", coverage, *(f"{share:.0%}" for share in (cell.answered, cell.one, cell.two))]
    missed = f" (missed: {', '.join(cell.missed)})" if cell.missed else ""
    return f"| | {cell.population}{missed} | {cell.rows:,} | {cell.truth:.3g} | {' | '.join(figures)} |"


def _worst(cells: Sequence[Cell]) -> str:
    lines = [
        "| metric | cells | most false passes | least coverage | cells with an interval | passes at 1, at 2 |",
        "|" + "---|" * 6,
    ]
    for (name, enumerated_), found in groupby(cells, key=lambda cell: (cell.metric, cell.enumerated)):
        each = list(found)
        judged = [cell for cell in each if cell.answered >= FEWEST_INTERVALS]
        least = min((cell.coverage for cell in judged), default=np.nan)
        one, two = (np.median([getattr(cell, key) for cell in judged]) for key in ("one", "two"))
        lines.append(
            f"| {name}{', enumerated' if enumerated_ else ''} | {len(each)} | {max(cell.false for cell in each):.1%} "
            f"| {least:.1%} | {len(judged)} | {one:.0%}, {two:.0%} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{DRAWS // 10} draws a cell")
    parser.add_argument("--metric", type=lambda text: text.split(","), default=list(MEASURED), help=",".join(MEASURED))
    chosen = parser.parse_args()
    started, draws = time.monotonic(), DRAWS // 10 if chosen.quick else DRAWS
    cells = measured(chosen.metric, draws)
    cells = [cell for name in chosen.metric for cell in cells if cell.metric == name]
    print(page(cells, draws))
    print(f"\n{len(cells)} cells in {(time.monotonic() - started) / 60:.0f} minutes.")
    missed = [cell for cell in cells if cell.missed]
    print(f"{len(missed)} cells miss a bar." if missed else "No cell misses a bar.")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
