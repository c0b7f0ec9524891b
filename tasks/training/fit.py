"""The fallback trainer: one trial at a time through `keras.Model.fit`, with the records of the stacked trainer.

For models that a stack does not understand. The same seed gives the same initial weights and the same order of batches
as in a stack.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.training.trial import (
    Arrays,
    EpochWatch,
    Outcome,
    Progress,
    Trial,
    learning_rates,
)

if TYPE_CHECKING:
    import keras


def train_fit(trials: Sequence[Trial], arrays: Arrays, *, progress: Progress | None = None) -> list[Outcome]:
    """Trains each trial by `Model.fit`; arguments and outcomes as in `train_stack`."""
    total = sum(trial.epochs * arrays.steps_per_epoch(trial.batch_size) for trial in trials)
    outcomes: list[Outcome] = []
    done = 0
    for trial in trials:

        def report(step: int, before: int = done) -> None:
            if progress:
                progress(before + step, total)

        outcomes.append(_fit(trial, arrays, report))
        done += trial.epochs * arrays.steps_per_epoch(trial.batch_size)
    return outcomes


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
    return getattr(keras.optimizers, trial.optimizer.keras_class)(
        learning_rate=float(rates[0]),
        weight_decay=trial.weight_decay or None,
        **trial.optimizer.keras_arguments,
        **{name: value for name, value in clipping.items() if value},
    )


def compile_model(model: keras.Model, trial: Trial, rates: np.ndarray, classes: int | None) -> None:
    """Compiles a network with the trial's loss and optimizer."""
    import keras

    if classes is None:
        model.compile(keras_optimizer(trial, rates), keras.losses.MeanSquaredError())
    elif trial.label_smoothing:
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=trial.label_smoothing)
        model.compile(keras_optimizer(trial, rates), loss)
    else:
        model.compile(keras_optimizer(trial, rates), keras.losses.SparseCategoricalCrossentropy(from_logits=True))


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


def _fit(trial: Trial, arrays: Arrays, progress: Callable[[int], None]) -> Outcome:
    import keras

    started = time.monotonic()
    steps = arrays.steps_per_epoch(trial.batch_size)
    rates = learning_rates(trial, steps)
    feed = arrays.train
    model = trial.architecture.build(feed.shape, arrays.outputs, penalties=trial.penalties, seed=trial.seed)
    compile_model(model, trial, rates, arrays.classes)
    inputs, targets = np.empty([feed.rows, *feed.shape], feed.dtype), np.empty(feed.rows, feed.target_dtype)
    outcome = Outcome(trial)
    watch = EpochWatch(outcome)

    class Rates(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.model.optimizer.learning_rate.assign(epoch_rates[batch])

    for epoch in range(trial.epochs):
        epoch_rates = rates[epoch * steps : (epoch + 1) * steps] * watch.factor
        feed.fill(trial.seed, epoch, feed.order(trial.seed, epoch)[:], inputs, targets)
        history = model.fit(
            inputs,
            np.eye(arrays.outputs, dtype="float32")[targets] if trial.label_smoothing else targets,
            batch_size=trial.batch_size,
            shuffle=False,  # the order is the stack's; a PyDataset would not keep it
            verbose=0,
            callbacks=[Rates()],
        )
        step = (epoch + 1) * steps
        losses = {"train_loss": float(history.history["loss"][0]), **_validate(model, arrays)}
        if watch.after_epoch(epoch + 1, step, {**losses, "learning_rate": float(epoch_rates[-1])}):
            outcome.weights = model.get_weights()
        progress(step)
        if not watch.running:
            break
    if outcome.status == "ok":
        model.set_weights(outcome.weights)
        outcome.outputs = {name: model.predict(x, batch_size=1024, verbose=0) for name, x in arrays.to_score.items()}
    else:
        outcome.weights = None
    outcome.seconds = time.monotonic() - started
    return outcome
