"""The spec's models: frozen, extras forbidden, every default visible.

Only what the author writes stands here. Names of optimizers, schedules and models are looked up in their tables when
the spec is read (`entries`), so a spec that loads holds nothing unknown.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from tasks.augmentation.mixup import MIXERS
from tasks.errors import nearest
from tasks.evaluation.fairness import FAIRNESS
from tasks.evaluation.metrics import CLASSIFICATION, COST, METRICS, REGRESSION
from tasks.evaluation.recalibration import CALIBRATIONS
from tasks.explanations.explainers import EXPLAINERS
from tasks.ranges import Count, Fraction, NonNegative, Positive, Whole
from tasks.spec.decisions import Cost, Prior, Threshold, check_prior
from tasks.spec.entries import (
    AugmenterEntry,
    AveragingEntry,
    CheckEntry,
    ModelEntry,
    OptimizerEntry,
    ScheduleEntry,
    augmenters,
    known,
    problem,
)
from tasks.spec.frozen import Frozen
from tasks.spec.gates import Gate
from tasks.spec.labels import Label, as_label
from tasks.spec.sizes import Size
from tasks.spec.slices import SliceEntry, check_gates, no_slicing_twice
from tasks.spec.tune import Method, Tune
from tasks.training.trial import MEASURED

Epochs = Annotated[int, Field(ge=1, le=100_000)]
BatchSize = Annotated[int, Field(ge=1, le=1_000_000)]


Mark = Literal[".", ",", " "]
"""A sign in a number."""


class Read(Frozen):
    """How a CSV, TSV or Excel file is read. What is None is found out from the file."""

    header: bool = Field(True, description="whether the first line holds the columns' names")
    columns: list[str] | None = Field(
        None, description="column names, for a file without a header or in place of one that repeats names"
    )
    sheet: str | None = Field(None, description="of an Excel file, by name; None: the first")
    separator: str | None = Field(None, description="the character between fields; None: by the file's ending")
    quoting: Literal["minimal", "none"] = Field(
        "minimal", description="whether a field in double quotes may hold separators and line ends"
    )
    missing: list[str] = Field(default=["", "NA", "NaN", "null"], description="texts that mean: no value")
    comment: str | None = Field(None, description="lines that begin so are skipped")
    decimal: Mark | None = Field(None, description="what stands before a fraction, in every column of texts")
    thousands: Mark | None = Field(None, description="what stands between thousands, in every column of texts")

    @model_validator(mode="after")
    def _two_signs(self) -> Self:
        _check_marks(self.decimal, self.thousands)
        return self


class Column(Frozen):
    """What a column means, where that can't be told from its values. A kind alone is enough: `zip: category`."""

    kind: Literal["number", "category", "ordered", "date", "text", "ignore"] = Field(
        description="text: free text, as in data.text; ignore: no input, as in drop"
    )
    decimal: Mark | None = Field(None, description="of a number: what stands before the fraction")
    thousands: Mark | None = Field(None, description="of a number: what stands between thousands")
    scale: Literal["standard", "none"] = Field(
        "standard", description="of a number: standard brings it to mean 0 and deviation 1, none leaves it as it is"
    )
    order: list[Label] | None = Field(None, min_length=2, description="of kind ordered: its values from low to high")
    format: str | None = Field(None, description="of a date: how it is written, as 31122024 is %d%m%Y; None: found out")

    @model_validator(mode="before")
    @classmethod
    def _kind_alone(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        if (self.kind == "ordered") != (self.order is not None):
            raise problem("kind ordered needs an order, and only that has one", suffix="order", accepted="[low, high]")
        if self.kind != "number" and (self.decimal or self.thousands or self.scale == "none"):
            raise problem("has an effect on numbers only", got=f"kind: {self.kind}", accepted="kind: number")
        if self.kind != "date" and self.format is not None:
            raise problem(
                "has an effect on dates only", got=f"kind: {self.kind}", accepted="kind: date", suffix="format"
            )
        _check_marks(self.decimal, self.thousands)
        return self


def _check_marks(decimal: str | None, thousands: str | None) -> None:
    if decimal is not None and decimal == thousands:
        raise problem("one sign can't stand for both", got=f"decimal and thousands: {decimal!r}", suffix="thousands")


def _no_list(value: Any) -> Any:
    if isinstance(value, list):
        raise problem(
            "names go in data.read.columns, and this says what columns mean",
            got="a list",
            accepted="a mapping, as {zip: category}",
        )
    return value


class Split(Frozen):
    """How rows are divided into train, val and test. Disjoint, and the same for the same seed and data."""

    test: Fraction | None = Field(None, description="share of rows; None: as the source gives it, else 0.2")
    validation: Fraction = Field(0.2, description="share of the rows that are not test rows")
    stratify: bool | None = Field(
        None, description="keep the classes' shares in each part; None: yes, for classes divided at random"
    )
    group: str | None = Field(None, description="rows with one value in this column stay in one part")
    hold_out: list[str] | None = Field(
        None, min_length=1, description="the values of group whose rows are the test part; None: drawn"
    )
    time: str | None = Field(None, description="split in the order of this column: the latest rows are the test part")
    given: str | None = Field(None, description="a column that holds train, val or test for each row")
    seed: int = Field(0, ge=0, description="of the random division")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [name for name in ("group", "time", "given") if getattr(self, name) is not None]
        if len(ways) > 1:
            raise problem("group, time and given exclude each other", got=" and ".join(ways), accepted="one of them")
        if self.stratify and ways:
            raise problem(f"stratify has no effect on a split by {ways[0]}", got="stratify: true", suffix="stratify")
        if self.hold_out is not None and self.group is None:
            raise problem("hold_out names groups, and the split is not by group", suffix="hold_out", remedy="set group")
        if self.hold_out is not None and self.test is not None:
            raise problem(
                "test has no effect where hold_out names the test part", got=f"test: {self.test}", suffix="test"
            )
        if self.given is not None and self.test is not None:
            raise problem("test has no effect where the parts are given", got=f"test: {self.test}", suffix="test")
        return self


def _spellings(value: Any) -> Any:
    """`[a, b]` as `{a: [a], b: [b]}`; one spelling needs no list."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return {as_label(name): each if isinstance(each, list) else [each] for name, each in value.items()}
    return value


class Data(Frozen):
    """Where the data come from, what is predicted, what is checked."""

    source: str = Field(
        description="a catalogue name, a file (.csv, .tsv, .xlsx, .xls, .parquet, .npz), a folder of Parquet or IDX "
        "files, or one with a folder of images or WAV files for each class"
    )
    target: str | None = Field(None, description="the column to predict; None: the catalogue's own")
    task: Literal["classification", "regression"] | None = Field(None, description="None: from the target's values")
    positive: Label | None = Field(
        None,
        description="the class that recall, precision, F1 and PR AUC speak of; None: of 0/1, true/false, yes/no and "
        "the like the true one, else the rarer one in training; of more than two classes: all alike (macro)",
    )
    classes: Annotated[list[Label] | dict[str, list[Label]], BeforeValidator(_spellings)] | None = Field(
        None,
        description="the classes in order, as a list, or as a mapping {yes: [Yes, YES]} that joins spellings; rows of "
        "others are left out; None: all",
    )
    text: Annotated[str | list[str], Field(min_length=1)] | None = Field(
        None, description="the column of free text, or a list of them; the other columns are inputs too"
    )
    tokens: Literal["words", "trigrams"] | None = Field(
        None, description="what texts are divided into: words (None), or every three neighbouring characters"
    )
    features: list[str] | None = Field(None, description="the only columns used as inputs; None: all")
    drop: list[str] = Field(default=[], description="columns not used as inputs")
    columns: Annotated[dict[str, Column], BeforeValidator(_no_list)] = Field(
        default={}, description="what columns mean, by name, where that can't be told from their values"
    )
    rows: Count | None = Field(None, description="use a seeded random sample of so many rows")
    memory: Size | None = Field(
        None, description="Parquet that decoded needs more is streamed; None: a quarter of the machine's, at most 4 GB"
    )
    seconds: Positive | None = Field(
        None, description="length to which sounds are cut or padded with silence; None: the longest one's"
    )
    unreadable: Literal["block", "skip"] = Field(
        "block", description="inputs that can't be used (broken files, blank texts): refuse the data, or leave them out"
    )
    read: Read = Field(Read(), description="how a CSV, TSV or Excel file is read")
    split: Split = Field(Split(), description="how rows are divided into train, val and test")
    checks: list[CheckEntry] = Field(default=[], description="Great Expectations, or this project's checks, by name")

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if self.features is not None and self.drop:
            raise problem("features and drop exclude each other", got="both", accepted="one of them", suffix="drop")
        self._check_classes()
        self._check_columns()
        self._check_texts()
        return self

    @property
    def texts(self) -> list[str]:
        """The columns that the spec calls texts."""
        named = [self.text] if isinstance(self.text, str) else self.text or []
        return list(dict.fromkeys([*named, *(name for name, meant in self.columns.items() if meant.kind == "text")]))

    def _check_texts(self) -> None:
        for name in self.texts:
            meant = self.columns.get(name)
            if name == self.target:
                raise problem("names the target", got=name, suffix="text", remedy="choose another column")
            if meant is not None and meant.kind != "text":
                raise problem(f"{name} is a text, and a {meant.kind} in columns", suffix="text", remedy="keep one")
            if name in self.drop:
                raise problem(f"{name} is a text, and dropped", suffix="drop", remedy="keep one")
            if self.features is not None and name not in self.features:
                said = f"{name} is a text, and not in features, the only inputs"
                raise problem(said, suffix="features", remedy=f"add {name} to features, or take it out of text")

    def _check_columns(self) -> None:
        for name, meant in self.columns.items():
            used = meant.kind != "ignore"
            if name in self.drop and used:
                raise problem(
                    f"{name} is dropped, and a {meant.kind} here", suffix=f"columns.{name}", remedy="keep one"
                )
            if self.features is not None and (name in self.features) != used:
                said = f"is a {meant.kind} here" if used else "is ignored here"
                other = "not in features" if used else "in features"
                raise problem(f"{name} {said}, and {other}", suffix=f"columns.{name}", remedy="keep one")

    def _check_classes(self) -> None:
        if self.classes is None:
            return
        spelled = [each for spellings in self.spellings.values() for each in spellings]
        twice = sorted({each for each in spelled if spelled.count(each) > 1})
        if twice:
            raise problem("a value means one class", got=f"{twice[0]} twice", suffix="classes", remedy="keep one")
        if len(self.spellings) < 2:
            raise problem("there is nothing to tell apart", got="one class", accepted="two or more", suffix="classes")
        if self.positive is not None and self.positive not in self.spellings:
            accepted = nearest(self.positive, self.spellings)
            raise problem("is none of data.classes", got=self.positive, accepted=accepted, suffix="positive")

    @property
    def spellings(self) -> dict[str, list[str]]:
        """Class to the values that mean it; empty where all values are classes of their own."""
        if isinstance(self.classes, list):
            return {name: [name] for name in self.classes}
        return dict(self.classes or {})


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


Loss = Literal["cross_entropy", "squared_error", "focal"]
"""What a classifier's steps make smaller: the cross-entropy, the mean squared error of its probabilities, or the focal
loss with gamma 2 (Lin et al. 2017), in which rows that are sure already count little."""


class Train(Frozen):
    """What is held still: the same for every recipe, unless `compare` names it."""

    optimizer: OptimizerEntry = Field(default="adam", validate_default=True, description="the update rule")
    learning_rate: Positive | None = Field(None, description="None: the optimizer's own")
    schedule: ScheduleEntry = Field(
        default="constant", validate_default=True, description="how the learning rate changes from step to step"
    )
    regularisation: Regularisation = Field(Regularisation(), description="what holds the weights back")
    clipping: Clipping = Field(Clipping(), description="gradient clipping, one way at most")
    averaging: AveragingEntry = Field(
        default="none",
        validate_default=True,
        description="average of the weights that is evaluated and kept in their place",
    )
    augmentation: AugmentationEntry = Field(
        None, description="changes of the training rows, for the training part alone; None: none"
    )
    imbalance: Imbalance = Field("none", description="classification only, the training part alone")
    loss: Loss = Field(
        "cross_entropy",
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
    averaging: list[AveragingEntry] | None = Field(None, min_length=1, description="values of train.averaging")
    augmentation: list[AugmentationEntry] | None = Field(None, min_length=1, description="values of train.augmentation")
    imbalance: list[Imbalance] | None = Field(None, min_length=1, description="values of train.imbalance")
    loss: list[Loss] | None = Field(None, min_length=1, description="values of train.loss")
    rows: list[Count | None] | None = Field(None, min_length=1, description="values of train.rows")
    batch_size: list[BatchSize] | None = Field(None, min_length=1, description="values of train.batch_size")
    epochs: list[Epochs] | None = Field(None, min_length=1, description="values of train.epochs")
    early_stopping: list[EarlyStopping | None] | None = Field(
        None, min_length=1, description="values of train.early_stopping"
    )
    model: list[ModelEntry] | None = Field(None, min_length=1, description="values of model")
    method: list[Method] | None = Field(None, min_length=1, description="of the search: a recipe for each")


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
        "training, choosing recipe and threshold) is repeated without them; for few rows; None: the test part judges",
    )
    repeats: int = Field(1, ge=1, le=50, description="how often all rows are divided into folds, each time anew")

    @model_validator(mode="after")
    def _judged_out_of_fold(self) -> Self:
        if self.folds is None and self.repeats > 1:
            raise problem("repeats folds, and there are none", got=f"repeats: {self.repeats}", suffix="repeats")
        if self.folds is not None and self.slices:
            raise problem(
                "slices are not judged out of fold yet",
                got=f"folds: {self.folds}",
                suffix="slices",
                remedy="take evaluate.slices or evaluate.folds out",
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


class Report(Frozen):
    """What the report may show."""

    show_examples: bool = Field(
        False,
        description="show the values of the rows that the shipped model is most wrong about, and of some rows beside "
        "their errors: in the report and in previews/inspection.json; rows may be private, so not unless asked for",
    )


def checked_name(name: str) -> str:
    """An experiment's name, which becomes part of a folder's."""
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
        check_folds(self.evaluate.repeats, self.data.split, tuned=self.tune is not None)
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


def check_folds(repeats: int, split: Split, *, tuned: bool) -> None:
    """Refuses what does not go with `evaluate.folds`."""
    for name in ("test", "hold_out", "given"):
        if getattr(split, name) is not None:
            raise problem(
                f"there is no test part where folds are held out in turn (evaluate.folds): {name} has no effect",
                suffix=f"data.split.{name}",
                remedy=f"take data.split.{name} or evaluate.folds out",
            )
    if tuned:
        raise problem(
            "a search inside each fold is not done yet, and one outside would have seen the rows that judge",
            got="evaluate.folds and tune",
            suffix="tune",
            remedy="take tune out, and write the settings to be compared under compare; or take evaluate.folds out",
        )
    if split.time is not None and repeats > 1:
        raise problem(
            "folds forward in time are always the same, so there is nothing to repeat",
            got=f"repeats: {repeats}",
            accepted="1",
            suffix="evaluate.repeats",
        )


def metrics_named(spec: Spec) -> dict[str, str]:
    """By place in the spec the metric that it names; of a fairness difference see `tasks.datasets.slices`."""
    named = {"evaluate.metric": spec.evaluate.metric} if spec.evaluate.metric else {}
    named |= {f"evaluate.also[{index}]": name for index, name in enumerate(spec.evaluate.also)}
    gated = {f"gates[{index}].metric": gate.metric for index, gate in enumerate(spec.gates)}
    return named | {place: name for place, name in gated.items() if name in METRICS}


def implied_task(spec: Spec) -> str | None:
    """The task that every metric named in the spec is for; None where none is named, or they are for different ones."""
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

    It reads as a spec again: what is compared stands nowhere else, nor does an optimizer's own learning rate where one
    is given beside it.
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
