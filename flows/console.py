"""Shows a run on the terminal: its progress while it goes on, its result at the end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from flows.environment import load_tensorflow
from flows.interruption import stop_if_asked
from tasks.errors import Blocked, plain
from tasks.evaluation.rounding import interval, rounded
from tasks.evaluation.wording import inside
from tasks.imports import importing
from tasks.records.estimate import Estimate
from tasks.records.verdict import JudgedRecipe, PositiveClass, Verdict
from tasks.run_folder import Stage


def marked(text: object) -> str:
    """Like `plain`, for a line in Rich's markup: brackets in the text are not read as tags."""
    return escape(plain(text))


class Bar:
    """Shows one line per stage: on a terminal a moving bar, elsewhere a plain line when the stage ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started: dict[str, float] = {}
        self._tasks: dict[str, Any] = {}
        self._progress = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.fields[stage]:<9}"),
            BarColumn(bar_width=24),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=console,
            disable=not console.is_terminal,
            transient=False,
        )

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def hear(self, stage: str, what: str, share: float | None) -> None:
        """Receives a stage's progress, as a `tasks.steps.Listener`. Also ends a run whose interrupt was dropped."""
        stop_if_asked()
        if stage not in self._tasks:
            self._started[stage] = time.monotonic()
            self._tasks[stage] = self._progress.add_task(what, total=None, stage=stage)
        if what.startswith("note:"):
            self._console.print(marked(what), highlight=False, soft_wrap=True)
        elif what == "done":
            self._progress.update(self._tasks[stage], description="", total=1, completed=1)
            if not self._console.is_terminal:
                self._console.print(f"{stage:<9} {time.monotonic() - self._started[stage]:6.1f} s", highlight=False)
        else:
            total = None if share is None else 1
            self._progress.update(self._tasks[stage], description=marked(what), total=total, completed=share or 0)


def run_with_progress(
    *,
    experiment: str,
    overrides: Sequence[str],
    home: Path,
    run_dir: Path | None,
    start: Stage,
    fail_on_gate: bool,
    lesson: bool = False,
) -> None:
    """Runs the flow in this process, and shows its progress, then its result. The report's path is the last line. For a
    lesson TensorFlow is not loaded.

    Raises:
        BadInput: the spec or the data is wrong, or blocked by validation.
        typer.Exit: with 3 for a gate under `fail_on_gate`; with 1 where the report lacks a part.
    """
    console = Console(stderr=True)
    with Bar(console) as bar:
        bar.hear("start", f"starting Prefect{'' if lesson else ' and TensorFlow'}", None)
        with importing():
            from flows.bakeoff import GateFailed, RunRequest, bakeoff
            from flows.orchestration import api
            from reports.render import ReportFailed
            from tasks import steps

        request = RunRequest(
            experiment=experiment,
            set=list(overrides),
            fail_on_gate=fail_on_gate,
            run_dir=str(run_dir or ""),
            start_from=start,
        )
        token = steps.listener.set(bar.hear)
        failed = broken = ""
        try:
            with api(home) as ready:
                if not lesson:
                    load_tensorflow(home)  # while the API starts
                ready()
                bar.hear("start", "done", 1.0)
                folder = Path(str(bakeoff(request)))  # Prefect raises the error of a failed state
        except GateFailed as error:
            folder, failed = error.folder, str(error)
        except ReportFailed as error:
            folder, broken = error.rendered.path.parent, str(error)
        except Blocked as error:
            if error.table:
                show_validation(error.table)
            if error.report:
                typer.echo(plain(f"report: {error.report}"), err=True)
            raise
        finally:
            steps.listener.reset(token)
    if lesson:
        from flows.lesson import show_lesson

        show_lesson(folder)
    else:
        show_result(folder)
    if broken:
        typer.echo(plain(f"report: {broken}"), err=True)
        raise typer.Exit(1)
    if failed:
        typer.echo(plain(f"gate: {failed}"), err=True)
        raise typer.Exit(3)


