"""Turns Markdown into one HTML page by pandoc, in this project's own template, which looks like Quarto's."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_THEME = Path(__file__).with_name("theme")
_STYLES = ("page.css", "report.css", "recipes.css")
_TIMEOUT = 120  # s; a page takes a tenth of a second


def version() -> str:
    """Returns pandoc's version."""
    import pypandoc

    return str(pypandoc.get_pandoc_version())


def to_html(markdown: str, metadata: Mapping[str, Any]) -> str:
    """Returns one page that loads nothing from outside.

    Args:
        markdown: Pandoc's Markdown, with Quarto's callouts and tabsets.
        metadata: `title` (Markdown) and `lang`; optional: `subtitle` (Markdown), `brand`, and `contents`, the title of
            the table of contents.

    Raises:
        RuntimeError: pandoc ended with an error.
    """
    import pypandoc

    with tempfile.TemporaryDirectory(prefix="bakeoff-pandoc-") as private:
        head = Path(private) / "head.html"
        styles = "".join((_THEME / name).read_text(encoding="utf-8") for name in _STYLES)
        head.write_text(f"<style>\n{styles}</style>\n", encoding="utf-8")
        foot = Path(private) / "foot.html"
        foot.write_text(f"<script>\n{(_THEME / 'page.js').read_text(encoding='utf-8')}</script>\n", encoding="utf-8")
        done = subprocess.run(
            [
                pypandoc.get_pandoc_path(),
                "--from=markdown",
                "--to=html5",
                "--standalone",
                f"--template={_THEME / 'page.html'}",
                f"--lua-filter={_THEME / 'quarto.lua'}",
                f"--include-in-header={head}",
                f"--include-after-body={foot}",
                "--toc",
                "--toc-depth=2",
                "--section-divs",
                "--mathml",
                "--wrap=preserve",
                "--syntax-highlighting=none",
            ],
            input=f"---\n{yaml.safe_dump(dict(metadata), allow_unicode=True)}---\n\n{markdown}",
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=_TIMEOUT,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"pandoc ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout
