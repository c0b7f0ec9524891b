"""`bakeoff lr-range`: range tests of every recipe's learning rate, on the terminal and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from flows.check import scratch_folder
from flows.console import Bar, marked, show_validation
from flows.environment import load_tensorflow
from tasks.errors import Blocked
from tasks.evaluation.wording import written
from tasks.records.search_plan import RangeTest
from tasks.run_folder import make_folder
from tasks.spec.models import Spec
from tasks.training.compilations import keep_compiled


def show_ranges(spec: Spec, text: str, overrides: Sequence[str], base: Path, home: Path) -> None:
    """Tests the ranges without a run. Leaves only downloaded data, compiled programs and the page, whose path is
    printed last. An earlier page of the same experiment is replaced.

    Raises:
        BadInput: the spec or the data is wrong, or blocked by validation.
    """
    from reports.range_test import write_page
    from tasks import runs, stages

    try:
        with scratch_folder(home) as folder, Bar(Console(stderr=True)) as bar:
            bar.hear("load", "reading the data", None)
            load_tensorflow(home)
            run = runs.open_run(spec, text, overrides, base, home, folder)
            dataset = stages.load(run)
            bar.hear("load", "done", 1.0)
            bar.hear("validate", "checking the data", None)
            splits = stages.split(run, dataset)
            stages.validate(run, dataset, splits)
            bar.hear("validate", "done", 1.0)
            bar.hear("plan", "planning", None)
            plan, prepared, _ = stages.plan(run, dataset, splits)
            bar.hear("plan", "done", 1.0)
            tests = stages.range_tests(
                run, plan, prepared, lambda what, done, total: bar.hear("lr-range", what, done / total)
            )
            keep_compiled()
            bar.hear("lr-range", "done", 1.0)
    except Blocked as error:
        if error.table:
            show_validation(error.table)
        raise
    _show(tests)
    typer.echo(str(write_page(make_folder(home / "lr-range") / f"{spec.name}.html", plan, tests)))


def _show(tests: Sequence[RangeTest]) -> None:
    console = Console(highlight=False)
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"Learning-rate range tests on training and validation rows, {tests[0].seeds} seeds",
        title_justify="left",
    )
    table.add_column("recipe", overflow="fold")
    for name in ("best seen", "range", "tried", "epochs"):
        table.add_column(name, justify="right", no_wrap=True)
    for test in tests:
        table.add_row(
            marked(test.recipe),
            "none" if test.best is None else written(test.best),
            f"{written(test.low)} to {written(test.high)}" if test.best else "not found",
            f"{written(test.rates[0])} to {written(test.rates[-1])}",
            f"{test.epochs:,}",
        )
    console.print(table)
    console.print("[cyan]next[/]  tune.space: with {learning_rate: range-test} a search finds these ranges itself")
