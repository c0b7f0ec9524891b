"""What previews/inspection.json holds: what the report says of the shipped network and can't read in the run's tables.

It is written when the verdict is. Rows' own values stand in it only where the spec asks for them
(`report: {show_examples: true}`), since they may be private; without, of a number's inputs what many rows share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tasks.records.documents import RunDocument

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Example:
    """A row that the network is most wrong about.

    Args:
        row: Position in the data set, as in table `predictions`.
        values: In the order of `columns`, as texts; None where there is none.
        picture: A PNG's name in `previews/`; None where the inputs are no picture.
    """

    row: int
    values: Sequence[str | None]
    picture: str | None = None


@dataclass(frozen=True, kw_only=True)
class Examples:
    """The rows that the network is most wrong about, the worst first.

    Args:
        columns: Whose values are shown: those of the source, as written there, without the target.
        left_out: Columns that are not shown, since there are too many.
    """

    columns: Sequence[str]
    left_out: int
    rows: Sequence[Example]


@dataclass(frozen=True, kw_only=True)
class ResidualLevel:
    """Rows that are alike in an input.

    Args:
        name: A category's value; what stands for several, or for none, is in round brackets. None for a number.
        at: The median of a number; None for a category and for rows without a value.
        rows: How many.
        mean: Of the residuals, in the target's unit.
        low, high: The mean's interval (Student's t, over rows or groups); None where it takes more of them.
        quartiles: Of the residuals: 25%, 50%, 75%.
    """

    name: str | None
    at: float | None
    rows: int
    mean: float
    low: float | None
    high: float | None
    quartiles: Sequence[float]


@dataclass(frozen=True)
class Dot:
    """A row: its value of an input (a number, or a level's name), and its residual."""

    value: float | str
    residual: float


@dataclass(frozen=True, kw_only=True)
class InputResiduals:
    """The residuals along one input, in the numbers of `evaluation.residuals.ByInput`.

    Args:
        dots: Some rows at random; none unless the spec asks for rows.
    """

    name: str
    number: bool
    association: float
    levels: Sequence[ResidualLevel]
    dots: Sequence[Dot]


@dataclass(frozen=True, kw_only=True)
class Inspection(RunDocument):
    """previews/inspection.json.

    Args:
        trial_id: Of the shipped network.
        examples: None unless the spec asks for rows.
        residuals: Of a regression on columns, the inputs that go with them most, the first most; None for others.
        inputs: How many inputs were looked at for that.
    """

    FILE: ClassVar[str] = "previews/inspection.json"

    trial_id: str
    examples: Examples | None
    residuals: Sequence[InputResiduals] | None
    inputs: int
    schema_version: int = SCHEMA_VERSION
