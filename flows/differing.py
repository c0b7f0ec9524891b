"""`bakeoff diff`: two runs side by side, on the terminal and as a page."""

from __future__ import annotations

from pathlib import Path

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from flows.console import marked
from flows.predicting import begun_run
from reports.diff import compare_runs, read_sides, to_html
from tasks.errors import plain
from tasks.run_folder import make_folder, write_text

DIFFS = "diffs"


def show_difference(one: str, other: str, home: Path) -> None:
    """Prints two runs side by side, differences in bold. Writes the same as a page and prints its path last.

    Raises:
        BadInput: one of them is no run, or has no plan; or only one is a lesson.
    """
    sides = read_sides(*(begun_run(name, home) for name in (one, other)))
    console = Console(highlight=False)
    for part in compare_runs(*sides):
        shown = Table(box=box.SIMPLE_HEAD, title=marked(part.title), caption=marked(part.note), title_justify="left")
        shown.caption_justify = "left"
        for head in ("", *(side.name for side in sides)):
            shown.add_column(marked(head), overflow="fold")
        for name, mine, yours in part.rows:
            cells = [marked(mine), marked(yours)]
            shown.add_row(marked(name), *(cells if mine == yours else [f"[bold]{cell}[/]" for cell in cells]))
        console.print(shown)
    folder = make_folder(home / DIFFS)
    typer.echo(plain(write_text(folder / f"{sides[0].name}--{sides[1].name}.html", to_html(*sides))))
