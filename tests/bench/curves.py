"""Measures the coverage of the bands of ROC and precision-recall curves: `python -m tests.bench.curves [--quick]`.

Each cell draws `DRAWS` test parts of a population with a known curve, each through `evaluation.ranking` as in a run,
and counts how often the band contains the true curve at `PLACES` of the horizontal axis. This is pointwise coverage;
the cell shows the least of it. Beside it: how often the band contains the curve at all of `PLACES` at once, which it
does not claim, and its median width over them. Test parts without a row of the class, or without another, have no curve
and are left out.

Prints a Markdown table and exits with 1 where a bar is missed. `--quick` draws a tenth.
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from tasks.evaluation.ranking import Ranked, mean_of, precision_recall, roc
from tests.bench.populations import POPULATIONS

CONFIDENCE, DRAWS, PROCESSES = 0.95, 500, 2
LEAST_COVERAGE = 0.93
"""The bar: 0.95, less the sampling error of 500 draws."""

LARGE = 400_000
"""Rows of the sample whose curve counts as the true one."""

PLACES = np.array([0.01, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.99])
SIZES = (100, 300, 1000)
CURVES = {"roc": roc, "pr": precision_recall}
Task = tuple[str, int, int]
"""A curve, the population's index in the list, rows."""


@dataclass(frozen=True)
class Cell:
    """A cell of the table; its figures are shares of the test parts that have a curve.

    Args:
        curve: `roc` or `pr`; of three classes or more the macro average.
        population: Name of the population that the test parts are drawn from.
        rows: Rows of a test part.
        positives: Mean number of rows of the positive class in a test part; of three classes or more, of one class.
        least: The least pointwise coverage.
        place: Place on the horizontal axis where it is least.
        together: Share of bands that contain the true curve at all places at once.
        width: Median width of the band over draws and places.
        drawn: Share of the test parts that have a curve.
    """

    curve: str
    population: str
    rows: int
    positives: float
    least: float
    place: float
    together: float
    width: float
    drawn: float

    @property
    def missed(self) -> bool:
        return self.least < LEAST_COVERAGE


def curve_of(name: str, target: np.ndarray, prediction: np.ndarray, groups: np.ndarray | None) -> Ranked | None:
    """Returns the curve of the last of two classes, or the macro average of three or more; None where a class has no
    row or all rows."""
    classes = [1] if prediction.shape[1] == 2 else range(prediction.shape[1])
    if any((target == k).all() or not (target == k).any() for k in classes):
        return None
    found = [CURVES[name](target == k, prediction[:, k], CONFIDENCE, groups) for k in classes]
    return found[0] if len(found) == 1 else mean_of(found)


@lru_cache(maxsize=4)
def truth(name: str, index: int) -> np.ndarray:
    """Returns the population's curve at `PLACES`."""
    target, prediction, _ = POPULATIONS[index].draw(np.random.default_rng(1), LARGE)
    curve = curve_of(name, target, prediction, None)
    assert curve is not None
    return np.interp(PLACES, curve.x, curve.y)


def measured(task: Task, draws: int) -> Cell:
    name, index, rows = task
    population, true = POPULATIONS[index], truth(name, index)
    rng = np.random.default_rng(zlib.crc32(f"{name} {population.name} {rows}".encode()))
    held, widths, positives = [], [], []
    for _ in range(draws):
        target, prediction, groups = population.draw(rng, rows)
        positives.append((target == 1).sum() if prediction.shape[1] == 2 else rows / prediction.shape[1])
        curve = curve_of(name, target, prediction, groups)
        if curve is None:
            continue
        at = np.searchsorted(curve.x, PLACES - 1e-9)
        held.append((curve.low[at] <= true) & (true <= curve.high[at]))
        widths.append(curve.high[at] - curve.low[at])
    coverage = np.mean(held, axis=0)
    worst = int(coverage.argmin())
    return Cell(
        curve=name,
        population=population.name,
        rows=rows,
        positives=float(np.mean(positives)),
        least=float(coverage[worst]),
        place=float(PLACES[worst]),
        together=float(np.all(held, axis=1).mean()),
        width=float(np.median(widths)),
        drawn=len(held) / draws,
    )


def tasks() -> list[Task]:
    """Lists both curves on every population whose scores can be ranked."""
    return [
        (name, index, rows)
        for name in CURVES
        for index, population in enumerate(POPULATIONS)
        if "roc_auc" in population.metrics and "AUC 0.85" not in population.name
        for rows in (SIZES if "binormal" in population.name and "groups" not in population.name else population.sizes)
    ]


def page(cells: Sequence[Cell], draws: int) -> str:
    lines = [
        "# Bands of ROC and precision-recall curves",
        "",
        f"`python -m tests.bench.curves`: {draws:,} draws a cell, {CONFIDENCE:.0%} pointwise bands. The bar: at least "
        f"{LEAST_COVERAGE:.0%} coverage at each of {len(PLACES)} places of the horizontal axis. The least is shown, "
        "where it is, and what the band does not claim: coverage at all places at once.",
        "",
        "| curve | population | rows | positives | least coverage | at | everywhere | width | with a curve |",
        "|" + "---|" * 9,
    ]
    for each in cells:
        missed = " (missed)" if each.missed else ""
        lines.append(
            f"| {each.curve} | {each.population}{missed} | {each.rows:,} | {each.positives:.1f} | {each.least:.1%} "
            f"| {each.place:g} | {each.together:.0%} | {each.width:.2f} | {each.drawn:.0%} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{DRAWS // 10} draws a cell")
    chosen = parser.parse_args()
    started, draws = time.monotonic(), DRAWS // 10 if chosen.quick else DRAWS
    with ProcessPoolExecutor(PROCESSES) as pool:
        cells = list(pool.map(partial(measured, draws=draws), tasks()))
    print(page(cells, draws))
    print(f"\n{len(cells)} cells in {(time.monotonic() - started) / 60:.0f} minutes.")
    missed = [cell for cell in cells if cell.missed]
    print(f"{len(missed)} cells miss the bar." if missed else "No cell misses the bar.")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
