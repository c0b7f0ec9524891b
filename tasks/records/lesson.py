"""`lesson.json`: what a lesson measured and what it says. The report of a lesson is made from this file alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from tasks.records.documents import Number, RunDocument

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line, or one set of dots, of a drawing.

    Args:
        x, y: Of equal length; where y is None, no point is drawn.
        look: `line`; `dots`; `cloud`: many faint dots; `path`: a line in the order of its points, with a dot at each;
            `theory`: dashed; `level`: thin, a line of equal height.
    """

    name: str
    x: Sequence[Number]
    y: Sequence[Number | None]
    look: Literal["line", "dots", "cloud", "path", "theory", "level"]


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A chart.

    Args:
        caption: The text below the chart; screen readers read it, too.
        x, y: The axes' titles.
        logarithmic: The axes with a logarithmic scale: `x`, `y`, both or none.
        window: `(low, high)` of x and of y; nothing is drawn outside. None: all points fit in.
    """

    caption: str
    x: str
    y: str
    series: Sequence[Series]
    logarithmic: Sequence[str] = ()
    window: Sequence[Sequence[Number]] | None = None


@dataclass(frozen=True, kw_only=True)
class TheoryCheck:
    """A measured figure compared with theory.

    Args:
        measured: None where there was nothing to measure, for example after a divergence.
        theory: The value that theory predicts.
        tolerance: The accepted deviation, in words: `within 2%`.
    """

    what: str
    measured: Number | None
    theory: Number
    tolerance: str
    met: bool


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A part of the lesson.

    Args:
        sentences: Paragraphs.
        formulas: TeX, each on a line of its own.
        drawing: A chart, or None.
    """

    title: str
    sentences: Sequence[str]
    formulas: Sequence[str] = ()
    drawing: Drawing | None = None


@dataclass(frozen=True)
class Change:
    """A change for the reader to try: a value of the spec, as `path=value`, and what to look for."""

    setting: str
    look_for: str


@dataclass(frozen=True, kw_only=True)
class Lesson(RunDocument):
    """lesson.json.

    Args:
        experiment, description, kind: As in the spec.
        spec: The spec with every default, as plain values.
        appeared: Whether the effect that the lesson is about was seen in this run.
        headline: The same in one sentence.
        lead: What was seen, with its figures.
        optimizers: The optimizers that were used, for the glossary.
        tries: Changes to try next.
        seconds: Time of measuring.
    """

    FILE: ClassVar[str] = "lesson.json"

    experiment: str
    description: str
    kind: str
    spec: Mapping[str, Any]
    appeared: bool
    headline: str
    lead: str
    passages: Sequence[Passage]
    checks: Sequence[TheoryCheck]
    optimizers: Sequence[str]
    tries: Sequence[Change]
    seconds: Number
    schema_version: int = SCHEMA_VERSION

    @property
    def phrase(self) -> str:
        """The result, for a list: `lesson: the effect appeared, 18 of 18 checks met`."""
        return f"lesson: the effect {'appeared' if self.appeared else 'did not appear'}, {self.counted} met"

    @property
    def counted(self) -> str:
        """`18 of 18 checks against theory`."""
        return f"{sum(check.met for check in self.checks)} of {len(self.checks)} checks against theory"
