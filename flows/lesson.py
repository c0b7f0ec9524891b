"""Shows a lesson on the terminal: what it would run, and what it found."""

from __future__ import annotations

import shlex
from pathlib import Path

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from flows.console import marked
from reports.numbers import figure
from tasks.errors import plain
from tasks.records.lesson import Lesson
from tasks.spec.lessons import LessonSpec


def show_lesson_plan(spec: LessonSpec, *, defaults: bool) -> None:
    """Prints what `bakeoff check` says about a lesson."""
    import yaml

    console = Console(highlight=False, soft_wrap=True)
    lesson = spec.bound
    console.print(f"[bold]lesson[/] {marked(spec.lesson.name)}: {marked(lesson.asks)}")
    console.print(f"measures {marked(lesson.measures)}")
    for name, value in spec.lesson.parameters.items():
        console.print(f"  {marked(name)}: {marked(value)}")
    if defaults:
        typer.echo("spec (every default filled in)")
        typer.echo(plain(yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False, allow_unicode=True).rstrip()))


def show_lesson(folder: Path) -> None:
    """Prints the checks against theory, what was seen and what to try. The report's path is the last line."""
    lesson, console = Lesson.read(folder), Console(highlight=False)
    table = Table(box=box.SIMPLE_HEAD, title=f"{lesson.counted} met", title_justify="left")
    table.add_column("check", overflow="fold")
    for name in ("measured", "theory"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("tolerance")
    table.add_column("met")
    for check in lesson.checks:
        answer = "[green]yes[/]" if check.met else "[red]no[/]"
        table.add_row(marked(check.what), figure(check.measured), figure(check.theory), marked(check.tolerance), answer)
    console.print(table)
    console.print(f"[bold]{marked(lesson.headline)}.[/]")
    console.print(marked(lesson.lead))
    for change in lesson.tries:
        console.print(f"[cyan]try[/]  --set {marked(shlex.quote(change.setting))}")
    typer.echo(str(folder / "report.html"))