def show_result(folder: Path) -> None:
    """Prints the verdict and what to do next, in the terminal's width. The report's path is the last line."""
    verdict, console = Verdict.read(folder), Console(highlight=False)
    first = verdict.metric
    named = (verdict.recipes or verdict.baselines)[0].metrics
    titles = {name: inside(verdict.titles.get(name, name)) for name in named}
    others = _that_fit([name for name in named if name != first], titles, console.width)
    confidence = f"{100 * verdict.confidence:g}%"
    told = f"Test part: means over seeds, with {confidence} intervals over rows and seeds, of baselines over rows"
    if verdict.out_of_fold:
        told = f"Out of fold ({verdict.out_of_fold.way}): means over folds, with {confidence} intervals"
    table = Table(box=box.SIMPLE_HEAD, title=f"{told}; ranked on the validation part", title_justify="left")
    table.add_column("", justify="right")
    table.add_column("recipe", overflow="fold")
    for name in (first, *others):
        table.add_column(marked(titles[name]), justify="right", no_wrap=name == first)
    for recipe in verdict.recipes:
        _add_row(table, str(recipe.rank), _name(recipe), recipe.metrics, first, others)
    table.add_section()
    for baseline in verdict.baselines:
        _add_row(table, "", f"[dim]baseline:[/] {marked(baseline.name)}", baseline.metrics, first, others)
    console.print(table)
    if verdict.positive:
        console.print(marked(_positive(verdict.positive, "rows" if verdict.out_of_fold else "test rows")))
    if verdict.out_of_fold:
        console.print(f"[cyan]procedure[/]  {marked(verdict.out_of_fold.sentence)}")
    for gate in verdict.gates:
        colour = {"pass": "green", "fail": "red"}.get(gate.answer, "yellow")
        console.print(f"[{colour}]{gate.answer}[/]  {marked(gate.sentence)}")
    if verdict.champion:
        console.print(f"[cyan]champion[/]  {marked(verdict.champion.sentence)}")
    for warning in verdict.warnings:
        console.print(f"[yellow]note[/]  {marked(warning)}")
    console.print(f"[bold]{marked(verdict.sentence)}[/]")
    for step in verdict.next:
        console.print(f"[cyan]next[/]  {marked(step)}")
    typer.echo(str(folder / "report.html"))


def _positive(positive: PositiveClass, rows: str) -> str:
    """Says which class is of interest, how it was chosen, and how many of the rows for testing belong to it."""
    return f"class of interest: {positive.name}, {positive.rows:,} of {positive.of:,} {rows} ({positive.why})"


def _that_fit(names: Sequence[str], titles: dict[str, str], width: int) -> list[str]:
    """Returns the first metrics, as many as leave room for the recipes' names. The report has them all."""
    room = width - _NAMES_AND_FIRST
    taken = list(accumulate(max(*map(len, titles[name].split()), 8) + _GAP for name in names))
    return [name for name, so_far in zip(names, taken, strict=True) if so_far <= room]


_NAMES_AND_FIRST, _GAP = 55, 3
"""Widths in characters: of rank, name and the deciding metric with its interval; and of the space before a column."""


def _name(recipe: JudgedRecipe) -> str:
    failing = "diverged" if recipe.status == "diverged" else "" if recipe.learned else "did not learn"
    return marked(recipe.recipe) + (f" [yellow]({failing})[/]" if failing else "")


def _add_row(
    table: Table, rank: str, name: str, metrics: Mapping[str, Estimate], first: str, others: Sequence[str]
) -> None:
    """Adds one line: the deciding metric with its interval, the others without."""
    means = [rounded(metrics[other].mean if other in metrics else None) for other in others]
    table.add_row(rank, name, marked(interval(metrics.get(first))), *means)


def show_validation(rows: Sequence[dict[str, str]]) -> None:
    """Prints the failed checks, and how many passed. A narrow terminal gets lines, since a table would break words."""
    console = Console(stderr=True, highlight=False)
    failed = [row for row in rows if row["answer"] != "passed"]
    coloured = {"blocks": "[red]blocks[/]", "warns": "[yellow]warns[/]"}
    shown = [{name: coloured.get(text, marked(text)) for name, text in row.items()} for row in failed]
    if console.width < _TABLE_OF_CHECKS:
        console.print("Data validation", style="italic")
        for row in shown:
            of = f" ({row['column']})" if row["column"] else ""
            console.print(f"{row['answer']}  {row['check']}{of}: {row['finding']}")
            if row["remedy"]:
                console.print(Padding(row["remedy"], (0, 0, 0, 8)))
    else:
        table = Table(title="Data validation", title_justify="left")
        for name in rows[0]:
            table.add_column(name, overflow="fold")
        for row in shown:
            table.add_row(*row.values())
        console.print(table)
    console.print(f"{len(rows) - len(failed)} of {len(rows)} checks passed")


_TABLE_OF_CHECKS = 120
"""Terminal width, in characters, from which the checks are shown in a table."""


def render_again(run: Path) -> None:
    """Renders a run's report and prints its path last.

    Raises:
        typer.Exit: with 1 where the report lacks a part.
    """
    from reports.render import ReportFailed, render

    rendered = render(run)
    for warning in rendered.warnings:
        typer.echo(plain(f"note: {warning}"), err=True)
    typer.echo(str(rendered.path))
    if rendered.failures:
        typer.echo(plain(f"report: {ReportFailed(rendered)}"), err=True)
        raise typer.Exit(1)
