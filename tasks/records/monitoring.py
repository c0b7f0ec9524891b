"""What monitor.json holds: how new rows stand against the reference of an experiment's champion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from tasks.records.documents import OMITTED, Number, RunDocument
from tasks.records.verdict import Estimate

SCHEMA_VERSION = 1

Answer = Literal["keep", "watch", "retrain"]
ANSWERS: tuple[Answer, ...] = ("keep", "watch", "retrain")
"""From the best to the worst."""

What = Literal["values", "missing", "new values", "answers", "errors", "calibration", "errors of a slice"]
"""What is measured of a column, of the model's answers, or of the model against labels."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A part of a column's values.

    Args:
        label: A category, or from where to where a number lies.
        reference, window: Its share among the values that are there, in [0, 1].
    """

    label: str
    reference: Number
    window: Number


@dataclass(frozen=True, kw_only=True)
class Measured:
    """How far a window is from the reference in one thing.

    Args:
        name: Of the column, the slice, or of what the model answers.
        distance: Of values, the largest distance of two cumulative shares (numbers) or the total variation
            (categories); of all else the difference of two means, in its unit. None where the window has no value.
        threshold: From which on it alarms.
        p: Share of windows of unchanged data in which anything is as far out; absent where the reference never shows
            any distance.
        alarms: Whether the distance reaches the threshold.
        effect: Of numbers, the Wasserstein distance in standard deviations of the reference.
        reference, window: The mean, of what has one.
        bars: The values, for a drawing.
    """

    what: What
    name: str
    distance: Annotated[Number | None, OMITTED] = None
    threshold: Number
    p: Annotated[Number | None, OMITTED] = None
    alarms: bool
    effect: Annotated[Number | None, OMITTED] = None
    reference: Annotated[Number | None, OMITTED] = None
    window: Annotated[Number | None, OMITTED] = None
    bars: Sequence[Bar] = ()


@dataclass(frozen=True, kw_only=True)
class Noticed:
    """What was found of the schema, or of what is expected of the data.

    Args:
        column: None where it is of the table.
        fault: Whether it is to be watched; else it is only said.
    """

    column: Annotated[str | None, OMITTED] = None
    fault: bool
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Window:
    """Some consecutive rows of the batch.

    Args:
        first: The number of its first row, from 1.
        rows: How many can be used.
        labelled: How many of them have a label.
        answer, sentence: What to do with the champion, and why.
        columns: Those that alarm or are at fault.
        noticed: Of its schema, and of expectations that held for the reference and don't any more.
        measured: The alarms first.
        calibration: The expected calibration error of the reference and of the window, with intervals; absent without
            labels or classes.
    """

    first: int
    rows: int
    labelled: int
    answer: Answer
    sentence: str
    columns: Sequence[str]
    noticed: Sequence[Noticed]
    measured: Sequence[Measured]
    calibration: Annotated[tuple[Estimate, Estimate] | None, OMITTED] = None

    @property
    def alarms(self) -> list[Measured]:
        return [each for each in self.measured if each.alarms]


@dataclass(frozen=True, kw_only=True)
class Monitored(RunDocument):
    """monitor.json.

    Args:
        experiment, champion, run: Whose champion, which of its entries, and the run that made it.
        monitored: When, in UTC.
        data: The batch's path.
        reference_rows: Rows that the batch is held against.
        rate: Share of windows of unchanged data that raise an alarm.
        answer, sentence: Of the window with the worst answer, the latest of several.
        windows: In order.
    """

    FILE: ClassVar[str] = "monitor.json"

    schema_version: int = SCHEMA_VERSION
    experiment: str
    champion: str
    run: str
    monitored: str
    data: str
    reference_rows: int
    rate: float
    answer: Answer
    sentence: str
    windows: Sequence[Window]

    @property
    def worst(self) -> Window:
        """The window that decided."""
        return [each for each in self.windows if each.answer == self.answer][-1]
