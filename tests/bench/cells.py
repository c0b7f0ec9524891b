"""Runs a simulation cell by cell in two processes, as the command of `tests.bench.costs` and `tests.bench.fairness`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Protocol


class Judged(Protocol):
    """The figures of a cell."""

    @property
    def missed(self) -> bool:
        """Whether a figure misses its bar."""


def run(
    said: str | None,
    draws: int,
    tasks: Callable[[int], Sequence[Any]],
    measure: Callable[[Any], Judged],
    table: Callable[[Sequence[Any]], str],
    arguments: Sequence[str] | None,
) -> int:
    """Prints the cells' table; the exit code is 1 where one misses a bar.

    Args:
        said: The command's description.
        draws: Repeats of a cell; `--quick` takes a twentieth.
        tasks: Function from the number of repeats to the inputs of `measure`, one for each cell.
        measure: Returns a cell's figures; called in another process.
        table: Function from the cells to Markdown.
        arguments: None: those of the command line.
    """
    parser = argparse.ArgumentParser(description=said, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a twentieth of the repeats: bars may be missed by chance")
    repeats = draws // 20 if parser.parse_args(arguments).quick else draws
    with ProcessPoolExecutor(2) as pool:
        cells = list(pool.map(measure, tasks(repeats)))
    print(table(cells))
    return int(any(each.missed for each in cells))
