"""The spec's parts `train` and `compare`: what is the same for every recipe, and what recipes differ in."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from tasks.augmentation.mixup import MIXERS
from tasks.errors import nearest
from tasks.ranges import Count, Fraction, NonNegative, Positive, Whole
from tasks.spec.entries import (
    AugmenterEntry,
    AveragingEntry,
    LossEntry,
    ModelEntry,
    OptimizerEntry,
    ScheduleEntry,
    augmenters,
    problem,
)
from tasks.spec.frozen import Frozen
from tasks.spec.tune import Method
from tasks.training.trial import MEASURED

Epochs = Annotated[int, Field(ge=1, le=100_000)]
Accumulation = Annotated[int, Field(ge=1, le=100_000)]
BatchSize = Annotated[int, Field(ge=1, le=1_000_000)]


class Regularisation(Frozen):
    """What holds the weights back. All strengths are per trial, so they may differ inside one stack."""

    l1: NonNegative = Field(0.0, description="kernel penalty: l1 * sum |w|")
    l2: NonNegative = Field(0.0, description="kernel penalty: l2 * sum w^2")
    dropout: Fraction = Field(0.0, description="share of hidden units dropped")
    weight_decay: NonNegative = Field(0.0, description="decoupled, as Keras: w -= learning_rate * weight_decay * w")
    label_smoothing: Fraction = Field(0.0, description="classification only")


class Clipping(Frozen):
    """Gradient clipping, one way at most, as Keras: clipvalue, clipnorm (a weight at a time), global_clipnorm."""

    value: Positive | None = Field(None, description="each number of the gradient, as Keras's clipvalue")
    norm: Positive | None = Field(None, description="the norm of each weight's gradient, as Keras's clipnorm")
    global_norm: Positive | None = Field(None, description="the norm of the whole gradient, as Keras's global_clipnorm")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(ways) > 1:
            raise problem("clip in one way only", got=" and ".join(ways), accepted="one of value, norm, global_norm")
        return self


class GradientNoise(Frozen):
    """Of variance eta / (1 + t)^gamma before update t, counted from 0 (Neelakantan et al. 2015)."""

    eta: NonNegative = Field(0.01, description="variance before the first update; the paper chose of 0.01, 0.3 and 1")
    gamma: NonNegative = Field(0.55, description="the power that it falls with")


class EarlyStopping(Frozen):
    """Stops a trial whose validation loss has not fallen by `min_delta` for `patience` evaluations, as Keras's callback
    does for epochs."""

    patience: Count = Field(5, description="evaluations without improvement before a trial stops")
    min_delta: NonNegative = Field(0.0, description="what the validation loss must fall by to count as improved")
    restore_best: bool = Field(True, description="keep the weights of the best evaluation, not the last")


class EvaluateEvery(Frozen):
    """How often the validation part is looked at while training; what acts on it (early stopping, plateaus, a target)
    counts these evaluations. Exactly one is set."""

    steps: Count | None = Field(None, description="training steps from one evaluation to the next")
    epochs: Count | None = Field(None, description="epochs from one evaluation to the next")
    seconds: Positive | None = Field(None, description="turned into steps by the pace the plan expects")

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        units = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(units) != 1:
            raise problem(
                "evaluations are counted in one unit",
                got=" and ".join(units) or "none",
                accepted="one of steps, epochs, seconds",
            )
        return self


class StopAt(Frozen):
    """Stops a trial whose validation value is at least as good. Accuracy is to rise, loss and rmse are to fall."""

    metric: str = Field(description="loss, accuracy or rmse, on the validation part")
    value: Positive = Field(description="a share, an rmse in the target's unit, or a loss as in the curves")

    @model_validator(mode="after")
    def _within_reach(self) -> Self:
        if self.metric not in MEASURED:
            raise problem(
                "is not measured while training",
                got=self.metric,
                accepted=nearest(self.metric, MEASURED),
                suffix="metric",
            )
        highest = MEASURED[self.metric].highest
        if self.value > highest:
            raise problem(
                f"can't be reached: {self.metric} is a share",
                got=str(self.value),
                accepted=f"at most {highest:g}",
                suffix="value",
            )
        return self


class Augmentation(Frozen):
    """Augmenters in order, for the training part alone. Short forms: `none`, a name, `{name: parameters, ...}`."""

    steps: list[AugmenterEntry] = Field(min_length=1, description="a list of augmenters")
    times: Count | None = Field(
        None, description="copies of each example beside the original; None: a fresh version every epoch in its place"
    )
    seed: Whole = Field(0, description="of the policy; a trial's own seed is added to it")

    @model_validator(mode="after")
    def _mixing_comes_last(self) -> Self:
        mixers = [place for place, step in enumerate(self.steps) if step.name in MIXERS]
        if mixers and mixers[0] != len(self.steps) - 1:
            name = self.steps[mixers[0]].name
            raise problem(f"{name} mixes what the others made, so it comes last", suffix=f"steps[{mixers[0]}]")
        if mixers and self.times is not None:
            name = self.steps[-1].name
            raise problem(
                f"{name} mixes anew every epoch, so it takes no copies", got=f"times: {self.times}", suffix="times"
            )
        return self

    def __str__(self) -> str:
        """`rotation (degrees 10.0) + flip, 2 copies`."""
        said = " + ".join(str(step) for step in self.steps)
        return said if self.times is None else f"{said}, {self.times} {'copy' if self.times == 1 else 'copies'}"


def _augmentation(value: Any) -> Any:
    """The short forms written out."""
    if value is None or value == "none":
        return None
    if isinstance(value, str) or (
        isinstance(value, dict) and value and not set(value) & set(Augmentation.model_fields)
    ):
        return {"steps": augmenters(value)}
    return value


AugmentationEntry = Annotated[Augmentation | None, BeforeValidator(_augmentation)]


Imbalance = Literal["none", "class_weight", "resample"]
"""What is done about classes of unequal size: nothing; each row's loss times a weight that makes every class count
alike; or rows of smaller classes repeated until each class has as many as the largest."""


class Train(Frozen):
    """What is held still: the same for every recipe, unless `compare` names it."""

    optimizer: OptimizerEntry = Field(default="adam", validate_default=True, description="the update rule")
    learning_rate: Positive | None = Field(None, description="None: the optimizer's own")
    schedule: ScheduleEntry = Field(
        default="constant", validate_default=True, description="how the learning rate changes from step to step"
    )
    regularisation: Regularisation = Field(Regularisation(), description="what holds the weights back")
    clipping: Clipping = Field(Clipping(), description="gradient clipping, one way at most")
    accumulation: Accumulation = Field(
        1,
        description="steps whose gradients' mean makes one update, as Keras's gradient_accumulation_steps: that of "
        "accumulation * batch_size rows in the memory of batch_size; schedules and evaluations still count steps",
    )
    gradient_noise: GradientNoise | None = Field(
        None, description="Gaussian noise on the gradient of each update, after clipping; None: none"
    )
    averaging: AveragingEntry = Field(
        default="none",
        validate_default=True,
        description="average of the weights that is evaluated and kept in their place",
    )
    augmentation: AugmentationEntry = Field(
        None, description="changes of the training rows, for the training part alone; None: none"
    )
    imbalance: Imbalance = Field("none", description="classification only, the training part alone")
    loss: LossEntry = Field(
        default="cross_entropy",
        validate_default=True,
        description="classification only, the training part alone: what is trained on; curves and metrics of the "
        "validation part have the cross-entropy",
    )
    rows: Count | None = Field(
        None,
        description="train on so many rows of the training part, of each class in its share; those of a smaller number "
        "are among those of a larger one; preprocessing is learned from the whole part; None: all",
    )
    batch_size: BatchSize = Field(32, description="rows of one training step")
    epochs: Epochs = Field(20, description="times that the training rows are gone through, at most")
    early_stopping: EarlyStopping | None = Field(
        None, description="stop a trial whose validation loss no longer falls; None: train all epochs"
    )
    evaluate_every: EvaluateEvery = Field(
        EvaluateEvery(epochs=1), description="how often the validation part is looked at while training"
    )
    stop_at: StopAt | None = Field(None, description="stop a trial whose validation value is good enough; None: never")
    seeds: int = Field(5, ge=1, le=1000, description="how many trials of each recipe: initial weights and batch order")
    stabilise: bool = Field(
        False, description="repair recipes whose training went wrong, after training; the repaired are not compared"
    )


class Compare(Frozen):
    """The question: every combination of the values listed is one recipe."""

    optimizer: list[OptimizerEntry] | None = Field(None, min_length=1, description="values of train.optimizer")
    learning_rate: list[Positive] | None = Field(None, min_length=1, description="values of train.learning_rate")
    schedule: list[ScheduleEntry] | None = Field(None, min_length=1, description="values of train.schedule")
    regularisation: list[Regularisation] | None = Field(
        None, min_length=1, description="values of train.regularisation"
    )
    clipping: list[Clipping] | None = Field(None, min_length=1, description="values of train.clipping")
    accumulation: list[Accumulation] | None = Field(None, min_length=1, description="values of train.accumulation")
    gradient_noise: list[GradientNoise | None] | None = Field(
        None, min_length=1, description="values of train.gradient_noise"
    )
    averaging: list[AveragingEntry] | None = Field(None, min_length=1, description="values of train.averaging")
    augmentation: list[AugmentationEntry] | None = Field(None, min_length=1, description="values of train.augmentation")
    imbalance: list[Imbalance] | None = Field(None, min_length=1, description="values of train.imbalance")
    loss: list[LossEntry] | None = Field(None, min_length=1, description="values of train.loss")
    rows: list[Count | None] | None = Field(None, min_length=1, description="values of train.rows")
    batch_size: list[BatchSize] | None = Field(None, min_length=1, description="values of train.batch_size")
    epochs: list[Epochs] | None = Field(
        None,
        min_length=1,
        description="values of train.epochs. Recipes that differ in nothing else share the steps in which their "
        "learning rates are the same, such as the plateau of wsd",
    )
    early_stopping: list[EarlyStopping | None] | None = Field(
        None, min_length=1, description="values of train.early_stopping"
    )
    model: list[ModelEntry] | None = Field(None, min_length=1, description="values of model")
    method: list[Method] | None = Field(None, min_length=1, description="of the search: a recipe for each")
