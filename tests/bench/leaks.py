"""Measures how often leaks are found, and the false alarms: `python -m tests.bench.leaks [--quick]`.

Plants leaks of several kinds in generated tables of six honest columns, and counts the answers of `target_leak` and
`repeated_id`: b for blocks, w for warns, each as a share of 40 tables. Then runs the same checks on the bundled data
sets and on those of BAKEOFF_DATA: every failure there is a false alarm, unless the column really is a leak. Prints
Markdown.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.dataset import Dataset
from tasks.datasets.load import load_dataset
from tasks.datasets.splits import split_rows
from tasks.errors import BadInput
from tasks.records.tables import SPLITS
from tasks.spec.data import Data
from tasks.validation.leak import target_leak
from tasks.validation.repeats import repeated_id
from tests.datasets import made

TABLES = 40
ROWS = (20, 50, 100, 200, 400, 1000, 5000)
HOME = Path("data/bench/leaks")
SETS: tuple[dict[str, str], ...] = (
    *({"source": name} for name in ("breast-cancer", "diabetes", "wine", "titanic", "births", "shot-log")),
    *({"source": name} for name in ("california-housing", "german-credit", "adult")),
)
"""The tables of the catalogue that are checked, as a spec's `data`."""

Rng = np.random.Generator
Made = Callable[[Rng, int], Dataset]


def _honest(rng: Rng, rows: int) -> pd.DataFrame:
    table = pd.DataFrame(rng.normal(size=(rows, 4)), columns=list("abcd"))
    return table.assign(city=rng.choice(list("uvwxyz"), rows), age=rng.integers(18, 80, rows) * 1.0)


def _classes(rng: Rng, rows: int) -> tuple[pd.DataFrame, np.ndarray]:
    table = _honest(rng, rows)
    return table, (table["a"].to_numpy() + rng.normal(size=rows) > 0.3).astype(np.int64)


def _number(rng: Rng, rows: int) -> tuple[pd.DataFrame, np.ndarray]:
    table = _honest(rng, rows)
    return table, np.round(1000 * (50 + 5 * table["a"].to_numpy() + 5 * rng.normal(size=rows)))


def _classed(table: pd.DataFrame, target: np.ndarray) -> Dataset:
    return made("made", table, target, "y", ("no", "yes"), "0")


def _valued(table: pd.DataFrame, target: np.ndarray) -> Dataset:
    return made("made", table, target, "y", None, "0")


def nothing(rng: Rng, rows: int) -> Dataset:
    return _classed(*_classes(rng, rows))


def nothing_of_a_number(rng: Rng, rows: int) -> Dataset:
    return _valued(*_number(rng, rows))


def copy(rng: Rng, rows: int) -> Dataset:
    table, target = _classes(rng, rows)
    return _classed(table.assign(answer=np.where(target, "won", "lost")), target)


def formatted_copy(rng: Rng, rows: int) -> Dataset:
    table, target = _number(rng, rows)
    return _valued(table.assign(label=[f"${value:,.0f}" for value in target]), target)


def threshold(rng: Rng, rows: int) -> Dataset:
    table, target = _classes(rng, rows)
    return _classed(table.assign(score=(2 * target - 1) * rng.uniform(0.01, 1, rows)), target)


def right_in(share: float) -> Made:
    def column(rng: Rng, rows: int) -> Dataset:
        table, target = _classes(rng, rows)
        return _classed(table.assign(hint=np.where(rng.random(rows) < share, target, 1 - target) * 1.0), target)

    return column


def missing_in(share: float) -> Made:
    def column(rng: Rng, rows: int) -> Dataset:
        table, target = _classes(rng, rows)
        there = np.where(rng.random(rows) < share, target, 1 - target) == 1
        return _classed(table.assign(refund=np.where(there, rng.normal(size=rows), np.nan)), target)

    return column


def two_columns(rng: Rng, rows: int) -> Dataset:
    table, target = _classes(rng, rows)
    one = rng.integers(0, 2, rows)
    return _classed(table.assign(one=np.where(one, "x", "z"), other=np.where(one ^ target, "p", "q")), target)


def parts_of_a_sum(rng: Rng, rows: int) -> Dataset:
    table, target = _number(rng, rows)
    first = np.round(target * rng.uniform(0.2, 0.8, rows))
    return _valued(table.assign(first=first, second=target - first), target)


