"""What both trainers take and return: a trial, the arrays that it learns from, and its outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from tasks.training.averaging import Averaging
from tasks.training.feed import Feed
from tasks.training.models import Architecture, Penalties
from tasks.training.optimizer import Optimizer
from tasks.training.schedules import Schedule

Progress = Callable[[int, int], None]
"""Called after each evaluation with (steps done, steps in all) of the stack in flight."""


@dataclass(frozen=True)
class Stopping:
    """Early stopping on the validation loss, as keras.callbacks.EarlyStopping; `patience` counts evaluations."""

    patience: int
    min_delta: float
    restore_best: bool


@dataclass(frozen=True)
class Measured:
    """A metric that is in the curves as `val_NAME` after each evaluation.

    Args:
        tasks: The tasks for which it is measured.
        highest: Its highest possible value.
    """

    tasks: tuple[str, ...]
    greater_is_better: bool
    highest: float = np.inf


MEASURED = {
    "loss": Measured(("classification", "regression"), False),
    "accuracy": Measured(("classification",), True, highest=1.0),
    "rmse": Measured(("regression",), False),
}
"""Metrics of the validation part during training: the loss with penalties (of a standardised target in regression), the
share of rows whose class is right, the root mean squared error in the target's unit."""


@dataclass(frozen=True)
class Target:
    """A value of something in `MEASURED`; a trial that reaches it stops."""

    metric: str
    value: float

    def reached(self, values: Mapping[str, float]) -> bool:
        """Whether an evaluation's values, by their names in the curves, are at least as good."""
        there = values[f"val_{self.metric}"]
        return there >= self.value if MEASURED[self.metric].greater_is_better else there <= self.value


@dataclass(frozen=True)
class Clip:
    """Gradient clipping; None: not that way. At most one is set."""

    value: float | None = None
    norm: float | None = None
    global_norm: float | None = None


@dataclass(frozen=True)
class Noise:
    """Gaussian noise on gradients, of variance `eta / (1 + t)^gamma` before update t, from 0; eta 0: none."""

    eta: float = 0.0
    gamma: float = 0.55


@dataclass(frozen=True)
class Trial:
    """One variant under one seed, everything bound. Equal seeds share initial weights and the order of batches.

    Args:
        initial: The seed that the initial weights are drawn with instead; None: `seed`, as all else that is drawn.
        fold: The fold of a cross-validation. It says which `Arrays` the trial learns from.
        squared_error: For classes, whether steps minimise the squared error of the probabilities instead of the
            cross-entropy. Validation always measures the cross-entropy, so that trials can be compared.
        focal: For classes, the power of the focal loss that steps minimise; 0: the cross-entropy. Validation as above.
        evaluate_every: Steps from one evaluation to the next, within epochs and across them; None: an epoch. An
            evaluation follows the last step in any case.
        target: The trial stops once it reaches this; None: it never stops for that.
        class_weights: Whether each training row's loss is multiplied by its class's weight (`Arrays.class_weights`).
        averaging: The average that is evaluated and kept instead of the weights that the steps move.
        accumulation: Steps whose mean gradient makes one update, after the last of them, as Keras's
            `gradient_accumulation_steps`. The update has the learning rate of that last step. Steps are counted across
            the ends of epochs; those that are left over at the end of the training make no update.
        noise: Noise on the gradients of updates.
    """

    trial_id: str
    variant_id: str
    seed: int
    epochs: int
    batch_size: int
    architecture: Architecture
    optimizer: Optimizer
    learning_rate: float
    schedule: Schedule
    penalties: Penalties = Penalties()
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    squared_error: bool = False
    focal: float = 0.0
    clip: Clip = Clip()
    stopping: Stopping | None = None
    evaluate_every: int | None = None
    target: Target | None = None
    class_weights: bool = False
    fold: int | None = None
    averaging: Averaging = Averaging()
    accumulation: int = 1
    noise: Noise = Noise()
    initial: int | None = None

    @property
    def initial_seed(self) -> int:
        """The seed that the initial weights are drawn with."""
        return self.seed if self.initial is None else self.initial

    def retained(self, steps_per_epoch: int) -> np.ndarray:
        """The share of the old average of weights that each step keeps: float64 `[steps]`. As in Keras, a moving
        average begins with the weights after the first update."""
        kept = self.averaging.retained(self.epochs, steps_per_epoch)
        if self.averaging.decay is not None:
            kept[: self.accumulation] = 0.0
        return kept


