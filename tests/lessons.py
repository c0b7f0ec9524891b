"""A lesson without data, run in this process from its spec to its report, without Prefect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks import runs, stages
from tasks.lessons import teaching
from tasks.records.lesson import Lesson
from tasks.spec.lessons import LessonSpec


def taught(spec: LessonSpec) -> Lesson:
    """What the lesson finds."""
    written = spec.model_dump(mode="json")
    return teaching.teach(spec.bound, spec.lesson.name, spec.name, spec.description, written, lambda what, share: None)


def lesson_of(kind: str, **parameters: Any) -> Lesson:
    """What a kind of lesson finds with these parameters, the others at their defaults."""
    return taught(LessonSpec.model_validate({"name": kind, "lesson": {"kind": kind, **parameters}}))


def reported(spec: LessonSpec, found: Lesson, folder: Path) -> Path:
    """The report of a lesson that was taught; its run's folder is `folder`."""
    run = runs.open_lesson(spec, "# as a test wrote it\n", [], folder, folder)
    for stage in ("train", "report"):
        with run.stages.running(stage):
            if stage == "train":
                found.write(folder)
            else:
                stages.report(run)
    runs.close_run(folder)
    return folder / "report.html"
