"""The spec's part `gates`: business thresholds."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from tasks.evaluation.fairness import FAIRNESS
from tasks.evaluation.footprint import FOOTPRINT, LATENCY
from tasks.evaluation.metrics import METRICS
from tasks.spec.entries import known, problem
from tasks.spec.frozen import Frozen
from tasks.spec.labels import Label, as_label


def _labels(value: Any) -> Any:
    return [as_label(each) for each in value] if isinstance(value, list) else as_label(value)


class Gate(Frozen):
    """A business threshold on the shipped model's test metric, or on what it takes.

    Exactly one of `at_least` and `at_most`.
    """

    metric: str = Field(
        description="a metric, measured on the test part; or a fairness difference between slices; or "
        "parameters, model_bytes or latency_ms of the shipped model"
    )
    at_least: float | None = Field(None, allow_inf_nan=False, description="it passes from this value up")
    at_most: float | None = Field(None, allow_inf_nan=False, description="it passes from this value down")
    severity: Literal["warn", "block"] = Field(
        "warn", description="block: --fail-on-gate exits with 3 where the gate fails or is undecided"
    )
    slice: dict[str, Label] | None = Field(
        None,
        description="of the test rows of one slice, as {sex: F}; of a number's quantiles by their place, as {age: 1}; "
        "None: of all",
    )
    by: Annotated[str | list[str], BeforeValidator(_labels)] | None = Field(
        None, description="of a fairness difference: which of evaluate.slices; None: the only one"
    )

    batch: int | None = Field(None, ge=1, description="of latency_ms: rows in a call; None: one")

    @field_validator("metric")
    @classmethod
    def _metric(cls, name: str) -> str:
        return known("metric", [*METRICS, *FAIRNESS, *FOOTPRINT], name)

    @model_validator(mode="after")
    def _one_threshold(self) -> Self:
        if (self.at_least is None) == (self.at_most is None):
            got = "neither" if self.at_least is None else "both"
            raise problem("a gate has one threshold", got=got, accepted="at_least or at_most")
        bound = "at_least" if self.at_least is not None else "at_most"
        threshold = getattr(self, bound)
        if self.metric in FOOTPRINT:
            if threshold <= 0:
                raise problem("is no value of this metric", got=f"{threshold:g}", accepted="above 0", suffix=bound)
            return self
        fair = self.metric in FAIRNESS
        (lowest, highest), said = (
            ((0.0, 1.0), "difference of two shares, 0 to 1")
            if fair
            else (METRICS[self.metric].bounds, METRICS[self.metric].range)
        )
        if not lowest <= threshold <= highest:
            raise problem("is no value of this metric", got=f"{threshold:g}", accepted=said, suffix=bound)
        return self

    @model_validator(mode="after")
    def _slices_fit(self) -> Self:
        if self.batch is not None and self.metric != LATENCY:
            raise problem(
                "sets the rows of a call, which only latency_ms uses",
                got=f"batch with {self.metric}",
                accepted=f"batch with {LATENCY}",
                suffix="batch",
            )
        for name in ("slice", "by") if self.metric in FOOTPRINT else ():
            if getattr(self, name) is not None:
                raise problem(
                    "describes the model, not rows, so it can't be sliced",
                    got=f"{name} with {self.metric}",
                    remedy=f"take {name} out",
                    suffix=name,
                )
        fair = self.metric in FAIRNESS
        if fair and self.slice is not None:
            raise problem("compares slices, so it can't be limited to one", got="slice", accepted="by", suffix="slice")
        if not fair and self.by is not None:
            raise problem(
                "says what a fairness difference is between",
                got=f"by with {self.metric}",
                accepted="slice: {COLUMN: VALUE}, or a metric among " + " and ".join(FAIRNESS),
                suffix="by",
            )
        return self