class InputRows(Protocol):
    """Inputs of rows that are read in consecutive slices: an array, or an object that acts like one."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> Any: ...
    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> np.ndarray: ...


@dataclass(frozen=True)
class Arrays:
    """Preprocessed inputs and targets.

    Args:
        train: The training rows.
        val_inputs: float32 `[rows, features]` or `[rows, height, width, channels]`, or int32 tokens `[rows, length]`.
        val_targets: int64 class indices `[rows]`, or the standardised value, float32 `[rows]`.
        classes: Number of classes, or None for regression.
        target_scale: The standard deviation that a standardised target was divided by (1 for classification).
        class_weights: `[classes]`, by which trials with class weights multiply a training row's loss, as `Model.fit`'s
            `class_weight`: a batch's loss is the sum over its rows, divided by their number. None for regression.
        to_score: Inputs, by name, for which the outputs of the kept weights are wanted.
    """

    train: Feed
    val_inputs: InputRows
    val_targets: np.ndarray
    classes: int | None
    target_scale: float = 1.0
    class_weights: np.ndarray | None = None
    to_score: Mapping[str, InputRows] = field(default_factory=dict)

    @property
    def outputs(self) -> int:
        return self.classes or 1

    def steps_per_epoch(self, batch_size: int) -> int:
        """The last, partial batch is trained on as well."""
        return -(-self.train.rows // batch_size)


ArraysByFold = Mapping[int | None, Arrays]


def by_fold(arrays: Arrays | ArraysByFold, trials: Sequence[Trial]) -> dict[int | None, Arrays]:
    """The arrays of the trials' folds. A single `Arrays` is for trials without folds."""
    given: ArraysByFold = {None: arrays} if isinstance(arrays, Arrays) else arrays
    return {fold: given[fold] for fold in dict.fromkeys(trial.fold for trial in trials)}


@dataclass
class Outcome:
    """What became of one trial.

    Args:
        status: `ok`, `diverged`, or `pruned` where it was dropped before its end.
        reason: Why it diverged or was dropped, or which target it reached and when.
        weights: The kept weights in the order of the Keras model's `weights`; None where it diverged.
        outputs: Outputs of these weights for `Arrays.to_score`: float32 `[rows, outputs]`, logits or standardised
            values.
        curves: `(epoch, step, name, value)`, each step and name once; epochs and steps counted from 1.
        signals: `(epoch, step, layer, name, value)` of `signals`, where they were asked for; those from before the
            first step at epoch and step 0.
        epochs: Epochs trained; the last one may be partial.
        best_step: The step after which the kept weights were taken.
        seconds: Wall-clock time; a stacked trial's share of it.
    """

    trial: Trial
    status: str = "ok"
    reason: str | None = None
    weights: list[np.ndarray] | None = None
    outputs: dict[str, np.ndarray] = field(default_factory=dict)
    curves: list[tuple[int, int, str, float]] = field(default_factory=list)
    signals: list[tuple[int, int, str | None, str, float]] = field(default_factory=list)
    epochs: int = 0
    steps: int = 0
    best_step: int = 0
    seconds: float = 0.0

    def plain(self) -> dict[str, Any]:
        """All but the trial and the arrays, as JSON takes it; `resume` takes it up."""
        return {name: getattr(self, name) for name in _PLAIN}

    def resume(self, plain: Mapping[str, Any]) -> None:
        vars(self).update(plain)
        self.curves = [(epoch, step, name, value) for epoch, step, name, value in self.curves]
        self.signals = [(epoch, step, layer, name, value) for epoch, step, layer, name, value in self.signals]


_PLAIN = ("status", "reason", "curves", "signals", "epochs", "steps", "best_step", "seconds")


def learning_rates(trial: Trial, steps_per_epoch: int) -> np.ndarray:
    """The learning rate at every step of the trial's budget, float64 `[epochs * steps_per_epoch]`, before plateaus."""
    steps = trial.epochs * steps_per_epoch
    return trial.schedule.learning_rates(trial.learning_rate, steps, steps_per_epoch)


def slices(rows: int, size: int) -> Iterator[slice]:
    """`rows` in consecutive slices of at most `size`."""
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))
