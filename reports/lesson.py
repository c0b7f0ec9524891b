"""The report of a lesson: what was seen, why, and how it compares with theory."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from reports import pandoc, saving
from reports.escape import Html, safe
from reports.figures.lesson import drawing
from reports.figures.place import library, place
from reports.glossary import glossary
from reports.markup import badge, formula, raw, table
from reports.numbers import figure, moment
from reports.run import environment_of, spec_of, stages_of
from reports.tables.reproduce import of_stopped
from tasks.records.lesson import Lesson, Passage, TheoryCheck


def can_be_shown(run: Path) -> bool:
    """Whether a folder holds a finished lesson."""
    return (run / Lesson.FILE).is_file()


def to_html(run: Path, lesson: Lesson, renderer: str) -> str:
    """Returns one page that loads nothing from outside.

    Args:
        run: The lesson's folder.
        lesson: The content of its `lesson.json`.
        renderer: Name and version of the renderer, for the page.
    """
    pieces = [
        "## What was seen {#seen}\n",
        *_seen(run, lesson),
        *(piece for place, passage in enumerate(lesson.passages) for piece in _passage(place, passage)),
        "## Against theory {#checks}\n",
        _checks(lesson),
        "## Try it yourself {#try}\n",
        _tries(lesson),
        "## Glossary {#glossary}\n",
        glossary({"optimizers": lesson.optimizers}),
        "## Reproduce {#reproduce}\n",
        of_stopped(environment_of(run), stages_of(run), spec_of(run), renderer),
        library(),
        saving.script(),
    ]
    return pandoc.to_html("\n\n".join(pieces), {"title": "Bakeoff report", "lang": "en", "brand": "Bakeoff lesson"})


def _seen(run: Path, lesson: Lesson) -> Iterator[str]:
    started = environment_of(run).started
    when = f", {moment(started)}" if started else ""
    yield raw(f'<p class="run">Lesson <code>{safe(lesson.kind)}</code>, run <code>{safe(run.name)}</code>{when}</p>')
    kind = "ship" if lesson.appeared else "no"
    yield raw(
        f'<div class="verdict verdict-{kind}">\n<p class="headline">{safe(lesson.headline)}</p>\n'
        f'<p class="lead">{safe(lesson.lead)} {safe(lesson.counted)} are met.</p>\n</div>'
    )


def _passage(at: int, passage: Passage) -> Iterator[str]:
    yield f"## {safe(passage.title)} {{#part-{at}}}\n"
    for sentence in passage.sentences:
        yield raw(f"<p>{safe(sentence)}</p>")
    yield from map(formula, passage.formulas)
    if passage.drawing:
        yield place(drawing(passage.drawing), passage.drawing.caption)


def _checks(lesson: Lesson) -> str:
    head = ["Figure", "Answer", "#Measured", "#Theory", "Tolerance"]
    return raw(table(head, map(_check, lesson.checks), caption="Measured figures against theory"))


def _check(check: TheoryCheck) -> tuple[object, ...]:
    answer = badge("good", "met") if check.met else badge("bad", "not met")
    return check.what, answer, figure(check.measured), figure(check.theory), check.tolerance


def _tries(lesson: Lesson) -> str:
    items = (
        f"<li><code>bakeoff run {safe(lesson.experiment)} --set {safe(shlex.quote(change.setting))}</code><br>"
        f"{safe(change.look_for)}</li>"
        for change in lesson.tries
    )
    return raw(Html(f"<ol>{''.join(items)}</ol>"))
