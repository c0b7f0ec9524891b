"""The fallback trainer: one trial at a time through `keras.Model.fit`, with the records of the stacked trainer.

It trains models that can't be stacked. The same seed gives the same initial weights and the same order of batches as in
a stack. `Model.fit` is called for the batches between two evaluations, or up to the end of an epoch. Each call goes on
from the weights of the call before, so the cuts change no weight.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.training.embeddings import bins_of, place_of_bins, with_bins
from tasks.training.fit_averages import FitAverages
from tasks.training.fit_saved import FitState
from tasks.training.fit_signals import FitSignals
from tasks.training.noise import with_noise
from tasks.training.saved import Checkpoint
from tasks.training.signals import Signal, recorded_at
from tasks.training.trial import (
    Arrays,
    ArraysByFold,
    InputRows,
    Outcome,
    Progress,
    Trial,
    by_fold,
    learning_rates,
)
from tasks.training.watch import Watch

if TYPE_CHECKING:
    import keras


def train_fit(
    trials: Sequence[Trial],
    arrays: Arrays | ArraysByFold,
    *,
    signals: bool = False,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> list[Outcome]:
    """Trains each trial by `Model.fit`; arguments and outcomes as in `train_stack`.

    Args:
        checkpoint: For a single trial.
    """
    assert checkpoint is None or len(trials) == 1
    folds = by_fold(arrays, trials)
    total = sum(trial.epochs * folds[trial.fold].steps_per_epoch(trial.batch_size) for trial in trials)
    outcomes: list[Outcome] = []
    done = 0
    for trial in trials:

        def report(step: int, before: int = done) -> None:
            if progress:
                progress(before + step, total)

        outcomes.append(_fit(trial, folds[trial.fold], report, signals, checkpoint))
        done += trial.epochs * folds[trial.fold].steps_per_epoch(trial.batch_size)
    return outcomes


def fit_outputs(
    trial: Trial, weights: Sequence[np.ndarray], parts: Mapping[str, InputRows], *, classes: int | None
) -> dict[str, np.ndarray]:
    """Computes a trial's outputs with the weights that it kept, by part: float32 `[rows, outputs]`, logits or
    standardised values.

    Args:
        weights: In the order of the Keras model's `weights`.
        parts: Inputs by name.
        classes: None for regression.
    """
    shape = tuple(next(iter(parts.values())).shape[1:])
    model = trial.architecture.build(shape, classes or 1, penalties=trial.penalties)
    model.set_weights(list(weights))
    return _outputs(model, parts)


def _outputs(model: keras.Model, parts: Mapping[str, InputRows]) -> dict[str, np.ndarray]:
    return {name: model.predict(inputs, batch_size=1024, verbose=0) for name, inputs in parts.items()}


def keras_optimizer(trial: Trial, rates: np.ndarray) -> Any:
    """The Keras twin of a trial's optimizer, with its learning rate of the first step, decay and clipping."""
    import keras

    if trial.optimizer.keras_class is None:
        raise ValueError(f"{trial.optimizer} has no Keras twin")
    clipping = {
        "clipvalue": trial.clip.value,
        "clipnorm": trial.clip.norm,
        "global_clipnorm": trial.clip.global_norm,
    }
    decay = trial.averaging.decay
    averaging = {} if decay is None else {"use_ema": True, "ema_momentum": decay}
    twin = getattr(keras.optimizers, trial.optimizer.keras_class)
    if trial.noise.eta:
        twin = with_noise(twin, trial.noise, trial.seed)
    return twin(
        learning_rate=float(rates[0]),
        weight_decay=trial.weight_decay or None,
        **trial.optimizer.keras_arguments,
        gradient_accumulation_steps=trial.accumulation if trial.accumulation > 1 else None,
        **averaging,
        **{name: value for name, value in clipping.items() if value},
    )


