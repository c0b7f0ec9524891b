"""Measures how often a range test's range contains the best learning rate: `python -m tests.bench.lr_range`.

For each data set and optimizer it runs a range test as `bakeoff lr-range` does, and trains a grid of 20 rates over the
optimizer's usual search range to the end, under three other seeds. It counts how often the grid's best rate lies in the
test's range, and how many of the grid's rates do. The best rate has the best mean of the deciding metric; of equal
ones, the one with the least loss. Only training and validation rows are used. An optimizer that diverges at every rate
of the grid is left out. The data sets are the bundled ones; with BAKEOFF_DATA public ones too.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks import runs, stages
from tasks.evaluation.metrics import METRICS
from tasks.evaluation.shares import clopper_pearson
from tasks.execution.range_test import RangeTests
from tasks.execution.runner import train
from tasks.execution.tuning import Result
from tasks.planning.groups import RowCounts
from tasks.planning.stacks import PlanContext
from tasks.records.search_plan import RangeTest
from tasks.spec.load import parse_spec
from tasks.training.optimizers import LEARNING_RATES

POINTS = 20
EPOCHS = 20
BUNDLED = ("digits", "breast-cancer", "wine", "diabetes")
SMALL = ("breast-cancer", "wine", "diabetes")
PUBLIC = ("titanic", "german-credit", "mammography", "adult", "california-housing")
ROWS = 800
"""The most rows that are taken of a data set."""


@dataclass(frozen=True)
class Case:
    """One optimizer on one data set.

    Args:
        grid: The rates that were trained to the end, with the deciding metric (greater is better) and loss of each;
            None where one diverged.
    """

    data: str
    test: RangeTest
    grid: Sequence[tuple[float, float | None, float | None]]

    @property
    def best(self) -> float:
        """The grid's best learning rate."""
        ended = [(score, -loss, rate) for rate, score, loss in self.grid if score is not None and loss is not None]
        return max(ended)[2]

    @property
    def hit(self) -> bool:
        return self.test.low <= self.best <= self.test.high

    @property
    def decades(self) -> float:
        """Width of the range test's range in decades."""
        return float(np.log10(self.test.high / self.test.low))


def cases(data: str, folder: Path) -> list[Case]:
    """Returns the case of every optimizer on one data set; `folder` is for the run's files."""
    source = {"source": data} | ({} if data in SMALL else {"rows": ROWS})
    spec = parse_spec(
        {"data": source, "train": {"epochs": EPOCHS, "seeds": 1}, "compare": {"optimizer": list(LEARNING_RATES)}}
    )
    run = runs.open_run(spec, "", [], folder, folder / "home", folder)
    dataset = stages.load(run)
    plan, prepared, _ = stages.plan(run, dataset, stages.split(run, dataset))
    parts = {part: len(rows) for part, rows in prepared.rows.items()}
    rows = RowCounts.of(dataset, parts, prepared.features.shape[1:], None, prepared.lengths)
    context = PlanContext(prepared.dataset, {None: rows}, plan.metrics)
    tests = RangeTests(plan.recipes, context, context.key(spec))
    found = tests.run(folder, lambda job, report: train(job, prepared, folder, folder, report))
    points = {
        name: [float(f"{rate:.4g}") for rate in np.geomspace(*ends, POINTS)] for name, ends in LEARNING_RATES.items()
    }
    whole = RangeTests(plan.recipes, context, context.key(spec), points, share=1.0, first_seed=3000)
    results = whole.results(folder, lambda job, report: train(job, prepared, folder, folder, report))
    sign = METRICS[plan.metric].sign
    pairs = [
        Case(
            data, test, [_point(rate, each, sign) for rate, each in zip(points[test.optimizer], of_recipe, strict=True)]
        )
        for test, of_recipe in zip(found, results, strict=True)
    ]
    return [each for each in pairs if any(score is not None for _, score, _ in each.grid)]


def _point(rate: float, result: Result, sign: int) -> tuple[float, float | None, float | None]:
    if result.score is None:
        return rate, None, None
    return rate, sign * result.score, result.loss


def table(found: Sequence[Case]) -> str:
    """Returns a Markdown table with a row for each optimizer, one for the bundled sets, and one for the others."""
    lines = ["| | best rate in the range | a rate at random | decades of the range, median |", "|---|---|---|---|"]
    lines += [_row(name, [each for each in found if each.test.optimizer == name]) for name in LEARNING_RATES]
    lines.append(_row("bundled sets", [each for each in found if each.data in BUNDLED]))
    if any(each.data in PUBLIC for each in found):
        lines.append(_row("other sets", [each for each in found if each.data in PUBLIC]))
    return "\n".join(lines)


def _row(name: str, own: Sequence[Case]) -> str:
    hits = sum(each.hit for each in own)
    low, high = clopper_pearson(hits, len(own), 0.95)
    share = f"{hits} of {len(own)}, {hits / len(own):.0%} ({low:.0%} to {high:.0%})"
    inside = np.mean([np.mean([each.test.low <= rate <= each.test.high for rate, *_ in each.grid]) for each in own])
    return f"| {name} | {share} | {inside:.0%} | {np.median([each.decades for each in own]):.1f} |"


def main() -> None:
    names = [*BUNDLED, *(PUBLIC if os.environ.get("BAKEOFF_DATA") else ())]
    found: list[Case] = []
    for name in names:
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            found += cases(name, Path(folder))
        own = [each for each in found if each.data == name]
        print(
            f"{name}: {sum(each.hit for each in own)} of {len(own)}, {time.monotonic() - started:.0f} s",
            file=sys.stderr,
        )
    print(table(found))
    for each in found:
        if not each.hit:
            ends = f"{each.test.low:g} to {each.test.high:g}"
            print(f"missed: {each.data} {each.test.optimizer}: best {each.best:g}, range {ends}")


if __name__ == "__main__":
    main()
