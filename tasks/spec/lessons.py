"""The spec of a lesson that needs no data: it has the key `lesson` where other specs have `data`."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator, model_validator

from tasks.lessons.lesson import Lesson
from tasks.lessons.table import LESSONS
from tasks.spec.entries import LessonEntry, problem
from tasks.spec.frozen import Frozen
from tasks.spec.models import Spec, checked_name


class LessonSpec(Frozen):
    """A lesson, as its author wrote it."""

    name: str = Field("lesson", description="1 to 64 letters, digits, - and _; part of the run folder's name")
    description: str = Field("", description="what the lesson asks, for the report's head")
    lesson: LessonEntry = Field(
        description="in place of data: a lesson that needs none; such a spec has name, description and this alone"
    )

    @model_validator(mode="before")
    @classmethod
    def _nothing_unused(cls, value: Any) -> Any:
        unused = [key for key in Spec.model_fields if key in value and key not in cls.model_fields]
        if unused:
            raise problem(
                "a lesson brings all that it needs, so this would be unused",
                suffix=unused[0],
                accepted=", ".join(cls.model_fields),
                remedy=f"take {unused[0]} or lesson out",
            )
        return value

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        return checked_name(name)

    @property
    def bound(self) -> Lesson:
        """The lesson with its parameters."""
        return LESSONS[self.lesson.name](**self.lesson.parameters)