def compile_model(model: keras.Model, trial: Trial, rates: np.ndarray, classes: int | None) -> None:
    """Compiles a network with the trial's loss and optimizer."""
    import keras

    if classes is None:
        model.compile(keras_optimizer(trial, rates), keras.losses.MeanSquaredError())
    elif trial.squared_error:
        model.compile(keras_optimizer(trial, rates), _squared_error(trial.label_smoothing))
    elif trial.focal:
        focal = keras.losses.CategoricalFocalCrossentropy(
            alpha=1.0, gamma=trial.focal, from_logits=True, label_smoothing=trial.label_smoothing
        )
        model.compile(keras_optimizer(trial, rates), focal)
    elif trial.label_smoothing:
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=trial.label_smoothing)
        model.compile(keras_optimizer(trial, rates), loss)
    else:
        model.compile(keras_optimizer(trial, rates), keras.losses.SparseCategoricalCrossentropy(from_logits=True))


def _squared_error(smoothing: float) -> Callable[[Any, Any], Any]:
    """The squared error of probabilities from logits, mean over the classes."""
    import keras

    def squared_error(hot: Any, outputs: Any) -> Any:
        wanted = hot * (1 - smoothing) + smoothing / hot.shape[-1]
        return keras.losses.mean_squared_error(wanted, keras.ops.softmax(outputs))

    return squared_error


def _validate(model: keras.Model, arrays: Arrays) -> dict[str, float]:
    """Validation loss (with penalties, without label smoothing) and accuracy or RMSE."""
    import keras

    outputs = model.predict(arrays.val_inputs, batch_size=1024, verbose=0)
    penalty = float(keras.ops.convert_to_numpy(sum(model.losses))) if model.losses else 0.0
    if arrays.classes is None:
        mean = float(np.mean(np.square(outputs[:, 0] - arrays.val_targets)))
        return {"val_loss": mean + penalty, "val_rmse": float(np.sqrt(mean)) * arrays.target_scale}
    loss = keras.losses.sparse_categorical_crossentropy(arrays.val_targets, outputs, from_logits=True)
    accuracy = float(np.mean(outputs.argmax(1) == arrays.val_targets))
    return {"val_loss": float(keras.ops.convert_to_numpy(loss).mean()) + penalty, "val_accuracy": accuracy}


