"""A button under each table of the page that saves it as CSV, without a server and without a library."""

from __future__ import annotations

from pathlib import Path

from reports.markup import raw

_SCRIPT = Path(__file__).parent / "theme" / "save.js"


def script() -> str:
    """Returns the script that makes the buttons. Put it once into a page, at the end. Since the script makes the
    buttons, a page without scripts has no dead ones."""
    return raw(f"<script>\n{_SCRIPT.read_text(encoding='utf-8')}</script>")
