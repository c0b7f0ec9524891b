"""What acts on a trial after each evaluation, beside the Keras callbacks of the same rules."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.training.schedules import SCHEDULES
from tasks.training.trial import Outcome, Stopping, Trial
from tasks.training.watch import Watch, kept_step
from tests.small_trials import trial_of

LOSSES = {
    "falls": [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3],
    "rises": [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0],
    "stays": [0.5] * 14,
    "falls by little": [0.5 - 0.01 * step for step in range(14)],
    "falls, then rises": [0.9, 0.7, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9],
    "rises, then falls": [0.5, 0.6, 0.7, 0.65, 0.55, 0.4, 0.45, 0.5, 0.3, 0.35],
    "up and down": [0.9, 1.0, 0.8, 0.95, 0.85, 0.7, 0.9, 0.72, 0.71, 0.69, 0.7, 0.68, 0.9],
}


class Seen(NamedTuple):
    """What a sequence of evaluations led to.

    Args:
        steps: Evaluations until training stopped.
        kept: After which the weights stood that are kept at the end.
        rates: The learning rate's factor after each evaluation.
    """

    steps: int
    kept: int
    rates: list[float]


def ours(trial: Trial, losses: list[float]) -> Seen:
    watch, rates = Watch(Outcome(trial)), []
    for step, loss in enumerate(losses, 1):
        watch.after_evaluation(step, step, {"train_loss": 1.0, "val_loss": loss})
        rates.append(watch.factor)
        if not watch.running:
            break
    return Seen(watch.outcome.steps, watch.outcome.best_step, rates)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    return model


def in_keras(model: keras.Model, losses: list[float], *callbacks: keras.callbacks.Callback) -> Seen:
    """Tells the callbacks of the losses; the model's only weight is the number of the epoch."""
    model.stop_training = False
    model.optimizer.learning_rate.assign(1.0)
    rates = []
    for callback in callbacks:
        callback.set_model(model)
        callback.on_train_begin()
    for epoch, loss in enumerate(losses):
        model.set_weights([np.array([[epoch + 1.0]])])
        for callback in callbacks:
            callback.on_epoch_end(epoch, {"val_loss": loss})
        rates.append(float(model.optimizer.learning_rate))
        if model.stop_training:
            break
    for callback in callbacks:
        callback.on_train_end()
    return Seen(len(rates), int(model.get_weights()[0][0, 0]), rates)


def same(one: Seen, other: Seen) -> bool:
    return one[:2] == other[:2] and np.allclose(one.rates, other.rates, rtol=1e-6)


STOPPINGS = [
    Stopping(patience, min_delta, restore_best)
    for patience in (1, 2, 3, 5)
    for min_delta in (0.0, 0.015, 0.11)
    for restore_best in (True, False)
]


def early_stopping(rule: Stopping) -> keras.callbacks.Callback:
    return keras.callbacks.EarlyStopping(
        patience=rule.patience,
        min_delta=rule.min_delta,
        restore_best_weights=rule.restore_best,
    )


@pytest.mark.parametrize("losses", LOSSES)
def test_early_stopping_is_that_of_keras(losses: str, model: keras.Model) -> None:
    for rule in STOPPINGS:
        theirs = in_keras(model, LOSSES[losses], early_stopping(rule))
        assert same(ours(trial_of(stopping=rule), LOSSES[losses]), theirs), rule


PLATEAUS: list[dict[str, Any]] = [
    {"patience": patience, "cooldown": cooldown, "min_delta": min_delta, "factor": factor, "min_factor": min_factor}
    for patience in (1, 2, 3)
    for cooldown in (0, 1, 2, 3)
    for min_delta in (0.0, 0.015, 0.11)
    for factor, min_factor in ((0.5, 0.0), (0.5, 0.2), (0.1, 0.05), (0.1, 0.01))
]


def reduction(rule: dict[str, Any]) -> keras.callbacks.Callback:
    arguments = {name: value for name, value in rule.items() if name != "min_factor"}
    return keras.callbacks.ReduceLROnPlateau(min_lr=rule["min_factor"], **arguments)


@pytest.mark.parametrize("losses", LOSSES)
def test_reduction_on_plateau_is_that_of_keras(losses: str, model: keras.Model) -> None:
    reduced = 0
    for rule in PLATEAUS:
        trial = trial_of(schedule=SCHEDULES["plateau"](**rule))
        found, theirs = ours(trial, LOSSES[losses]), in_keras(model, LOSSES[losses], reduction(rule))
        assert same(found, theirs), rule
        reduced += found.rates[-1] < 1
    assert reduced or losses == "falls"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 12).map(lambda tenth: tenth / 10), min_size=1, max_size=16),
    st.sampled_from(STOPPINGS),
    st.sampled_from(PLATEAUS),
)
def test_both_rules_together_are_those_of_keras(losses: list[float], stopping: Stopping, plateau: dict) -> None:
    network = keras.Sequential([keras.Input([1]), keras.layers.Dense(1, use_bias=False)])
    network.compile(keras.optimizers.SGD(1.0), "mse")
    trial = trial_of(stopping=stopping, schedule=SCHEDULES["plateau"](**plateau))
    theirs = in_keras(network, losses, reduction(plateau), early_stopping(stopping))
    assert same(ours(trial, losses), theirs)


@settings(max_examples=300)
@given(
    st.sampled_from(list(LOSSES.values())) | st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.9]), max_size=12),
    st.none() | st.builds(Stopping, st.integers(2, 4), st.sampled_from([0.0, 0.015, 0.15, 5.0]), st.booleans()),
)
def test_the_kept_step_is_the_watchs_best_step(losses: list[float], stopping: Stopping | None) -> None:
    """Of all evaluations that the watch saw, and of the first of them."""
    watch, seen = Watch(Outcome(trial_of(stopping=stopping))), []
    for step, loss in enumerate(losses, 1):
        if not watch.running:
            break
        watch.after_evaluation(1, step, {"train_loss": 1.0, "val_loss": loss})
        seen.append((step, loss))
        assert kept_step(stopping, seen) == watch.outcome.best_step
    assert kept_step(stopping, []) == 0


def test_a_resumed_watch_goes_on_where_it_stood() -> None:
    rule = {"patience": 2, "cooldown": 2, "factor": 0.5}
    trial = trial_of(stopping=Stopping(6, 0.0, True), schedule=SCHEDULES["plateau"](**rule))
    losses = LOSSES["up and down"]
    for pause in range(1, len(losses)):
        whole, first, second = (Watch(Outcome(trial)) for _ in range(3))
        for step, loss in enumerate(losses, 1):
            values = {"train_loss": 1.0, "val_loss": loss}
            whole.after_evaluation(1, step, values)
            if step == pause + 1:
                second.resume(first.state())
            (first if step <= pause else second).after_evaluation(1, step, values)
        assert second.state() == whole.state()