def _fit(
    trial: Trial, arrays: Arrays, progress: Callable[[int], None], signals: bool, checkpoint: Checkpoint | None
) -> Outcome:
    started = time.monotonic()
    steps_per_epoch = arrays.steps_per_epoch(trial.batch_size)
    total = trial.epochs * steps_per_epoch
    interval = trial.evaluate_every or steps_per_epoch
    rates = learning_rates(trial, steps_per_epoch)
    model = trial.architecture.build(arrays.train.shape, arrays.outputs, penalties=trial.penalties, seed=trial.seed)
    if trial.initial_seed != trial.seed:  # only the weights are of that seed: layers draw dropout with the trial's own
        other = trial.architecture.build(arrays.train.shape, arrays.outputs, seed=trial.initial_seed)
        model.set_weights(other.get_weights())
    if place_of_bins(model) is not None:
        model.set_weights(with_bins(model, model.get_weights(), bins_of(model, arrays.train)))
    compile_model(model, trial, rates, arrays.classes)
    rows = _EpochRows(trial, arrays)
    weights = None
    if trial.class_weights:
        assert arrays.class_weights is not None
        weights = dict(enumerate(arrays.class_weights.tolist()))
    outcome = Outcome(trial)
    watch = Watch(outcome)
    averages = FitAverages(model, trial, steps_per_epoch, rows.batches)
    looks = FitSignals(model, trial, arrays) if signals else None
    if looks:
        outcome.signals += _rows_of(looks.at_start(), 0, 0)
    state = FitState(model, watch, averages, checkpoint) if checkpoint else None
    step, spent = state.load() if state else 0, outcome.seconds
    while watch.running and step < total:
        first, step = step, min(step + interval, total)
        span_rates = rates[first:step] * watch.factor
        epoch = -(-step // steps_per_epoch)
        looked = looks if recorded_at(step, interval, total) else None
        train_loss, before = _train(model, rows, range(first, step), span_rates, weights, looked, averages)
        with averages.evaluated(step):
            values = {"train_loss": train_loss, **_validate(model, arrays), "learning_rate": float(span_rates[-1])}
            evaluated = model.get_weights()
        if looked:
            outcome.signals += _rows_of(looked.at_evaluation(before, values["val_loss"]), epoch, step)
        if watch.after_evaluation(epoch, step, values):
            outcome.weights = evaluated
        outcome.seconds = spent + time.monotonic() - started
        if state:
            state.save_if_due(step)
        progress(step)
    if outcome.status == "ok":
        model.set_weights(outcome.weights)
        outcome.outputs = _outputs(model, arrays.to_score)
    else:
        outcome.weights = None
    outcome.seconds = spent + time.monotonic() - started
    return outcome


class _EpochRows:
    """A trial's training rows in the order of their epochs, in memory that is allocated once."""

    def __init__(self, trial: Trial, arrays: Arrays) -> None:
        self.feed, self.seed, self.batch_size = arrays.train, trial.seed, trial.batch_size
        self.steps_per_epoch = arrays.steps_per_epoch(trial.batch_size)
        hot = trial.label_smoothing or trial.squared_error or trial.focal
        self._labels = np.eye(arrays.outputs, dtype="float32") if hot else None
        self._inputs = np.empty([self.feed.rows, *self.feed.shape], self.feed.dtype)
        self._targets = np.empty(self.feed.rows, self.feed.target_dtype)
        self._epoch = -1

    def batches(self, epoch: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and targets of an epoch's batches `start:stop`, all counted from 0; valid until the next call."""
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self.feed.order(self.seed, epoch)
        picked = self._order[start * self.batch_size : stop * self.batch_size]
        inputs, targets = self._inputs[: len(picked)], self._targets[: len(picked)]
        self.feed.fill(self.seed, epoch, picked, inputs, targets)
        return inputs, targets if self._labels is None else self._labels[targets]


def _rows_of(signals: Sequence[Signal], epoch: int, step: int) -> list[tuple[int, int, str | None, str, float]]:
    """Signals as an outcome keeps them; values that are not finite are left out."""
    rows = [(epoch, step, each.layer, each.name, float(each.values[0, 0])) for each in signals]
    return [row for row in rows if np.isfinite(row[-1])]


def _train(
    model: keras.Model,
    rows: _EpochRows,
    steps: range,
    rates: np.ndarray,
    class_weights: dict[int, float] | None,
    looks: FitSignals | None,
    averages: FitAverages,
) -> tuple[float, list[np.ndarray]]:
    """Takes these steps, counted over all epochs, each at its own learning rate. Returns the mean loss over the rows,
    and, where `looks` is given, the trainable weights before the last update."""
    import keras

    before: list[np.ndarray] = []
    trained: list[np.ndarray] = []

    class Rates(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.model.optimizer.learning_rate.assign(rates[done + batch])
            if looks and done + batch == max(len(steps) - accumulation, 0):
                before.extend(looks.weights())

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            trained[:] = self.model.get_weights()  # with `use_ema`, `fit` ends with the average instead

    accumulation = model.optimizer.gradient_accumulation_steps or 1
    loss, seen, done = 0.0, 0, 0
    while done < len(steps):
        epoch, start = divmod(steps[done], rows.steps_per_epoch)
        stop = min(start + len(steps) - done, rows.steps_per_epoch)
        inputs, targets = rows.batches(epoch, start, stop)
        history = model.fit(
            inputs,
            targets,
            batch_size=rows.batch_size,
            shuffle=False,  # the order is the stack's; a PyDataset would not keep it
            verbose=0,
            class_weight=class_weights,
            callbacks=[Rates()],
        )
        loss += float(history.history["loss"][0]) * len(inputs)
        seen += len(inputs)
        done += stop - start
        if model.optimizer.use_ema:
            model.set_weights(trained)
        averages.after_steps(steps[0] + done)
    return loss / seen, before
