"""The table of lessons that need no data.

To add one: a module with a keyword-only factory that returns a `Lesson`, and a line here. Its signature is its schema.
`tests/contracts/test_lessons.py` then runs it as it stands: its checks against theory are met, and it says so where the
effect does not appear.
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
