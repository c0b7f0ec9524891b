"""Measures monitoring's false alarms, and which shifts it finds: `python -m tests.bench.monitor [--quick]`.

A replay is a reference and a window of new rows of the same source: rows of a table in a new random order each time, or
a stretch of a series whose columns are AR(1). The bench counts replays in which any column alarms, at the product's
stated rate, with an exact binomial interval. To measure power, one column of the window is shifted by so many standard
deviations.

With `BAKEOFF_DATA`, a champion is trained on the first weeks of `electricity`, and the following weeks are replayed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import signal
from scipy.stats import beta

from tasks.monitoring.alarm import RATE, Distribution, Measure, distances, number_places

REPLAYS, POWER_REPLAYS = 200, 100
REFERENCE, WINDOW = 5_000, 500
NUMBERS = 4
"""Number of numeric columns; there is also one category."""
SOURCES = {"shuffled": 0.0, "AR(1), 0.5": 0.5, "AR(1), 0.9": 0.9}
SHIFTS = {"shuffled": (0.2, 0.25, 0.3), "AR(1), 0.5": (0.2, 0.4, 0.6), "AR(1), 0.9": (0.5, 1.0, 1.5)}
WEEK, LEARNED, REPLAYED = 336, 12_096, 13_440
"""Rows of `electricity`, in half-hours: a week; the champion's rows, 36 weeks; the replayed rows after them, 40
weeks."""
CHANGE = 17_424
"""The row from which on vicprice, vicdemand and transfer change."""
_WARM = 500


@dataclass(frozen=True)
class Cell:
    """Replays of one source.

    Args:
        shift: Shift of the first column, in standard deviations; 0: unchanged.
        alarms: Number of replays in which any column alarmed.
    """

    source: str
    shift: float
    replays: int
    alarms: int

    @property
    def interval(self) -> tuple[float, float]:
        """The Clopper-Pearson 95% interval of the share of alarms."""
        missed = self.replays - self.alarms
        low = float(beta.ppf(0.025, self.alarms, missed + 1)) if self.alarms else 0.0
        return low, float(beta.ppf(0.975, self.alarms + 1, missed)) if missed else 1.0


def replays(source: str, shift: float, count: int, seed: int) -> Cell:
    """Makes `count` replays and counts those that alarm."""
    rng = np.random.default_rng(seed)
    table = _series(rng, REFERENCE + WINDOW, 0.0)  # its rows are shuffled again for each replay
    alarms = 0
    for _ in range(count):
        rows = rng.permutation(table) if source == "shuffled" else _series(rng, len(table), SOURCES[source])
        window = rows[REFERENCE:].copy()
        window[:, 0] += shift
        alarms += any(each.alarms for each in distances([_measures(rows[:REFERENCE], window)]).values())
    return Cell(source, shift, count, alarms)


def _series(rng: np.random.Generator, rows: int, persistence: float) -> np.ndarray:
    """Draws stationary AR(1) columns of standard deviation 1, float64 `[rows, NUMBERS + 1]`."""
    steps = rng.normal(size=(rows + _WARM, NUMBERS + 1)) * np.sqrt(1 - persistence**2)
    return np.asarray(signal.lfilter([1.0], [1.0, -persistence], steps, axis=0))[_WARM:]


def _measures(reference: np.ndarray, window: np.ndarray) -> dict[str, Measure]:
    found: dict[str, Measure] = {}
    for column in range(NUMBERS):
        cells, (before, now) = number_places(reference[:, column], window[:, column])
        found[f"number {column}"] = Distribution(before, now, cells, ordered=True)
    sides = [np.digitize(each[:, NUMBERS], [-1.0, 0.0, 0.5]) for each in (reference, window)]
    found["category"] = Distribution(sides[0], sides[1], 4, ordered=False)
    return found


def electricity(home: Path) -> str:
    """Returns the answers of monitoring for the weeks after the champion's, in Markdown."""
    from flows.environment import load_tensorflow, quieten

    quieten()
    load_tensorflow()
    from tasks import stages
    from tasks.champions.promotion import promote
    from tasks.datasets.load import load_dataset
    from tasks.monitoring.watch import monitor
    from tasks.spec.data import Data
    from tests.runs import planned

    whole = load_dataset(Data(source="electricity"), home=home)
    table = whole.written
    learned, replayed = home / "learned.csv", home / "replayed.csv"
    table.iloc[:LEARNED].to_csv(learned, index=False)
    table.iloc[LEARNED : LEARNED + REPLAYED].to_csv(replayed, index=False)
    spec = {
        "name": "electricity",
        "data": {"source": str(learned), "target": "class", "split": {"time": "date"}},
        "model": "linear",
        "train": {"epochs": 5, "seeds": 1},
    }
    made = planned(home / "runs" / "first", spec, home=home)
    stages.validate(made.run, made.prepared.dataset, made.splits)
    made.judge(made.tables())
    promote(home / "runs" / "first", home)
    windows = monitor(home, "electricity", replayed, WEEK).windows
    before = [each for each in windows if LEARNED + each.first + each.rows - 1 <= CHANGE]
    lines = [
        f"{sum(each.answer != 'keep' for each in before)} of {len(before)} weeks before row {CHANGE:,} alarmed "
        f"({sum(each.answer == 'retrain' for each in before)} retrain), "
        f"{sum(each.answer != 'keep' for each in windows[len(before) :])} of {len(windows) - len(before)} from it on.",
        "",
        "| column | weeks before that alarmed | first alarm in the week of row |",
        "| --- | --- | --- |",
    ]
    for name in ("vicprice", "vicdemand", "transfer", "nswprice", "nswdemand", "period", "day"):
        changed = [each for each in windows if name in {alarm.name for alarm in each.alarms}]
        first = next((f"{LEARNED + each.first - 1:,}" for each in changed), "none")
        lines.append(f"| {name} | {sum(each in before for each in changed)} of {len(before)} | {first} |")
    return "\n".join(lines)


def tables(quick: bool) -> str:
    """Returns all cells as Markdown tables."""
    count, power = (20, 10) if quick else (REPLAYS, POWER_REPLAYS)
    null = [replays(source, 0.0, count, seed) for seed, source in enumerate(SOURCES)]
    found = [
        replays(source, shift, power, 100 + seed)
        for seed, (source, shift) in enumerate((source, shift) for source in SOURCES for shift in SHIFTS[source])
    ]
    lines = ["| rows | replays | false alarms |", "| --- | --- | --- |"]
    lines += [f"| {each.source} | {each.replays} | {_share(each)} |" for each in null]
    lines += ["", "| rows | shift of one column of five (SD) | replays | found |", "| --- | --- | --- | --- |"]
    lines += [f"| {each.source} | {each.shift:g} | {each.replays} | {_share(each)} |" for each in found]
    return "\n".join(lines)


def _share(cell: Cell) -> str:
    low, high = cell.interval
    return f"{cell.alarms / cell.replays:.1%} ({low:.1%} to {high:.1%})"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.monitor")
    parser.add_argument("--quick", action="store_true", help="a tenth of the replays")
    quick = parser.parse_args(arguments).quick
    print(f"Windows of {WINDOW} rows, references of {REFERENCE:,}, a rate of {RATE:.0%}.\n", flush=True)
    print(tables(quick), flush=True)
    if os.environ.get("BAKEOFF_DATA"):
        with tempfile.TemporaryDirectory(prefix="bakeoff-bench-") as folder:
            print(f"\n{electricity(Path(folder))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
