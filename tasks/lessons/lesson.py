"""What a kind of lesson is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tasks.records.lesson import Change, Passage, TheoryCheck

Progress = Callable[[str, float], None]
"""Told what is being done, and the share done in `[0, 1]`."""


@dataclass(frozen=True, kw_only=True)
class Taught:
    """What a lesson found. The fields are those of `tasks.records.lesson.Lesson`."""

    appeared: bool
    headline: str
    lead: str
    passages: Sequence[Passage]
    checks: Sequence[TheoryCheck]


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """A lesson with its parameters bound.

    Args:
        asks: What it asks, in one sentence.
        measures: What will be run, in one sentence.
        teach: Runs it. The same parameters give the same answer, bit for bit.
        optimizers: Whose steps it takes.
        tries: Two changes of the spec, with what to look for.
    """

    asks: str
    measures: str
    teach: Callable[[Progress], Taught]
    optimizers: Sequence[str]
    tries: Sequence[Change]
