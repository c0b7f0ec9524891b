"""How a run chooses classes from probabilities and what its answers cost, as plan.json holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from tasks.records.documents import OMITTED, Number

Rule = Literal["fixed", "cost", "recall_at_least", "precision_at_least", "alarms_at_most"]


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What answers cost. Gains are negative.

    Args:
        matrix: Of classes, `[actual][predicted]` in the order of the classes; None for regression.
        columns: By `ACTUAL,PREDICTED` (positions) the column that holds the cost of each row, which the matrix counts
            as 0.
        over, under: Of regression, for each unit that a prediction is above or below the truth.
        currency: What they are counted in; None: in costs.
    """

    matrix: Annotated[Sequence[Sequence[Number]] | None, OMITTED] = None
    columns: Mapping[str, str] = field(default_factory=dict)
    over: Annotated[Number | None, OMITTED] = None
    under: Annotated[Number | None, OMITTED] = None
    currency: Annotated[str | None, OMITTED] = None


@dataclass(frozen=True, kw_only=True)
class Decides:
    """How answers are made of a model's outputs.

    Args:
        rule: Of two classes, how the probability from which on the positive class is predicted is chosen on the
            validation part: `fixed`, not at all; `cost`, that of the least cost; or the one that finds the most
            positives, or raises the fewest alarms, within a limit. Of more classes `cost`: the class of least expected
            cost. None: the likeliest class.
        value: The limit, a share; of `fixed` the probability.
        costs: None: answers have no cost.
    """

    rule: Annotated[Rule | None, OMITTED] = None
    value: Annotated[Number | None, OMITTED] = None
    costs: Annotated[Costs | None, OMITTED] = None
