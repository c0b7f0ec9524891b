"""What previews/inspection.json holds: what the report says of the shipped network and can't read in the run's tables.

It is written when the verdict is. Rows' own values stand in it only where the spec asks for them
(`report: {show_examples: true}`), since they may be private; without, of a number's inputs what many rows share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from tasks.records.documents import OMITTED, RunDocument
from tasks.records.landscape import Between, Landscape
from tasks.records.verdict import Estimate

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
class ImportantInput:
    """Inputs that were shuffled together, and how much worse the model did.

    Args:
        names: One, or several that go together.
        drop: In the metric's own unit, positive where it got worse; its interval allows for all that were looked at.
        matters: Whether that interval lies above 0.
    """

    names: Sequence[str]
    drop: Estimate
    matters: bool


@dataclass(frozen=True, kw_only=True)
class DependencePoint:
    """The model's answers where one input has the same value in every row.

    Args:
        at: Of a number; None for a category.
        name: Of a category; None for a number.
        mean: Of the answers: a probability, or the target's unit.
        low, high: The middle half of the rows' own curves, each moved to the average of all.
    """

    at: float | None
    name: str | None
    mean: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Dependence:
    """Partial dependence on one input."""

    name: str
    points: Sequence[DependencePoint]


@dataclass(frozen=True, kw_only=True)
class Influence:
    """Which inputs the shipped model leans on.

    Args:
        metric: Whose drop is measured.
        rows: Judged rows that it is measured on.
        inputs: Those looked at, in groups, the largest drop first.
        left_out: How many inputs were not looked at, since there are too many.
        dependence: On the first few inputs whose shuffling made it worse.
        of: Whose probability that is; None where it is a value.
    """

    metric: str
    rows: int
    inputs: Sequence[ImportantInput]
    left_out: int
    dependence: Sequence[Dependence]
    of: str | None


@dataclass(frozen=True, kw_only=True)
class LayerWeights:
    """The weights of one layer without its biases, as a histogram of bins of equal width.

    Args:
        name: As in table `curves`.
        weights: How many there are.
        zeros: How many of them are exactly 0.
        edges: Of the bins, one more than `counts`, ascending.
        counts: Weights in each bin.
    """

    name: str
    weights: int
    zeros: int
    edges: Sequence[float]
    counts: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Filters:
    """The first layer's weights as a picture: a tile a unit, those with the largest weights first.

    Args:
        picture: A PNG's name in `previews/`.
        shown: Units in it.
        units: Of the layer.
        colours: Whether a tile shows the weights of red, green and blue, around grey; else their signs have colours.
    """

    picture: str
    shown: int
    units: int
    colours: bool


@dataclass(frozen=True, kw_only=True)
class HiddenUnits:
    """What the units of the only hidden layer add to the outputs, those with the largest incoming weights first.

    Args:
        units: Of the layer; those shown may be fewer.
        rows: Of the training part, that means are over.
        outputs: Class names, or the target's.
        active: Of each unit shown, the share of rows in which its answer is not 0.
        added: `[unit shown][output]`: the mean over rows of its answer times its outgoing weight, as a logit or a
            standardised value. Of classes less its mean over them, since what is added to all changes no probability.
    """

    units: int
    rows: int
    outputs: Sequence[str]
    active: Sequence[float]
    added: Sequence[Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class NetworkWeights:
    """What the shipped network learned, to be looked at.

    Args:
        layers: Those with weights, from the input on.
        left_out: Layers in the middle that are not in `layers`, since there are too many.
        filters: None where the inputs are no pictures, or the first layer does not look at them.
        hidden: None where there is not just one hidden layer, and in runs of earlier versions.
    """

    layers: Sequence[LayerWeights]
    left_out: int
    filters: Filters | None
    hidden: Annotated[HiddenUnits | None, OMITTED] = None


@dataclass(frozen=True, kw_only=True)
class Inspection(RunDocument):
    """previews/inspection.json.

    Args:
        trial_id: Of the shipped network.
        examples: None unless the spec asks for rows.
        residuals: Of a regression on columns, the inputs that go with them most, the first most; None for others.
        inputs: How many inputs were looked at for that.
        influence: None where the inputs are no columns, and in runs of earlier versions.
        network: None where a baseline is shipped, and in runs of earlier versions.
        landscape, between: Where the spec asks for their explanations and a network is shipped.
    """

    FILE: ClassVar[str] = "previews/inspection.json"

    trial_id: str
    examples: Examples | None
    residuals: Sequence[InputResiduals] | None
    inputs: int
    influence: Influence | None = None
    network: NetworkWeights | None = None
    landscape: Annotated[Landscape | None, OMITTED] = None
    between: Annotated[Sequence[Between] | None, OMITTED] = None
    schema_version: int = SCHEMA_VERSION
