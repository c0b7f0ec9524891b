"""Renders a run folder's report: `report.html`, one page that loads nothing from outside."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reports import lesson, notebook, pandoc, quarto, stopped
from reports.escape import safe
from reports.kernel import Kernel
from reports.markup import bullets, callout
from reports.run import read_run
from tasks.records.lesson import Lesson
from tasks.run_folder import write_text

Renderer = Literal["auto", "quarto", "pandoc"]

_DOCUMENT = Path(__file__).with_name("comparison.qmd")
_CELL_TIMEOUT, _QUARTO_TIMEOUT = 300.0, 300.0  # s

# A tag that makes the browser fetch something. Links to follow (`<a href>`) do not.
_FETCHES = re.compile(
    r"<(?:script|link|img|iframe|source|embed|object|video|audio)\b[^>]*?\b(?:src|href|data)\s*=\s*[\"']?((?:https?:)?//[^\"'\s>]+)"
    r"|(?:@import\s+|url\()\s*(?:url\()?[\"']?((?:https?:)?//[^\"'\s)]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Rendered:
    """The result of rendering.

    Args:
        path: The report.
        renderer: The renderer that made it.
        seconds: Rendering time.
        warnings: Why pandoc had to step in for Quarto.
        failures: What is missing from the page. The page says so too.
    """

    path: Path
    renderer: Literal["quarto", "pandoc"]
    seconds: float
    warnings: tuple[str, ...]
    failures: tuple[str, ...] = ()

    def check(self) -> None:
        """Raises ReportFailed if a part is missing."""
        if self.failures:
            raise ReportFailed(self)


class ReportFailed(Exception):
    """The report lacks a part: a cell failed, or the process that runs the cells died. This is a bug of Bakeoff."""

    def __init__(self, rendered: Rendered) -> None:
        super().__init__(f"the report is incomplete: {'; '.join(rendered.failures)}")
        self.rendered = rendered


@contextmanager
def ready(run: Path) -> Iterator[Kernel]:
    """Starts the process that a run's report is made in, while the caller goes on. The process works in a temporary
    folder, where the link `run` leads to the run folder."""
    with tempfile.TemporaryDirectory(prefix="bakeoff-report-") as folder:
        Path(folder, notebook.RUN).symlink_to(run.resolve())
        with Kernel(Path(folder)) as kernel:
            yield kernel


def wants_kernel(renderer: Renderer = "auto") -> bool:
    """Whether a report needs a kernel of ours. Quarto starts its own."""
    return renderer == "pandoc" or quarto.program() is None


def render(run: Path, *, renderer: Renderer = "auto", made_ready: Kernel | None = None) -> Rendered:
    """Renders `run/report.html` from the run folder's files.

    `auto` takes Quarto if it is installed, else nbclient and pandoc. These also step in, with a warning, if Quarto
    fails. If a cell fails, the page says so at its head and in the cell's place.

    No string of the run is in the document, its front matter, or the notebook made of it: cells read the run's folder,
    and their output is escaped. The experiment's name and description become title and heading of the finished page.
    The page of a lesson, or of a run that ended before it had a plan, is always made by pandoc.

    Args:
        made_ready: The kernel that `ready` started for this run; None: one is started here if it is needed.

    Raises:
        BadInput: `run` is no run folder.
    """
    started = time.monotonic()
    run = Path(run).resolve()
    short = _without_plan(run)
    if short is not None:
        path = write_text(run / "report.html", short)
        return Rendered(path, "pandoc", round(time.monotonic() - started, 3), ())
    plan = read_run(run).plan
    document = _DOCUMENT.read_text(encoding="utf-8")
    warnings: list[str] = []
    failures: list[str] = []
    page = None if renderer == "pandoc" else _by_quarto(document, run, renderer, warnings)
    way: Literal["quarto", "pandoc"] = "pandoc" if page is None else "quarto"
    if page is None:
        page, failures = _by_pandoc(document, run, made_ready)
    path = write_text(run / "report.html", headed(page, plan.experiment, plan.description))
    return Rendered(path, way, round(time.monotonic() - started, 3), tuple(warnings), tuple(failures))


def _without_plan(run: Path) -> str | None:
    """Returns the page of a lesson, or of a run that ended before it had a plan; None for other runs."""
    renderer = f"pandoc {pandoc.version()}"
    if lesson.can_be_shown(run):
        found = Lesson.read(run)
        return headed(lesson.to_html(run, found, renderer), found.experiment, found.description)
    if stopped.can_be_shown(run):
        return headed(stopped.to_html(run, renderer), stopped.experiment(run), "")
    return None


def outside_references(page: str) -> list[str]:
    """Returns the addresses that a browser would fetch to show the page."""
    return [address for found in _FETCHES.finditer(page) if (address := found[1] or found[2])]


def headed(page: str, experiment: str, description: str) -> str:
    """Returns the page with the experiment's name as title and heading, and the description below. These are put into
    the finished page, since Quarto expands shortcodes in front matter even if they are escaped."""
    name = safe(experiment)
    below = f'\n<p class="subtitle lead">{safe(description)}</p>' if description else ""
    page = _TITLE.sub(lambda found: found[1] + name + found[2], page, count=1)
    return _HEADING.sub(lambda found: found[1] + name + found[2] + below, page, count=1)


_TITLE = re.compile(r"(<title>)Bakeoff report(</title>)")
_HEADING = re.compile(r'(<h1 class="title">)Bakeoff report(</h1>)')


def _by_quarto(document: str, run: Path, renderer: Renderer, warnings: list[str]) -> str | None:
    """Returns the page; None, with a warning, if Quarto fails; None without one if `auto` finds no Quarto."""
    program = quarto.program()
    if program is None:
        if renderer == "quarto":
            warnings.append("Quarto is not installed; the report was made by pandoc")
        return None
    try:
        page = quarto.to_html(program, document, run, {"renderer": "Quarto"}, _QUARTO_TIMEOUT)
    except quarto.QuartoFailed as failure:
        warnings.append(f"Quarto: {failure}; the report was made by pandoc")
        return None
    if outside := outside_references(page):
        warnings.append(f"Quarto's page refers to {outside[0]}; the report was made by pandoc")
        return None
    return page


def _by_pandoc(document: str, run: Path, made_ready: Kernel | None) -> tuple[str, list[str]]:
    """Returns the page, and a sentence for each part that it lacks."""
    parameters = {"run": notebook.RUN, "renderer": f"nbclient and pandoc {pandoc.version()}"}
    cells = notebook.to_notebook(document, parameters)
    with nullcontext(made_ready) if made_ready else ready(run) as kernel:
        failures = notebook.execute(cells, kernel, _CELL_TIMEOUT)
    metadata, _ = notebook.front_matter(document)
    shown = {name: metadata[name] for name in ("title", "lang")}
    head = callout("important", "This report is incomplete", bullets(failures)) if failures else ""
    return pandoc.to_html(f"{head}\n\n{notebook.to_markdown(cells)}", shown), failures
