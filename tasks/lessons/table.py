"""The table of lessons that need no data.

A new lesson needs a module with a keyword-only factory that returns a `Lesson`, and an entry here. The factory's
signature is its schema. `tests/contracts/test_lessons.py` then runs the lesson's shipped experiment: all checks against
theory must be met. Where the effect does not appear, the headline must say so.
"""

from __future__ import annotations

from collections.abc import Callable

from tasks.lessons.conditioning import conditioning
from tasks.lessons.lesson import Lesson
from tasks.lessons.line import line
from tasks.lessons.random_search import random_search

LESSONS: dict[str, Callable[..., Lesson]] = {
    "conditioning": conditioning,
    "random_search": random_search,
    "line": line,
}
