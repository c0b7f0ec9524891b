"""How a run chooses classes from probabilities and what its answers cost, as stored in plan.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from tasks.records.documents import OMITTED, Number

Rule = Literal["fixed", "cost", "recall_at_least", "precision_at_least", "alarms_at_most"]


_CHOSEN: dict[Rule, str] = {
    "fixed": "as the spec gives it",
    "cost": "chosen for the least cost on the validation part",
    "recall_at_least": "chosen as the highest that finds {value:.4g} of the positives of the validation part",
    "precision_at_least": "chosen as the lowest at which {value:.4g} of the alarms on the validation part are right",
    "alarms_at_most": "chosen as the lowest that raises an alarm for {value:.4g} of the validation part's rows",
}


@dataclass(frozen=True, kw_only=True)
class Costs:
    """The costs of answers. Gains are negative.

    Args:
        matrix: For classification, `[actual][predicted]` in the order of the classes; None for regression.
        columns: By `ACTUAL,PREDICTED` (positions), the column that holds the cost of each row; the matrix holds 0
            there.
        over, under: For regression, the cost of each unit that a prediction is above or below the truth.
        currency: The unit of the costs; None: no unit, just costs.
    """

    matrix: Annotated[Sequence[Sequence[Number]] | None, OMITTED] = None
    columns: Mapping[str, str] = field(default_factory=dict)
    over: Annotated[Number | None, OMITTED] = None
    under: Annotated[Number | None, OMITTED] = None
    currency: Annotated[str | None, OMITTED] = None


@dataclass(frozen=True, kw_only=True)
class Decides:
    """How answers are made from a model's outputs.

    Args:
        rule: With two classes, how the threshold (the least probability at which the positive class is predicted) is
            chosen on the validation part: `fixed`, not at all; `cost`, the threshold of least cost; or the threshold
            that finds the most positives, or raises the fewest alarms, within a limit. With more classes `cost`: the
            class of least expected cost. None: the likeliest class.
        value: The limit, a share; for `fixed`, the threshold.
        costs: None: answers have no cost.
        prior: The real share of each class, in the order of the classes; None: the shares of the training rows.
        calibrate: How probabilities are calibrated on the validation part; None: they are not.
    """

    rule: Annotated[Rule | None, OMITTED] = None
    value: Annotated[Number | None, OMITTED] = None
    costs: Annotated[Costs | None, OMITTED] = None
    prior: Annotated[Sequence[Number] | None, OMITTED] = None
    calibrate: Annotated[str | None, OMITTED] = None

    @property
    def chosen(self) -> str | None:
        """How the threshold is chosen, in words; None: the likeliest class is predicted."""
        if self.rule is None:
            return None
        said = _CHOSEN[self.rule].format(value=self.value or 0)
        counts = self.prior is not None and self.rule not in ("fixed", "recall_at_least")
        return f"{said}, with the classes at their real shares" if counts else said
