"""What both trainers take and give: a trial, the arrays it learns from, and its outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from tasks.training.models import Architecture, Penalties
from tasks.training.optimizers import Optimizer
from tasks.training.schedules import Schedule

Progress = Callable[[int, int], None]
"""Called between epochs with (steps done, steps in all) of the stack in flight."""


@dataclass(frozen=True)
class Stopping:
    """Early stopping on the validation loss, as keras.callbacks.EarlyStopping."""

    patience: int
    min_delta: float
    restore_best: bool


@dataclass(frozen=True)
class Clip:
    """Gradient clipping; None: not that way. At most one is set."""

    value: float | None = None
    norm: float | None = None
    global_norm: float | None = None


@dataclass(frozen=True)
class Trial:
    """One variant under one seed, everything bound. Equal seeds share initial weights and the order of batches."""

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
    clip: Clip = Clip()
    stopping: Stopping | None = None


@dataclass(frozen=True)
class Arrays:
    """Preprocessed inputs and targets.

    Args:
        train_inputs: float32 `[rows, features]` or `[rows, height, width, channels]`, or int32 tokens `[rows, length]`.
        train_targets: int64 class indices `[rows]`, or the standardised value, float32 `[rows]`.
        val_inputs, val_targets: Likewise.
        classes: Number of classes, or None for regression.
        target_scale: The standard deviation that a standardised target was divided by (1 for classification).
        to_score: Inputs by name whose outputs under the kept weights are wanted; never trained on.
    """

    train_inputs: np.ndarray
    train_targets: np.ndarray
    val_inputs: np.ndarray
    val_targets: np.ndarray
    classes: int | None
    target_scale: float = 1.0
    to_score: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def outputs(self) -> int:
        return self.classes or 1

    def steps_per_epoch(self, batch_size: int) -> int:
        """The last, partial batch is trained on as well."""
        return -(-len(self.train_targets) // batch_size)


@dataclass
class Outcome:
    """What became of one trial.

    Args:
        status: `ok` or `diverged` (with the reason).
        weights: The kept weights in the order of the Keras model's `weights`; None where it diverged.
        outputs: What they give for `Arrays.to_score`: float32 `[rows, outputs]`, logits or standardised values.
        curves: `(epoch, step, name, value)`, epochs and steps counted from 1.
        best_step: The step after which the kept weights stood.
        seconds: Wall clock; a stacked trial's share.
    """

    trial: Trial
    status: str = "ok"
    reason: str | None = None
    weights: list[np.ndarray] | None = None
    outputs: dict[str, np.ndarray] = field(default_factory=dict)
    curves: list[tuple[int, int, str, float]] = field(default_factory=list)
    epochs: int = 0
    steps: int = 0
    best_step: int = 0
    seconds: float = 0.0


def batch_order(seed: int, epoch: int, rows: int) -> np.ndarray:
    """The order of the training rows in an epoch (from 0): int64 `[rows]`, a function of seed and epoch only."""
    return np.random.default_rng([seed, epoch]).permutation(rows)


class EpochWatch:
    """What acts between epochs, for one trial: early stopping, reduction on plateau, divergence.

    Both trainers report an epoch's losses here, so they stop, reduce and diverge alike.
    """

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.factor = 1.0  # of the learning rate, from the plateau rule
        self.running = True
        self._best = np.inf
        self._waited = 0
        self._plateau_best = np.inf
        self._plateau_waited = 0
        self._cooling = 0

    def after_epoch(self, epoch: int, step: int, values: dict[str, float]) -> bool:
        """Records an epoch (from 1) and says whether the weights it ended with are to be kept.

        `values` must hold train_loss and val_loss.
        """
        if not self.running:
            return False
        outcome = self.outcome
        outcome.curves += [(epoch, step, name, value) for name, value in values.items() if np.isfinite(value)]
        outcome.epochs, outcome.steps = epoch, step
        losses = (values["train_loss"], values["val_loss"])
        if not np.isfinite(losses).all():
            which = "training" if not np.isfinite(losses[0]) else "validation"
            outcome.status, outcome.reason = (
                "diverged",
                f"the {which} loss became non-finite in epoch {epoch}",
            )
            self.running = False
            return False
        self._plateau(losses[1])
        keep = self._stopping(losses[1])
        if keep:
            outcome.best_step = step
        return keep

    def _stopping(self, loss: float) -> bool:
        stopping = self.outcome.trial.stopping
        if stopping is None:
            return True
        self._waited += 1
        improved = loss + stopping.min_delta < self._best
        if improved:
            self._best, self._waited = loss, 0
        elif self._waited >= stopping.patience:
            self.running = False
        return improved or not stopping.restore_best

    def _plateau(self, loss: float) -> None:
        rule = self.outcome.trial.schedule.plateau
        if rule is None:
            return
        if self._cooling > 0:
            self._cooling -= 1
            self._plateau_waited = 0
        if loss < self._plateau_best - rule.min_delta:
            self._plateau_best, self._plateau_waited = loss, 0
        elif self._cooling <= 0:
            self._plateau_waited += 1
            if self._plateau_waited >= rule.patience and self.factor > rule.min_factor:
                self.factor = max(self.factor * rule.factor, rule.min_factor)
                self._cooling, self._plateau_waited = rule.cooldown, 0


def learning_rates(trial: Trial, steps_per_epoch: int) -> np.ndarray:
    """The learning rate at every step of the trial's budget, float64 `[epochs * steps_per_epoch]`, before plateaus."""
    steps = trial.epochs * steps_per_epoch
    return trial.schedule.learning_rates(trial.learning_rate, steps, steps_per_epoch)


def slices(rows: int, size: int) -> Iterator[slice]:
    """`rows` in consecutive slices of at most `size`."""
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))
