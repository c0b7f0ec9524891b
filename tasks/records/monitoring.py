"""monitor.json: how new rows compare with the reference of an experiment's champion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from tasks.records.documents import OMITTED, Number, RunDocument
from tasks.records.verdict import Estimate

SCHEMA_VERSION = 1

Answer = Literal["keep", "watch", "retrain"]
ANSWERS: tuple[Answer, ...] = ("keep", "watch", "retrain")
"""In order, from the best to the worst."""

What = Literal["values", "missing", "new values", "answers", "errors", "calibration", "errors of a slice"]
"""What is measured, of a column, of the model's answers, or of the model's errors against labels."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar: a category of a column's values, or a range of them.

    Args:
        label: The category, or the range of a number.
        reference, window: Its share among the values that are not missing, in [0, 1].
    """

    label: str
    reference: Number
    window: Number


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The distance of a window from the reference in one measure.

    Args:
        name: The name of the column, the slice, or the model's answer.
        distance: For values, the largest distance of two cumulative shares (numbers) or the total variation
            (categories); for everything else, the difference of two means, in its unit. None where the window has no
            value.
        threshold: The least distance that raises an alarm.
        p: Share of windows of unchanged data in which some measure is as extreme; absent where the reference never
            shows any distance.
        alarms: Whether the distance reaches the threshold.
        effect: For numbers, the Wasserstein distance in standard deviations of the reference.
        reference, window: The two means, where the measure compares means.
        bars: The values, for a chart.
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
    """A finding on the schema, or on an expectation of the data.

    Args:
        column: The column; None where it is about the table.
        fault: Whether it calls for watching; else it is only a note.
    """

    column: Annotated[str | None, OMITTED] = None
    fault: bool
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Window:
    """Some consecutive rows of the batch.

    Args:
        first: The number of its first row, from 1.
        rows: The number of its rows, all usable.
        labelled: How many of them have a label.
        answer, sentence: What to do with the champion, and why.
        columns: The columns with an alarm or a fault.
        noticed: Findings on its schema, and on expectations that held for the reference and no longer hold.
        measured: Measures, alarms first.
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
        experiment, champion, run: The experiment, the entry of its champion, and the run that made the champion.
        monitored: The time of monitoring, in UTC.
        data: The batch's path.
        reference_rows: The number of rows that the batch is compared with.
        rate: Share of windows of unchanged data that raise an alarm.
        answer, sentence: Those of the window with the worst answer; the latest, if several have it.
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
