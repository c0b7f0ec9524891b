"""The spec's part `evaluate`: what decides, and what else is measured."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from tasks.evaluation.metrics import METRICS
from tasks.evaluation.recalibration import CALIBRATIONS
from tasks.spec.decisions import Cost, Prior, Threshold, check_prior
from tasks.spec.entries import known, problem
from tasks.spec.frozen import Frozen
from tasks.spec.slices import SliceEntry, no_slicing_twice

Calibration = Annotated[str, AfterValidator(partial(known, "calibration", CALIBRATIONS))]


class Evaluate(Frozen):
    """What decides, and what else is measured."""

    metric: str | None = Field(
        None,
        description="the metric that decides; None: cost_per_case where there is a cost, else rmse, or accuracy; "
        "balanced_accuracy where more than 80% of the training rows are of one class",
    )
    also: list[str] = Field(
        default=[],
        description="metrics that are measured too; none: log_loss for classes, and pr_auc and mcc where one class has "
        "more than 80% of the rows",
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="of every interval")
    ship: Literal["network", "best"] = Field(
        "network",
        description="what may become the saved model; best: a linear model or gradient boosting too, where that is "
        "better on the validation part",
    )
    cost: Cost | None = Field(None, description="what answers cost; None: nothing")
    currency: Annotated[str, Field(min_length=1, max_length=16)] | None = Field(
        None, description="what costs are counted in, for the report"
    )
    threshold: Threshold | None = Field(
        None,
        description="from which probability on the class of interest of two is predicted: a number, cost (the least on "
        "the validation part), or a rule; None: cost where there is one, else the likelier class",
    )
    real_prior: Prior | None = Field(
        None,
        description="the share that classes really have, as {bad: 0.05}, where the data hold them in others: "
        "probabilities, thresholds and figures are corrected to it; one class may be left out; None: as in the data",
    )
    calibrate: Calibration | None = Field(
        None,
        description="how probabilities are brought to what happens, by the validation part: temperature (one number, "
        "the likeliest class stays) or isotonic (a rising line for each class, for many validation rows); part of the "
        "saved model; None: as the model gives them",
    )
    slices: list[SliceEntry] = Field(
        default=[],
        description="by what test rows are divided, to judge each part: a column (an input or not), two columns "
        "([sex, race]), quantiles of a number ({age: 4})",
    )
    folds: int | None = Field(
        None,
        ge=2,
        le=20,
        description="no test part: so many folds of all rows are held out in turn, and the whole procedure (preparing, "
        "searching, training, choosing recipe and threshold) is repeated without them; for few rows; None: the test "
        "part judges",
    )
    repeats: int = Field(1, ge=1, le=50, description="how often all rows are divided into folds, each time anew")
    seed_sources: bool = Field(
        False,
        description="whether initial weights and the order of batches are told apart as sources of variation, by one "
        "more trial of each recipe in each fold; needs folds, and two seeds at least",
    )

    @model_validator(mode="after")
    def _judged_out_of_fold(self) -> Self:
        if self.folds is None and self.repeats > 1:
            raise problem("repeats folds, and there are none", got=f"repeats: {self.repeats}", suffix="repeats")
        if self.folds is None and self.seed_sources:
            raise problem(
                "is measured in folds, and there are none",
                got="seed_sources: true",
                suffix="seed_sources",
                remedy="add evaluate.folds",
            )
        return self

    @field_validator("real_prior")
    @classmethod
    def _prior(cls, prior: Prior | None) -> Prior | None:
        check_prior(prior)
        return prior

    @field_validator("slices")
    @classmethod
    def _slices(cls, entries: list[Any]) -> list[Any]:
        no_slicing_twice(entries)
        return entries

    @field_validator("metric")
    @classmethod
    def _metric(cls, name: str | None) -> str | None:
        return name if name is None else known("metric", METRICS, name)

    @field_validator("also")
    @classmethod
    def _also(cls, names: list[str]) -> list[str]:
        return [known("metric", METRICS, name) for name in names]
