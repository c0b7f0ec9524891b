"""`bakeoff monitor`: checks a file of new rows, shows the answer, and exits with the answer's code."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from flows.console import marked
from tasks.errors import plain
from tasks.evaluation.rounding import rounded
from tasks.history import REPORT
from tasks.imports import importing
from tasks.records.monitoring import Answer, Monitored, Window

EXIT_CODES: dict[Answer, int] = {"keep": 0, "watch": 4, "retrain": 5}


def monitor_file(experiment: str, file: Path, window: int | None, home: Path) -> None:
    """Monitors a file. If a Prefect server is set, this runs as the flow `monitor` on it, which also trains again.

    Raises:
        BadInput: there is no champion, or the file is not what its model takes.
        typer.Exit: with the answer's code, if it is not `keep`.
    """
    with importing():
        from prefect.settings import get_current_settings

        from flows.monitor import MonitorRequest, look, monitor
        from flows.orchestration import api
    if get_current_settings().api.url:
        with api(home) as ready:
            ready()
            request = MonitorRequest(experiment=experiment, data=str(file), window=window or 0)
            folder = Path(next(iter(cast("list[str]", monitor(request)))))
        found = Monitored.read(folder)
    else:
        folder, found = look(home, experiment, file, window)
    _show(found)
    typer.echo(plain(folder / REPORT))
    if found.answer != "keep":
        raise typer.Exit(EXIT_CODES[found.answer])


def _show(found: Monitored) -> None:
    console = Console(highlight=False)
    console.print(f"[bold]{found.answer}[/]  {marked(found.sentence)}")
    if len(found.windows) > 1:
        console.print(_windows(found))
    for each in found.worst.noticed:
        console.print(f"[cyan]{'fault' if each.fault else 'note'}[/]  {marked(each.sentence)}")
    if found.worst.alarms:
        console.print(_alarms(found.worst))


def _alarms(window: Window) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="What changed", title_justify="left")
    table.add_column("what")
    table.add_column("of", overflow="fold")
    for name in ("distance", "alarms from", "before", "now"):
        table.add_column(name, justify="right")
    for each in window.alarms:
        figures = (each.distance, each.threshold, each.reference, each.window)
        table.add_row(each.what, marked(each.name), *map(rounded, figures))
    return table


def _windows(found: Monitored) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Windows", title_justify="left")
    for name in ("first row", "rows"):
        table.add_column(name, justify="right")
    table.add_column("answer")
    table.add_column("columns", overflow="fold")
    for each in found.windows:
        table.add_row(f"{each.first:,}", f"{each.rows:,}", each.answer, marked(", ".join(each.columns)))
    return table
