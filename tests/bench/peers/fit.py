"""A loop of `Model.fit` over the recipes, as people write it. The other Keras peers use its functions."""

from __future__ import annotations

import time
from typing import Any

from tasks.training.optimizers import OPTIMIZERS
from tests.bench.work import Trained, Work
from tests.bench.workloads import Recipe

SAMPLED = True


def open_device(work: Work | None = None) -> None:
    """Trains a tiny network, so that TensorFlow's start-up time is not scaled up with the sample."""
    import keras
    import numpy as np

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.zeros((4, 2)), np.zeros((4, 1)), validation_split=0.5, verbose=0)


def train(work: Work) -> list[Trained]:
    return [fit(work, recipe) for recipe in work.recipes]


def fit(work: Work, recipe: Recipe, validation_batch_size: int | None = None, **compiling: Any) -> Trained:
    """Builds, compiles and fits one recipe's model; `compiling` goes to `Model.compile`."""
    model, clock = compiled(work, recipe, **compiling), epoch_clock()
    history = model.fit(
        work.arrays.train.inputs,
        work.arrays.train.targets,
        batch_size=work.workload.batch_size,
        epochs=work.epochs,
        validation_data=(work.arrays.val_inputs, work.arrays.val_targets),
        validation_batch_size=validation_batch_size,
        callbacks=[early_stopping(work), clock],
        verbose=0,
    )
    return trained(work, recipe, model, history.history, clock)


def compiled(work: Work, recipe: Recipe, **compiling: Any) -> Any:
    """Returns the recipe's compiled Keras model, ready for `fit`."""
    import keras

    shape = work.arrays.train.shape
    model = work.workload.network.architecture().build(shape, work.arrays.outputs)
    bound = OPTIMIZERS[recipe.optimizer]()
    optimizer = getattr(keras.optimizers, bound.keras_class or "")(
        learning_rate=recipe.learning_rate, weight_decay=bound.weight_decay or None, **bound.keras_arguments
    )
    if work.arrays.classes is None:
        loss, metric = keras.losses.MeanSquaredError(), keras.metrics.RootMeanSquaredError(name="rmse")
    else:
        loss, metric = keras.losses.SparseCategoricalCrossentropy(from_logits=True), "accuracy"
    model.compile(optimizer, loss, metrics=[metric], **compiling)
    return model


def early_stopping(work: Work) -> Any:
    """Returns early stopping that is on but never stops: its patience exceeds the budget."""
    import keras

    return keras.callbacks.EarlyStopping("val_loss", patience=work.epochs + 1, restore_best_weights=True)


def epoch_clock() -> Any:
    """Returns a callback that records the `seconds` of each epoch, validation included."""
    import keras

    class EpochClock(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.seconds: list[float] = []

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self._began = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seconds.append(time.perf_counter() - self._began)

    return EpochClock()


def trained(work: Work, recipe: Recipe, model: Any, history: dict[str, list[float]], clock: Any) -> Trained:
    metrics = [float(value) * work.arrays.target_scale for value in history[work.metric]]
    return Trained(recipe.index, int(model.optimizer.iterations), metrics, clock.seconds[-1])
