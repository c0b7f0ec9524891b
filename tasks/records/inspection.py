"""previews/inspection.json: what the report says of the shipped network beyond the run's tables.

It is written together with the verdict. It holds values of single rows only where the spec asks for them
(`report: {show_examples: true}`), since they may be private. Without that, it holds only values that many rows share.
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
        values: In the order of `columns`, as texts; None where the row has no value.
        picture: A PNG's name in `previews/`; None where the inputs are not pictures.
    """

    row: int
    values: Sequence[str | None]
    picture: str | None = None


@dataclass(frozen=True, kw_only=True)
class Examples:
    """The rows that the network is most wrong about, the worst first.

    Args:
        columns: The columns that are shown: those of the source, with values as written there, without the target.
        left_out: The number of columns that are not shown, since there are too many.
    """

    columns: Sequence[str]
    left_out: int
    rows: Sequence[Example]


@dataclass(frozen=True, kw_only=True)
class ResidualLevel:
    """Rows that are alike in one input.

    Args:
        name: A category's value. A name in round brackets stands for several values, or for no value. None for a
            number.
        at: The median of a number; None for a category and for rows without a value.
        rows: The number of rows.
        mean: Mean of the residuals, in the target's unit.
        low, high: The mean's interval (Student's t, over rows or groups); None where there are too few rows or groups.
        quartiles: Quartiles of the residuals: 25%, 50%, 75%.
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
    """The residuals along one input. The fields have the meaning of those of `evaluation.residuals.ByInput`.

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
        names: One input, or several that are associated.
        drop: In the metric's own unit, positive where it got worse; its interval is corrected for the number of inputs
            that were looked at.
        matters: Whether that interval lies above 0.
    """

    names: Sequence[str]
    drop: Estimate
    matters: bool


@dataclass(frozen=True, kw_only=True)
class DependencePoint:
    """The model's answers where one input has the same value in every row.

    Args:
        at: The value of a number; None for a category.
        name: The value of a category; None for a number.
        mean: Mean of the answers: a probability, or a value in the target's unit.
        low, high: The middle half of the individual curves, each shifted so that its mean is the mean of all.
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
    """Which inputs the shipped model relies on.

    Args:
        metric: The metric whose drop is measured.
        rows: The number of judged rows that it is measured on.
        inputs: The inputs that were looked at, in groups, the largest drop first.
        left_out: How many inputs were not looked at, since there are too many.
        dependence: Partial dependence on the first few inputs whose shuffling made the model worse.
        of: The class whose probability the dependence shows; None where it shows a value.
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
        name: The layer's name, as in table `curves`.
        weights: The number of weights.
        zeros: How many of them are exactly 0.
        edges: Edges of the bins, one more than `counts`, ascending.
        counts: Number of weights in each bin.
    """

    name: str
    weights: int
    zeros: int
    edges: Sequence[float]
    counts: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Filters:
    """The first layer's weights as a picture, with one tile per unit; units with the largest weights come first.

    Args:
        picture: A PNG's name in `previews/`.
        shown: The number of units in the picture.
        units: The number of units of the layer.
        colours: Whether a tile shows the weights of red, green and blue, around grey; else colours show the signs.
    """

    picture: str
    shown: int
    units: int
    colours: bool


@dataclass(frozen=True, kw_only=True)
class HiddenUnits:
    """What each unit of the only hidden layer adds to the outputs; units with the largest incoming weights come first.

    Args:
        units: The number of units of the layer; fewer may be shown.
        rows: The number of training rows that means are over.
        outputs: Class names, or the target's name.
        active: For each unit shown, the share of rows in which its answer is not 0.
        added: `[unit shown][output]`: the mean over rows of its answer times its outgoing weight, as a logit or a
            standardised value. For classes, the mean over classes is subtracted, since adding the same to all classes
            changes no probability.
    """

    units: int
    rows: int
    outputs: Sequence[str]
    active: Sequence[float]
    added: Sequence[Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class NetworkWeights:
    """The weights of the shipped network, for display.

    Args:
        layers: Layers with weights, from the input on.
        left_out: The number of layers in the middle that are not in `layers`, since there are too many.
        filters: None where the inputs are not pictures, or the first layer does not look at them.
        hidden: None where the network does not have exactly one hidden layer, and in runs of earlier versions.
    """

    layers: Sequence[LayerWeights]
    left_out: int
    filters: Filters | None
    hidden: Annotated[HiddenUnits | None, OMITTED] = None


@dataclass(frozen=True, kw_only=True)
class Inspection(RunDocument):
    """previews/inspection.json.

    Args:
        trial_id: The trial of the shipped network.
        examples: None unless the spec asks for rows.
        residuals: For regression on columns, the inputs most associated with the residuals, the strongest first; else
            None.
        inputs: How many inputs were looked at for the residuals.
        influence: None where the inputs are not columns, and in runs of earlier versions.
        network: None where a baseline is shipped, and in runs of earlier versions.
        landscape, between: Set where the spec asks for these explanations and a network is shipped.
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
