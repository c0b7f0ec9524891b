"""The interface of a lesson."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tasks.records.lesson import Change, Passage, TheoryCheck

Progress = Callable[[str, float], None]
"""Receives the current work in words, and the share done in `[0, 1]`."""


@dataclass(frozen=True, kw_only=True)
class Taught:
    """The findings of a lesson. The fields are those of `tasks.records.lesson.Lesson`."""

    appeared: bool
    headline: str
    lead: str
    passages: Sequence[Passage]
    checks: Sequence[TheoryCheck]


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """A lesson with its parameters bound.

    Args:
        asks: Its question, in one sentence.
        measures: The experiment that it runs, in one sentence.
        teach: Runs the lesson. The same parameters give the same result, bit for bit.
        optimizers: Names of the optimizers that it uses.
        tries: Two changes of the spec, with what to look for.
    """

    asks: str
    measures: str
    teach: Callable[[Progress], Taught]
    optimizers: Sequence[str]
    tries: Sequence[Change]
