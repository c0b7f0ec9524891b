"""Runs a lesson without data in this process, from its spec to its report, without Prefect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks import runs, stages
from tasks.lessons import teaching
from tasks.records.lesson import Lesson
from tasks.spec.lessons import LessonSpec


def taught(spec: LessonSpec) -> Lesson:
    """Runs the lesson and returns its results."""
    written = spec.model_dump(mode="json")
    return teaching.teach(spec.bound, spec.lesson.name, spec.name, spec.description, written, lambda what, share: None)


def lesson_of(kind: str, **parameters: Any) -> Lesson:
    """Runs a kind of lesson with these parameters, the others at their defaults, and returns its results."""
    return taught(LessonSpec.model_validate({"name": kind, "lesson": {"kind": kind, **parameters}}))


def reported(spec: LessonSpec, found: Lesson, folder: Path) -> Path:
    """Writes a lesson's results to the run folder `folder`, and returns the path of its report."""
    run = runs.open_lesson(spec, "# as a test wrote it\n", [], folder, folder)
    for stage in ("train", "report"):
        with run.stages.running(stage):
            if stage == "train":
                found.write(folder)
            else:
                stages.report(run)
    runs.close_run(folder)
    return folder / "report.html"
