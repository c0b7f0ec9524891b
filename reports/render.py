"""A run folder into its report: `report.html`, one page that refers to nothing outside of it."""

from __future__ import annotations

import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from reports import notebook, pandoc, quarto, stopped
from reports.escape import safe
from reports.run import read_run
from tasks.records.plan import Plan
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
    """What was made.

    Args:
        path: The report.
        renderer: Which way it took.
        seconds: How long that took.
        warnings: What went wrong on the way: the other renderer had to help, or a part is missing.
    """

    path: Path
    renderer: Literal["quarto", "pandoc"]
    seconds: float
    warnings: tuple[str, ...]


def render(run: Path, *, renderer: Renderer = "auto") -> Rendered:
    """Renders `run/report.html` from the run folder's files.

    `auto` takes Quarto where it is installed, else nbclient and pandoc, which also step in, with a warning,
    where Quarto fails. Where a cell fails, its part of the report says so, with a warning. Of a run that ended before
    it had a plan there is a short page, by pandoc alone.

    Raises:
        BadInput: `run` is no run folder.
    """
    started = time.monotonic()
    run = Path(run).resolve()
    if stopped.can_be_shown(run):
        path = write_text(run / "report.html", stopped.to_html(run, f"pandoc {pandoc.version()}"))
        return Rendered(path, "pandoc", round(time.monotonic() - started, 3), ())
    document = _titled(_DOCUMENT.read_text(encoding="utf-8"), read_run(run).plan)
    warnings: list[str] = []
    page = None if renderer == "pandoc" else _by_quarto(document, run, renderer, warnings)
    way: Literal["quarto", "pandoc"] = "pandoc" if page is None else "quarto"
    if page is None:
        page = _by_pandoc(document, run, warnings)
    path = write_text(run / "report.html", page)
    return Rendered(path, way, round(time.monotonic() - started, 3), tuple(warnings))


def outside_references(page: str) -> list[str]:
    """The addresses a browser would fetch to show the page."""
    return [address for found in _FETCHES.finditer(page) if (address := found[1] or found[2])]


def _titled(document: str, plan: Plan) -> str:
    """The document with the experiment's name and description as its title."""
    metadata, body = notebook.front_matter(document)
    metadata |= {"title": str(safe(plan.experiment)), "subtitle": str(safe(plan.description))}
    return f"---\n{yaml.safe_dump(metadata, allow_unicode=True, sort_keys=False)}---\n{body}"


def _by_quarto(document: str, run: Path, renderer: Renderer, warnings: list[str]) -> str | None:
    """The page, or None with a warning; silently None where `auto` finds no Quarto."""
    program = quarto.program()
    if program is None:
        if renderer == "quarto":
            warnings.append("Quarto is not installed; the report was made by pandoc")
        return None
    try:
        page = quarto.to_html(program, document, {"run": str(run), "renderer": "Quarto"}, _QUARTO_TIMEOUT)
    except quarto.QuartoFailed as failure:
        warnings.append(f"Quarto: {failure}; the report was made by pandoc")
        return None
    if outside := outside_references(page):
        warnings.append(f"Quarto's page refers to {outside[0]}; the report was made by pandoc")
        return None
    return page


def _by_pandoc(document: str, run: Path, warnings: list[str]) -> str:
    parameters = {"run": str(run), "renderer": f"nbclient and pandoc {pandoc.version()}"}
    cells = notebook.to_notebook(document, parameters)
    with tempfile.TemporaryDirectory(prefix="bakeoff-report-") as folder:
        warnings.extend(notebook.execute(cells, Path(folder), _CELL_TIMEOUT))
    metadata, _ = notebook.front_matter(document)
    shown = {name: metadata[name] for name in ("title", "subtitle", "lang") if metadata.get(name)}
    return pandoc.to_html(notebook.to_markdown(cells), shown)
