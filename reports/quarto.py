"""Renders the document with Quarto itself, if that program is installed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from reports.kernel import kernel_environment
from reports.notebook import RUN

_THEME = Path(__file__).with_name("theme")
_OUTPUT = "report.html"


class QuartoFailed(Exception):
    """Quarto did not make the page; says why in one sentence."""


def program() -> str | None:
    """Returns the path of the `quarto` program: beside this interpreter, where quarto-cli puts it, else on the PATH."""
    beside = str(Path(sys.executable).parent)
    return shutil.which("quarto", path=os.pathsep.join([beside, os.environ.get("PATH", os.defpath)]))


def to_html(quarto: str, document: str, run: Path, parameters: Mapping[str, Any], timeout: float) -> str:
    """Renders the document in a private folder, since parallel renders in one folder race.

    A failed cell makes Quarto end with 1. Its parameters need papermill in this interpreter's environment.

    Args:
        quarto: Path of the program.
        document: The text of the `.qmd`.
        run: The run's folder; the parameter `run` is the name of a link to it.
        parameters: Values by name; written to a YAML file, because `-P name:value` would read `#` as a comment.
        timeout: Seconds for the whole document. Quarto itself has no limit.

    Raises:
        QuartoFailed: it ended with an error, ran too long, or wrote no page.
    """
    with tempfile.TemporaryDirectory(prefix="bakeoff-quarto-") as private:
        folder = Path(private) / "document"
        shutil.copytree(_THEME, folder / "theme")
        (folder / "comparison.qmd").write_text(document, encoding="utf-8")
        (folder / RUN).symlink_to(run)
        (folder / "parameters.yml").write_text(yaml.safe_dump({"run": RUN, **parameters}), encoding="utf-8")
        _run(command(quarto), folder, environment(Path(private)), timeout)
        page = folder / _OUTPUT
        if not page.is_file() or not page.stat().st_size:
            raise QuartoFailed("it ended without an error, and without a page")
        return page.read_text(encoding="utf-8")


def command(quarto: str) -> list[str]:
    """Returns the command line, for the folder of the document."""
    return [
        quarto,
        "render",
        "comparison.qmd",
        "--to",
        "html",
        "--output",
        _OUTPUT,
        "--execute-params",
        "parameters.yml",
        "--no-execute-daemon",
    ]


def environment(private: Path) -> dict[str, str]:
    """Returns this process's environment variables, with this interpreter for the cells."""
    return kernel_environment(private) | {"QUARTO_PYTHON": sys.executable}


def _run(words: list[str], folder: Path, variables: Mapping[str, str], timeout: float) -> None:
    """Runs the command in a session of its own, so that its kernel can be ended together with it."""
    try:
        process = subprocess.Popen(
            words,
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise QuartoFailed(f"it could not be started: {error}") from error
    try:
        said, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise QuartoFailed(f"it ran longer than {timeout:g} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode:
        last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "nothing was said")
        raise QuartoFailed(f"it ended with {process.returncode}: {last}")
