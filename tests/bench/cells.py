"""A simulation cell by cell on two processes, as a command: how `tests.bench.costs` and `tests.bench.fairness` run."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Protocol


class Judged(Protocol):
    """A cell's figures."""

    @property
    def missed(self) -> bool:
        """Whether they miss a bar."""


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
        said: What the command is for.
        draws: Repeats of a cell; `--quick` takes a twentieth.
        tasks: From the repeats to what `measure` is given, one for each cell.
        measure: Run in a process of its own.
        table: From the cells to Markdown.
        arguments: None: those of the command line.
    """
    parser = argparse.ArgumentParser(description=said, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a twentieth of the repeats: bars may be missed by chance")
    repeats = draws // 20 if parser.parse_args(arguments).quick else draws
    with ProcessPoolExecutor(2) as pool:
        cells = list(pool.map(measure, tasks(repeats)))
    print(table(cells))
    return int(any(each.missed for each in cells))
