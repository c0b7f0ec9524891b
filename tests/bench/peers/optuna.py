"""Optuna around `Model.fit`, with its default sampler."""

from __future__ import annotations

from typing import Any

from tests.bench.peers import fit as keras_fit
from tests.bench.peers import searched_fit
from tests.bench.searches import Searched, SearchWork
from tests.bench.work import Trained, Work

SAMPLED = True


def open_device(work: Work | None = None) -> None:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    keras_fit.open_device(work)


def train(work: Work) -> list[Trained]:
    import optuna

    by_index = {recipe.index: recipe for recipe in work.recipes}
    result: list[Trained] = []

    def objective(trial: Any) -> float:
        one = keras_fit.fit(work, by_index[trial.suggest_categorical("recipe", list(by_index))])
        result.append(one)
        return one.metrics[-1]

    study = optuna.create_study(direction="minimize" if work.arrays.classes is None else "maximize")
    for index in by_index:  # each recipe once, in order, as in the other peers
        study.enqueue_trial({"recipe": index})
    study.optimize(objective, n_trials=len(by_index))
    return result


def search(work: SearchWork) -> list[Searched]:
    """Searches a space by an Optuna study with the random sampler."""
    import optuna

    search, arrays = work.search, work.arrays
    result: list[Searched] = []

    def objective(trial: Any) -> float:
        setting = search.drawn(
            trial.suggest_categorical, lambda name, low, high: trial.suggest_float(name, low, high, log=True)
        )
        model, batch_size = searched_fit.compiled(work, arrays, setting), setting.get("batch_size", search.batch_size)
        history = model.fit(batch_size=batch_size, **searched_fit.arguments(work, arrays))
        result.append(searched_fit.outcome(arrays, history.history))
        return min(history.history["val_loss"])

    optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=work.turn)).optimize(
        objective, n_trials=work.settings
    )
    return result
