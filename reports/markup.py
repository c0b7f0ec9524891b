"""The pieces of Markdown and HTML that the report is made of. They look alike under Quarto and under pandoc."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from reports.escape import Html, safe
from tasks.records.verdict import GateResult

if TYPE_CHECKING:
    from IPython.display import Markdown

Callout = Literal["note", "tip", "important", "warning", "caution"]

# Longer than any run of backticks inside: `safe` and `safe_json` leave none.
_FENCE = "`" * 6


def show(markdown: str) -> Markdown:
    """Returns a cell's result. It is Markdown, since Quarto loads libraries from outside for a script in a text/html
    output."""
    from IPython.display import Markdown

    return Markdown(markdown)


def raw(html: str) -> str:
    """Wraps `html` as Markdown that renderers pass on unchanged."""
    return f"{_FENCE}{{=html}}\n{html}\n{_FENCE}\n"


def formula(tex: str) -> str:
    """Returns a formula on a line of its own. Pandoc turns it into MathML.

    Raises:
        ValueError: it holds a character that ends a formula in Markdown.
    """
    if set(tex) & set("$`\n"):
        raise ValueError(f"no formula: {tex!r}")
    return f"$${tex}$$\n"


def callout(kind: Callout, title: str, body: str) -> str:
    """Returns a Quarto callout. `title` is escaped here, `body` is Markdown."""
    return f'::: {{.callout-{kind} title="{safe(title)}"}}\n\n{body}\n\n:::\n'


def folded_note(title: str, body: str) -> str:
    """Returns a note that is folded behind its title. `title` is escaped here, `body` is Markdown. It is plain HTML,
    since Quarto gives a collapsed callout an attribute that its element must not have (axe-core: aria-allowed-attr).
    """
    head = f'<span class="callout-icon" aria-hidden="true"></span><span class="callout-title">{safe(title)}</span>'
    start = f'<details class="callout callout-note"><summary class="callout-header">{head}</summary>'
    return "\n".join([raw(start + '<div class="callout-body">'), body, "", raw("</div></details>")])


def not_made(error: str, said: object, others: str = "The other parts are complete.") -> str:
    """Returns the note that replaces a failed part: the error's name and message, escaped here; and a sentence about
    the other parts."""
    body = f"{safe(error)}: {safe(said)}\n\n{others}"
    return callout("important", "This part of the report could not be made", body)


def bullets(sentences: Iterable[str]) -> str:
    """Returns a Markdown list of plain sentences, escaped here."""
    return "\n".join(f"- {safe(sentence)}" for sentence in sentences) + "\n"


def titled(title: str, body: str) -> str:
    """Returns a subheading and its Markdown; nothing if `body` is empty."""
    return f"### {safe(title)}\n\n{body}" if body else ""


def tabset(tabs: Mapping[str, str]) -> str:
    """Returns a Quarto tabset of titles (escaped here) and their Markdown. A single tab is returned without tabs."""
    if len(tabs) == 1:
        return next(iter(tabs.values()))
    panels = "\n".join(f"### {safe(title)}\n\n{body}\n" for title, body in tabs.items())
    return f"::: {{.panel-tabset}}\n\n{panels}\n:::\n" if tabs else ""


def picture(content: bytes, said: str, css_class: str = "") -> Html:
    """Embeds a PNG in the page. `said`, escaped here, is its alternative text."""
    named = f' class="{css_class}"' if css_class else ""
    return Html(f'<img{named} src="data:image/png;base64,{base64.b64encode(content).decode()}" alt="{safe(said)}">')


def preview(content: bytes, said: str) -> Html:
    """Embeds a PNG so that its pixels can be seen. It scrolls if it is wider than the page, by keyboard too."""
    return Html(f'<figure class="preview" tabindex="0">{picture(content, said)}</figure>')


def badge(kind: str, text: str) -> Html:
    """Returns a small label. `kind` sets its colour: good, bad, open, quiet."""
    return Html(f'<span class="badge-{kind}">{safe(text)}</span>')


def recipe(name: str, line: str = "") -> Html:
    """Returns a recipe's name for a table, which its filters look at. `line` is the recipe's line in charts; it comes
    before the name."""
    long = " long" if len(name) > _SHORT else ""
    return Html(f'<span class="recipe{long}">{line}{safe(name)}</span>')


_SHORT = 24
"""Most letters of a name that a table keeps on one line."""


def answer(text: str) -> Html:
    """Returns a comparison's answer as a badge."""
    return badge({"better": "good", "worse": "bad", "can't tell": "open"}[text], text)


def stacked(interval: str) -> Html:
    """Returns a cell with the mean above its bounds, so that more figures fit beside each other."""
    mean, _, bounds = interval.partition(" ")
    return Html(f"{safe(mean)} <small>{safe(bounds)}</small>" if bounds else safe(mean))


def gate_answer(gate: GateResult) -> Html:
    """Returns a gate's answer as a badge, and its sentence."""
    kinds = {"pass": "good", "fail": "bad", "undecided": "open"}
    blocks = ' <span class="quiet">(blocks)</span>' if gate.severity == "block" else ""
    return Html(f"{badge(kinds[gate.answer], gate.answer)} <span>{safe(gate.sentence)}{blocks}</span>")


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    caption: str,
    marked: int | None = None,
    lists: Literal["recipes", "trials", "slices", "runs"] | None = None,
) -> Html:
    """Returns an HTML table in a box of its own, which scrolls when the page is narrow.

    Args:
        head: Column titles. A title that begins with `#` (not shown) is of a column of numbers: flush right, with
            digits of equal width. A name from data may begin with `#`, so pass it as `Html`.
        rows: Cells; those that are not `Html` are escaped.
        caption: Says what the table holds, for readers who can't see it.
        marked: Position of the row that stands out.
        lists: What each row is. If it is given, the reader can sort the rows, and filter all but slices.
    """
    numbers = [title.startswith("#") and not isinstance(title, Html) for title in head]
    styles = [' class="number"' if each else "" for each in numbers]
    top = "".join(
        f'<th scope="col"{style}>{safe(title[1:] if of_numbers else title)}</th>'
        for title, style, of_numbers in zip(head, styles, numbers, strict=True)
    )
    body = "\n".join(
        ('<tr class="marked">' if position == marked else "<tr>")
        + "".join(f"<td{style}>{safe(cell)}</td>" for cell, style in zip(cells, styles, strict=True))
        + "</tr>"
        for position, cells in enumerate(rows)
    )
    label = safe(caption)
    kind = f' class="recipes" data-rows="{lists}"' if lists else ""
    if lists == "slices":
        kind = ' class="sorted"'
    # Focusable, so that the keyboard can scroll it. Quarto would rebuild the table without the attribute.
    return Html(
        f'<div class="scroll" role="region" aria-label="{label}" tabindex="0">\n'
        f'<table{kind} data-quarto-disable-processing="true">\n<caption class="visually-hidden">{label}</caption>\n'
        f"<thead><tr>{top}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>"
    )


def facts(pairs: Mapping[str, object]) -> Html:
    """Returns a list of terms and their values. Pairs without a value are left out."""
    items = "".join(
        f"<div><dt>{safe(term)}</dt><dd>{safe(value)}</dd></div>"
        for term, value in pairs.items()
        if value not in (None, "")
    )
    return Html(f'<dl class="facts">{items}</dl>')


def fold(summary: str, html: str, *, opened: bool = False) -> Html:
    """Folds HTML behind a line that opens it."""
    return Html(f"<details{' open' if opened else ''}><summary>{safe(summary)}</summary>\n{html}\n</details>")
