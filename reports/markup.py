"""The pieces of Markdown and HTML the report is made of, alike under Quarto and under pandoc."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from reports.escape import Html, safe
from tasks.records.verdict import GateResult

if TYPE_CHECKING:
    from IPython.display import Markdown

Callout = Literal["note", "tip", "important", "warning", "caution"]

# Longer than any run of backticks that can stand inside: `safe` and `safe_json` leave none.
_FENCE = "`" * 6


def show(markdown: str) -> Markdown:
    """A cell's result. Markdown: for a script in a text/html output Quarto loads libraries from outside."""
    from IPython.display import Markdown

    return Markdown(markdown)


def raw(html: str) -> str:
    """`html` as Markdown that no renderer looks into."""
    return f"{_FENCE}{{=html}}\n{html}\n{_FENCE}\n"


def formula(tex: str) -> str:
    """A formula on a line of its own, of which pandoc makes MathML.

    Raises:
        ValueError: it holds a sign that ends a formula in Markdown.
    """
    if set(tex) & set("$`\n"):
        raise ValueError(f"no formula: {tex!r}")
    return f"$${tex}$$\n"


def callout(kind: Callout, title: str, body: str) -> str:
    """A Quarto callout. `title` is escaped here, `body` is Markdown."""
    return f'::: {{.callout-{kind} title="{safe(title)}"}}\n\n{body}\n\n:::\n'


def folded_note(title: str, body: str) -> str:
    """A note behind its title, escaped here; `body` is Markdown. Plain HTML, since what Quarto makes of a collapsed
    callout has an attribute that its element must not have (axe-core: aria-allowed-attr)."""
    head = f'<span class="callout-icon" aria-hidden="true"></span><span class="callout-title">{safe(title)}</span>'
    start = f'<details class="callout callout-note"><summary class="callout-header">{head}</summary>'
    return "\n".join([raw(start + '<div class="callout-body">'), body, "", raw("</div></details>")])


def not_made(error: str, said: object, others: str = "The other parts are complete.") -> str:
    """What stands in the place of a part that failed: the error's name and what it says, escaped here; and a sentence
    on the other parts."""
    body = f"{safe(error)}: {safe(said)}\n\n{others}"
    return callout("important", "This part of the report could not be made", body)


def bullets(sentences: Iterable[str]) -> str:
    """A Markdown list of plain sentences, escaped here."""
    return "\n".join(f"- {safe(sentence)}" for sentence in sentences) + "\n"


def titled(title: str, body: str) -> str:
    """A heading below the section's, with its Markdown; nothing where there is nothing below it."""
    return f"### {safe(title)}\n\n{body}" if body else ""


def tabset(tabs: Mapping[str, str]) -> str:
    """A Quarto tabset: titles (escaped here) and their Markdown. One tab alone needs no tabs."""
    if len(tabs) == 1:
        return next(iter(tabs.values()))
    panels = "\n".join(f"### {safe(title)}\n\n{body}\n" for title, body in tabs.items())
    return f"::: {{.panel-tabset}}\n\n{panels}\n:::\n" if tabs else ""


def picture(content: bytes, said: str, css_class: str = "") -> Html:
    """A PNG within the page; `said`, escaped here, is read to those who can't see it."""
    named = f' class="{css_class}"' if css_class else ""
    return Html(f'<img{named} src="data:image/png;base64,{base64.b64encode(content).decode()}" alt="{safe(said)}">')


def preview(content: bytes, said: str) -> Html:
    """A PNG with its pixels to be seen, which scrolls where it is wider than the page, by keyboard too."""
    return Html(f'<figure class="preview" tabindex="0">{picture(content, said)}</figure>')


def badge(kind: str, text: str) -> Html:
    """A small label. `kind` picks its colour: good, bad, open, quiet."""
    return Html(f'<span class="badge-{kind}">{safe(text)}</span>')


def recipe(name: str, line: str = "") -> Html:
    """A recipe's name in a table, which filters look at, after its line in the charts."""
    long = " long" if len(name) > _SHORT else ""
    return Html(f'<span class="recipe{long}">{line}{safe(name)}</span>')


_SHORT = 24
"""Letters of a name that a table keeps on one line."""


def answer(text: str) -> Html:
    """A comparison's answer as a badge."""
    return badge({"better": "good", "worse": "bad", "can't tell": "open"}[text], text)


def stacked(interval: str) -> Html:
    """In a cell the mean above its bounds, so that more figures fit beside each other."""
    mean, _, bounds = interval.partition(" ")
    return Html(f"{safe(mean)} <small>{safe(bounds)}</small>" if bounds else safe(mean))


def gate_answer(gate: GateResult) -> Html:
    """A gate's answer as a badge, and its sentence."""
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
    """An HTML table in a box of its own that scrolls when the page is narrow.

    Args:
        head: Column titles; those that begin with `#` (not shown) hold numbers, set flush right, in figures
            of equal width. A name from data that may begin so is to be `Html`.
        rows: Cells; what is not `Html` is escaped.
        caption: Says to those who can't see it what the table holds.
        marked: Position of the row that stands out.
        lists: What each row is. Then the reader can sort the rows; those that belong to recipes are filtered too, and
            so are runs.
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
    """A list of terms and their values; pairs without a value are left out."""
    items = "".join(
        f"<div><dt>{safe(term)}</dt><dd>{safe(value)}</dd></div>"
        for term, value in pairs.items()
        if value not in (None, "")
    )
    return Html(f'<dl class="facts">{items}</dl>')


def fold(summary: str, html: str, *, opened: bool = False) -> Html:
    """HTML behind a line that opens it."""
    return Html(f"<details{' open' if opened else ''}><summary>{safe(summary)}</summary>\n{html}\n</details>")
