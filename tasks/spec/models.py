"""A spec as a whole: immutable, without unknown keys, every default visible. Its large parts are in separate modules.

It holds only what the author writes. Names of optimizers, schedules and models are looked up in their tables when the
spec is read (`entries`), so a spec that loads holds nothing unknown.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from tasks.evaluation.fairness import FAIRNESS
from tasks.evaluation.metrics import CLASSIFICATION, COST, METRICS, REGRESSION
from tasks.explanations.explainers import EXPLAINERS
from tasks.spec.data import Data, Split
from tasks.spec.entries import ModelEntry, known, problem
from tasks.spec.evaluate import Evaluate
from tasks.spec.frozen import Frozen
from tasks.spec.gates import Gate
from tasks.spec.slices import check_gates
from tasks.spec.train import Compare, Train
from tasks.spec.tune import Tune


class Report(Frozen):
    """What the report may show."""

    show_examples: bool = Field(
        False,
        description="show the values of the rows that the shipped model is most wrong about, and of some rows beside "
        "their errors: in the report and in previews/inspection.json; rows may be private, so not unless asked for",
    )


def checked_name(name: str) -> str:
    """Checks an experiment's name, which becomes part of a folder's name."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        raise problem("can't be a name", got=repr(name), accepted="1 to 64 letters, digits, - and _")
    return name


ExplainerName = Annotated[str, AfterValidator(partial(known, "explainer", EXPLAINERS))]


class Spec(Frozen):
    """One experiment, as its author wrote it."""

    name: str = Field("experiment", description="1 to 64 letters, digits, - and _; part of the run folder's name")
    description: str = Field("", description="what the experiment asks, for the report's head")
    data: Data = Field(description="a mapping with source, and target for a file")
    model: ModelEntry | None = Field(None, description="None: mlp for a table, cnn for images, text, audio by the data")
    train: Train = Field(Train(), description="what is held still: the same for every recipe")
    compare: Compare = Field(Compare(), description="the question: every combination of the values listed is a recipe")
    tune: Tune | None = Field(None, description="None: nothing is searched, every recipe is trained as it stands")
    evaluate: Evaluate = Field(Evaluate(), description="what decides, and what else is measured")
    gates: list[Gate] = Field(default=[], description="business thresholds of the shipped model")
    report: Report = Field(Report(), description="what the report may show")
    explain: list[ExplainerName] = Field(
        default=[],
        exclude_if=lambda names: not names,
        description="explainers by name (bakeoff list explainers): why the run went as it did, in the report",
    )

    @field_validator("explain")
    @classmethod
    def _explained_once(cls, names: list[str]) -> list[str]:
        twice = [name for place, name in enumerate(names) if name in names[:place]]
        if twice:
            raise problem("names an explainer once", got=f"{twice[0]} twice", remedy="keep one")
        return names

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        return checked_name(name)

    @model_validator(mode="after")
    def _costs_are_said(self) -> Self:
        for place, name in metrics_named(self).items():
            if name == COST and self.evaluate.cost is None:
                raise problem("needs evaluate.cost, which says what answers cost", got=name, suffix=place)
        return self

    @model_validator(mode="after")
    def _judged_without_test_part(self) -> Self:
        if self.evaluate.folds is None:
            return self
        check_folds(self.evaluate.repeats, self.data.split)
        if self.evaluate.seed_sources and self.train.seeds < 2:
            raise problem(
                "mixes the initial weights of one seed and the batches of another, so it needs two",
                got=f"train.seeds: {self.train.seeds}",
                suffix="evaluate.seed_sources",
                remedy="raise train.seeds, or take evaluate.seed_sources out",
            )
        return self

    @model_validator(mode="after")
    def _gates_have_slices(self) -> Self:
        check_gates(self.gates, self.evaluate.slices)
        return self

    @model_validator(mode="after")
    def _nothing_twice(self) -> Self:
        if self.compare.method and self.tune is None:
            raise problem("compares searches, and nothing is tuned", suffix="compare.method", remedy="add tune")
        if self.compare.method and self.tune and "method" in self.tune.model_fields_set:
            raise problem(
                "is compared and held still (tune.method) at once: the latter would be unused",
                suffix="compare.method",
                remedy="take tune.method or compare.method out",
            )
        for name in compared(self):
            if name in self.train.model_fields_set or name in self.model_fields_set:
                fixed = name if name in self.model_fields_set else f"train.{name}"
                raise problem(
                    f"is compared and held still ({fixed}) at once: the latter would be unused",
                    suffix=f"compare.{name}",
                    remedy=f"take {fixed} or compare.{name} out",
                )
        return self


def check_folds(repeats: int, split: Split) -> None:
    """Refuses keys that can't be combined with `evaluate.folds`."""
    for name in ("test", "hold_out", "given"):
        if getattr(split, name) is not None:
            raise problem(
                f"there is no test part where folds are held out in turn (evaluate.folds): {name} has no effect",
                suffix=f"data.split.{name}",
                remedy=f"take data.split.{name} or evaluate.folds out",
            )
    if split.time is not None and repeats > 1:
        raise problem(
            "folds forward in time are always the same, so there is nothing to repeat",
            got=f"repeats: {repeats}",
            accepted="1",
            suffix="evaluate.repeats",
        )


def metrics_named(spec: Spec) -> dict[str, str]:
    """The metrics that the spec names, by their place in it. For fairness differences see `tasks.datasets.slices`."""
    named = {"evaluate.metric": spec.evaluate.metric} if spec.evaluate.metric else {}
    named |= {f"evaluate.also[{index}]": name for index, name in enumerate(spec.evaluate.also)}
    gated = {f"gates[{index}].metric": gate.metric for index, gate in enumerate(spec.gates)}
    return named | {place: name for place, name in gated.items() if name in METRICS}


def implied_task(spec: Spec) -> str | None:
    """The task of all metrics, costs and thresholds in the spec; None if there are none, or they are for different
    tasks."""
    tasks = {task for name in metrics_named(spec).values() if name != COST for task in METRICS[name].tasks}
    if spec.evaluate.cost:
        tasks.add(CLASSIFICATION if spec.evaluate.cost.over is None else REGRESSION)
    if spec.evaluate.threshold is not None or any(gate.metric in FAIRNESS for gate in spec.gates):
        tasks.add(CLASSIFICATION)
    return tasks.pop() if len(tasks) == 1 else None


def compared(spec: Spec) -> list[str]:
    """The names under `compare` that have values."""
    return [name for name, values in spec.compare if values is not None]


def as_written(spec: Spec) -> dict[str, Any]:
    """The whole spec with every default filled in, as plain values that JSON and YAML can hold.

    The result can be read as a spec again. So compared keys occur only under `compare`, and an optimizer has no
    learning rate of its own where one is given beside it.
    """
    written = spec.model_dump(mode="json")
    for name in compared(spec):
        for part in (written, written["train"], written["tune"] or {}):
            part.pop(name, None)
    rates = written["compare"]["learning_rate"] or written["train"].get("learning_rate")
    for entry in written["compare"]["optimizer"] or [written["train"].get("optimizer")]:
        for parameters in entry.values() if rates else ():
            parameters.pop("learning_rate", None)
    return written
