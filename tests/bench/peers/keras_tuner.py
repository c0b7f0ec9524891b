"""KerasTuner's RandomSearch over the recipes."""

from __future__ import annotations

import tempfile
from typing import Any

from tests.bench.peers import fit as keras_fit
from tests.bench.peers import searched_fit
from tests.bench.searches import Drawn, Searched, SearchWork
from tests.bench.work import Trained, Work

SAMPLED = True


def open_device(work: Work | None = None) -> None:
    import keras_tuner  # noqa: F401
    from tensorboard.plugins.hparams import api  # noqa: F401 - KerasTuner's, and slow

    keras_fit.open_device(work)


def train(work: Work) -> list[Trained]:
    import keras_tuner

    by_index = {recipe.index: recipe for recipe in work.recipes}
    result: list[Trained] = []

    class Recipes(keras_tuner.HyperModel):
        def build(self, hp: Any) -> Any:
            return keras_fit.compiled(work, by_index[hp.Choice("recipe", list(by_index))])

        def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
            clock = keras_fit.epoch_clock()
            callbacks = [*kwargs.pop("callbacks"), clock]
            history = model.fit(*args, callbacks=callbacks, **kwargs)
            recipe = by_index[hp.get("recipe")]
            result.append(keras_fit.trained(work, recipe, model, history.history, clock))
            return history

    with tempfile.TemporaryDirectory() as folder:
        tuner = keras_tuner.RandomSearch(
            Recipes(),
            objective="val_loss",
            max_trials=len(work.recipes),
            seed=0,
            directory=folder,
            overwrite=True,
        )
        tuner.search(
            work.arrays.train.inputs,
            work.arrays.train.targets,
            batch_size=work.workload.batch_size,
            epochs=work.epochs,
            validation_data=(work.arrays.val_inputs, work.arrays.val_targets),
            callbacks=[keras_fit.early_stopping(work)],
            verbose=0,
        )
    return result


def search(work: SearchWork) -> list[Searched]:
    """Searches a space by KerasTuner's RandomSearch."""
    import keras_tuner

    search, arrays = work.search, work.arrays
    result: list[Searched] = []

    class Settings(keras_tuner.HyperModel):
        def build(self, hp: Any) -> Any:
            return searched_fit.compiled(work, arrays, drawn(hp))

        def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
            history = model.fit(*args, batch_size=drawn(hp).get("batch_size", search.batch_size), **kwargs)
            result.append(searched_fit.outcome(arrays, history.history))
            return history

    def drawn(hp: Any) -> Drawn:
        return search.drawn(hp.Choice, lambda name, low, high: hp.Float(name, low, high, sampling="log"))

    with tempfile.TemporaryDirectory() as folder:
        tuner = keras_tuner.RandomSearch(
            Settings(), objective="val_loss", max_trials=work.settings, seed=work.turn, directory=folder, overwrite=True
        )
        tuner.search(**searched_fit.arguments(work, arrays))
    return result