def with_noise(share: float) -> Made:
    def column(rng: Rng, rows: int) -> Dataset:
        table, target = _number(rng, rows)
        noise = rng.normal(size=rows) * target.std() * np.sqrt(1 / share - 1)
        return _valued(table.assign(estimate=target + noise), target)

    return column


def ids(each: int, alike: float) -> Made:
    def column(rng: Rng, rows: int) -> Dataset:
        table, target = _classes(rng, rows)
        names = rng.permutation(10 * rows)[np.arange(rows) // each]
        own = target[np.arange(rows) // each]
        kept = np.where(rng.random(rows) < alike, own, target)
        return _classed(table.assign(member=names * 1.0), kept)

    return column


KINDS: dict[str, Made] = {
    "none, classes": nothing,
    "none, a number": nothing_of_a_number,
    "a copy in other words": copy,
    "a copy as $285,000": formatted_copy,
    "a threshold without error": threshold,
    "a column right in 99%": right_in(0.99),
    "a column right in 97%": right_in(0.97),
    "a column right in 93%": right_in(0.93),
    "missing tells 98%": missing_in(0.98),
    "two columns together": two_columns,
    "two parts of a sum": parts_of_a_sum,
    "an estimate, 95% of the variance": with_noise(0.95),
    "an estimate, 80% of the variance": with_noise(0.8),
    "ids of 4 rows, 90% alike": ids(4, 0.9),
    "ids of 4 rows, 50% alike": ids(4, 0.5),
    "ids of 4 rows, not alike": ids(4, 0.0),
}


def found(make: Made, rows: int, tables: int) -> str:
    """Returns the shares of tables that are blocked or get a warning, such as `b 100%` or `w 95%`."""
    blocks = warns = 0
    for seed in range(tables):
        dataset = make(np.random.default_rng(seed), rows)
        splits = _split(dataset, seed)
        leak, ids = target_leak(dataset, splits), repeated_id(dataset, splits)
        blocked = leak is not None and not leak.success and leak.severity is None
        blocks += blocked
        warns += not blocked and any(each is not None and not each.success for each in (leak, ids))
    shares = [f"{letter} {count / tables:.0%}" for letter, count in (("b", blocks), ("w", warns)) if count]
    return ", ".join(shares) or "-"


def _split(dataset: Dataset, seed: int) -> pd.DataFrame:
    parts = np.resize(["train", "train", "train", "val", "test"], dataset.rows)
    parts = np.random.default_rng(seed).permutation(parts)
    return SPLITS.frame(pd.DataFrame({"row": np.arange(dataset.rows), "part": parts}))


def alarms() -> Iterator[str]:
    """Yields a table row for each data set: what the checks say, or why it can't be read here."""
    for wanted in SETS:
        data = Data.model_validate(wanted)
        try:
            dataset = load_dataset(data, home=HOME, base=Path())
        except BadInput as error:
            yield f"| {wanted['source']} | | | not here: {error.problem} |"
            continue
        splits = SPLITS.frame(split_rows(dataset, data.split))
        started = time.monotonic()
        held, held_splits = dataset.in_memory(splits)
        results = [target_leak(held, held_splits), repeated_id(held, held_splits)]
        said = [f"{each.severity or 'block'}: {each.message}" for each in results if each and not each.success]
        shape = f"{dataset.rows:,} x {len(dataset.table.columns)}"
        yield f"| {wanted['source']} | {shape} | {time.monotonic() - started:.1f} | {' '.join(said) or '-'} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a quarter of the tables")
    tables = TABLES // 4 if parser.parse_args().quick else TABLES
    print(f"# Leaks\n\nFound in {tables} made tables a cell: b blocked, w warned of.\n")
    print(f"| leak | {' | '.join(f'{rows:,} rows' for rows in ROWS)} |")
    print("| --- |" + " --- |" * len(ROWS), flush=True)
    for name, cells in itertools.groupby(itertools.product(KINDS, ROWS), key=lambda cell: cell[0]):
        print(f"| {name} | {' | '.join(found(KINDS[name], rows, tables) for _, rows in cells)} |", flush=True)
    print("\nOn public data:\n\n| data set | rows x inputs | seconds | said |\n| --- | --- | ---: | --- |")
    for line in alarms():
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
