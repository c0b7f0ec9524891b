"""Runs a lesson and records its findings."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tasks.lessons import lesson as kinds
from tasks.records.lesson import Lesson


def teach(
    lesson: kinds.Lesson, kind: str, experiment: str, description: str, spec: Mapping[str, Any], say: kinds.Progress
) -> Lesson:
    """Runs a lesson. The arguments between `lesson` and `say` are copied into the record."""
    started = time.monotonic()
    found = lesson.teach(say)
    return Lesson(
        experiment=experiment,
        description=description,
        kind=kind,
        spec=spec,
        appeared=found.appeared,
        headline=found.headline,
        lead=found.lead,
        passages=found.passages,
        checks=found.checks,
        optimizers=lesson.optimizers,
        tries=lesson.tries,
        seconds=round(time.monotonic() - started, 3),
    )
