"""Keys of `evaluate` that say what answers cost and how classes are chosen from probabilities."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_serializer, model_validator

from tasks.ranges import NonNegative, Positive
from tasks.records.decisions import Rule
from tasks.spec.entries import problem
from tasks.spec.frozen import Frozen
from tasks.spec.labels import Label

Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Prior = dict[Label, Annotated[float, Field(gt=0, lt=1)]]

_MISTAKES = ("false_negative", "false_positive")
_TWO = (*_MISTAKES, "true_negative", "true_positive")


class Cost(Frozen):
    """What answers cost, in one of three ways. Gains are negative costs."""

    false_negative: Finite | str | None = Field(None, description="of missing the class of interest, or a column")
    false_positive: Finite | str | None = Field(None, description="of a false alarm, or a column")
    true_negative: Finite | str | None = Field(None, description="of leaving alone what is of the other class; None: 0")
    true_positive: Finite | str | None = Field(None, description="of finding the class of interest; None: 0")
    matrix: dict[Label, dict[Label, Finite]] | None = Field(
        None, description="of any classes: {ACTUAL: {PREDICTED: cost}}; what is left out costs 0"
    )
    over: NonNegative | None = Field(None, description="of a value: for each unit that the prediction is too high")
    under: NonNegative | None = Field(None, description="of a value: for each unit that the prediction is too low")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        two = [name for name in _TWO if getattr(self, name) is not None]
        ways = [*(["false_negative, false_positive"] if two else []), *(["matrix"] if self.matrix is not None else [])]
        ways += ["over, under"] if self.over is not None or self.under is not None else []
        if len(ways) != 1:
            raise problem(
                "costs are said in one way",
                got=" and ".join(ways) or "none",
                accepted="false_negative and false_positive; or matrix; or over and under",
            )
        missing = [name for name in (*_MISTAKES, "over", "under") if name in ways[0] and getattr(self, name) is None]
        if missing:
            raise problem("gives one cost of two", got=f"no {missing[0]}", accepted=ways[0].replace(", ", " and "))
        if self.matrix is not None and not any(self.matrix.values()):
            raise problem("holds no cost", accepted="{ACTUAL: {PREDICTED: cost}}", suffix="matrix")
        return self

    @property
    def columns(self) -> dict[str, str]:
        """The names of the columns that hold costs, by key."""
        return {name: value for name in _TWO if isinstance(value := getattr(self, name), str)}


def check_prior(prior: Prior | None) -> None:
    """Refuses real shares of classes that can't be right, whatever the classes are."""
    if prior is not None and not prior:
        raise problem("names no class", accepted="{CLASS: its share}")
    if prior and (total := math.fsum(prior.values())) > 1 + 1e-9:
        raise problem("shares of classes add up to more than 1", got=f"{total:.6g}", accepted="1 or less")


_RULES = ("at", "least", "recall_at_least", "precision_at_least", "alarms_at_most")


class Threshold(Frozen):
    """How the probability from which on the class of interest is predicted is chosen on the validation part. A number
    alone is that probability, `cost` alone the one of the least cost."""

    at: Share | None = Field(None, description="the probability itself; a number alone says the same")
    least: Literal["cost"] | None = Field(None, description="that of the least cost; cost alone says the same")
    recall_at_least: Share | None = Field(None, description="the fewest alarms that find this share of the class")
    precision_at_least: Share | None = Field(None, description="the most found with this share of alarms right")
    alarms_at_most: NonNegative | None = Field(None, description="the most found with so many alarms ...")
    of: Positive | None = Field(None, description="... in so many rows")

    @model_validator(mode="before")
    @classmethod
    def _alone(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"least": value}
        return {"at": value} if isinstance(value, (int, float)) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        rules = [name for name in _RULES if getattr(self, name) is not None]
        if len(rules) != 1:
            raise problem(
                "a threshold follows from one rule",
                got=" and ".join(rules) or "none",
                accepted="a number, cost, recall_at_least, precision_at_least, or alarms_at_most with of",
            )
        if (self.of is not None) != (rules[0] == "alarms_at_most"):
            got = ", ".join([*rules, *(["of"] if self.of is not None else [])])
            raise problem("alarms are counted in rows", got=got, accepted="{alarms_at_most: 50, of: 1000}")
        if self.alarms_at_most is not None and self.of is not None and self.alarms_at_most > self.of:
            raise problem("are more alarms than rows", got=f"{self.alarms_at_most:g} of {self.of:g}")
        return self

    @model_serializer
    def _as_written(self) -> Any:
        if self.at is not None:
            return self.at
        return self.least or {name: getattr(self, name) for name in (*_RULES, "of") if getattr(self, name) is not None}

    @property
    def chosen(self) -> tuple[Rule, float | None]:
        """The rule's name, and its limit or fixed probability; None for `cost`."""
        if self.at is not None:
            return "fixed", self.at
        if self.recall_at_least is not None:
            return "recall_at_least", self.recall_at_least
        if self.precision_at_least is not None:
            return "precision_at_least", self.precision_at_least
        if self.alarms_at_most is not None and self.of is not None:
            return "alarms_at_most", self.alarms_at_most / self.of
        return "cost", None
