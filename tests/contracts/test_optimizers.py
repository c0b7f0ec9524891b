"""Every optimizer of the table gives the numbers of the Keras optimizer of its name, from the same start and batches.

Losses are compared step by step. What is asserted, and why these bounds:

- float32, one trial, without XLA: the same operations in the same order, so bit for bit, on raw columns too.
- float64, stacked, under XLA: products of other shapes round differently in the last digits; 1e-9 after 200 steps.
- float32, stacked, under XLA: likewise; 1e-5 after 50 steps on standardised inputs.
- float32, stacked, under XLA, on raw columns: nothing, for there rounding can grow from step to step, in Keras as
  well. How far both drift is printed (`-s`, or `python -m tests.bench.drift`).
"""

from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import pytest

from tasks.training.models import Penalties
from tasks.training.optimizers import LEARNING_RATES, OPTIMIZERS
from tasks.training.schedules import SCHEDULES
from tasks.training.trial import Clip, Trial
from tests.bench import drift
from tests.contracts.keras_reference import keras_losses
from tests.contracts.one_batch import TWINS, arrays_of, losses_of, trial_of


@pytest.mark.parametrize("raw", [False, True], ids=["standardised", "raw"])
@pytest.mark.parametrize("name", TWINS)
def test_one_trial_in_float32_without_xla_is_keras_bit_for_bit(name: str, raw: bool) -> None:
    trial, arrays = trial_of(name, steps=200), arrays_of(raw=raw)
    (ours,) = losses_of([trial], arrays, xla=False)
    keras = keras_losses(trial, arrays, "float32")
    if name == "adadelta":
        np.testing.assert_allclose(ours, keras, rtol=1e-6)
    else:
        np.testing.assert_array_equal(ours, keras)


def assert_as_keras(trials: list[Trial], dtype: str, rtol: float) -> None:
    arrays = arrays_of()
    for trial, ours in zip(trials, losses_of(trials, arrays, xla=True, dtype=dtype), strict=True):
        np.testing.assert_allclose(ours, keras_losses(trial, arrays, dtype), rtol=rtol, err_msg=trial.trial_id)


def test_a_stack_of_all_in_float64_under_xla_is_keras_to_nine_digits() -> None:
    assert_as_keras([trial_of(name, steps=200) for name in TWINS], "float64", 1e-9)


def test_a_stack_of_all_in_float32_under_xla_is_keras_to_five_digits() -> None:
    assert_as_keras([trial_of(name, steps=50) for name in TWINS], "float32", 1e-5)


@pytest.mark.slow
def test_on_raw_columns_under_xla_drift_is_printed_beside_that_of_keras() -> None:
    drifts = drift.measured()
    print(f"\n{drift.table(drifts)}")
    assert [each.name for each in drifts] == TWINS
    for each in drifts:
        assert np.isfinite(each.ours[np.isfinite(each.keras)]).all(), each.name


VARIATIONS = {
    "value": {"clip": Clip(value=0.01)},
    "norm": {"clip": Clip(norm=0.05)},
    "global norm": {"clip": Clip(global_norm=0.05)},
    "weight decay": {"weight_decay": 0.1},
    "l1 and l2": {"penalties": Penalties(l1=0.001, l2=0.01)},
    "label smoothing": {"label_smoothing": 0.1},
    "focal, gamma 2": {"focal": 2.0},
    "focal, gamma 0.5, smoothed": {"focal": 0.5, "label_smoothing": 0.1},
    "squared error": {"squared_error": True},
    "squared error, smoothed": {"squared_error": True, "label_smoothing": 0.1},
}


@pytest.mark.parametrize("name", ["momentum", "adamw"])
def test_schedules_clipping_and_penalties_in_one_stack_are_keras_to_nine_digits(name: str) -> None:
    base = trial_of(name, steps=200)
    trials = [
        replace(base, trial_id=schedule, variant_id=schedule, schedule=factory(warmup=0.1), learning_rate=0.02)
        for schedule, factory in SCHEDULES.items()
    ]
    trials += [replace(base, trial_id=each, variant_id=each, **changes) for each, changes in VARIATIONS.items()]
    assert_as_keras(trials, "float64", 1e-9)


PARAMETERS = {
    "rmsprop with momentum": ("rmsprop", {"momentum": 0.5}),
    "rmsprop centered": ("rmsprop", {"centered": True, "rho": 0.8}),
    "amsgrad": ("adam", {"amsgrad": True, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-4}),
    "adagrad from 1": ("adagrad", {"initial_accumulator_value": 1.0}),
    "nadam": ("nadam", {"beta_1": 0.7}),
    "lion": ("lion", {"beta_1": 0.5, "beta_2": 0.7}),
}


def test_parameters_differ_inside_one_stack() -> None:
    trials = [
        replace(trial_of(name, steps=100, parameters=parameters), trial_id=each, variant_id=each)
        for each, (name, parameters) in PARAMETERS.items()
    ]
    assert_as_keras(trials, "float64", 1e-9)


@pytest.mark.parametrize("name", TWINS)
def test_updates_converge_on_a_quadratic_with_numpy_alone(name: str) -> None:
    """The update rules are plain array functions: no framework, any leading axes, hyperparameters per trial."""
    optimizer = OPTIMIZERS[name]()
    p = {key: np.full((2, 1), value) for key, value in optimizer.inputs.items()}
    weight = np.array([[3.0, -2.0], [1.0, 4.0]])
    slots = optimizer.slots(np, weight, p)
    rate = np.full((2, 1), 20.0 if name == "adadelta" else 0.05)  # Adadelta starts with tiny steps
    before = np.square(weight).sum()
    for step in range(1, 401):
        weight, slots = optimizer.update(np, weight, 2 * weight, slots, rate, float(step), p)
    assert np.square(weight).sum() < 0.5 * before


def test_who_has_no_keras_twin_says_so() -> None:
    for name in set(OPTIMIZERS) - set(TWINS):
        assert "no keras twin" in str(OPTIMIZERS[name].__doc__).lower()


OF_ITS_KIND = {"momentum": {"momentum"}, "nesterov": {"momentum"}}
"""Parameters that make an optimizer what it is: Keras's SGD has them at 0."""


@pytest.mark.parametrize("name", TWINS)
def test_defaults_are_those_of_keras(name: str) -> None:
    import keras

    twin = getattr(keras.optimizers, str(OPTIMIZERS[name]().keras_class))
    theirs = {each.name: each.default for each in inspect.signature(twin).parameters.values()}
    for parameter in inspect.signature(OPTIMIZERS[name]).parameters.values():
        if parameter.name not in OF_ITS_KIND.get(name, ()):
            assert parameter.default == theirs[parameter.name], parameter.name


def test_ranges_of_learning_rates_are_what_they_were() -> None:
    """A search's results depend on them: to change one is to change what users get."""
    pinned = {
        **dict.fromkeys(["sgd", "momentum", "nesterov", "adagrad", "random_search", "sgd_hd"], (1e-4, 1.0)),
        **dict.fromkeys(["rmsprop", "adam", "adamw", "adamax", "nadam", "adam_hd"], (1e-5, 0.1)),
        "adadelta": (1e-4, 10.0),
        "lion": (1e-6, 0.01),
    }
    assert LEARNING_RATES.items() >= pinned.items()


def test_every_optimizer_owns_a_range_of_learning_rates_around_its_default() -> None:
    assert list(LEARNING_RATES) == list(OPTIMIZERS)
    for name, (low, high) in LEARNING_RATES.items():
        assert 0 < low < OPTIMIZERS[name]().learning_rate < high, name


@pytest.mark.parametrize("others", [[], ["adam", "sgd"]], ids=["alone", "among others"])
def test_random_search_never_gets_worse_on_one_batch_and_gets_better(others: list[str]) -> None:
    search = trial_of("random_search", steps=300, learning_rate=0.05)
    losses = losses_of(
        [search, *(trial_of(name, steps=300, learning_rate=0.05) for name in others)], arrays_of(), xla=True
    )
    assert (np.diff(losses[0]) <= 1e-6).all()
    assert losses[0][-1] < 0.9 * losses[0][0]
    if others:
        assert losses[1][-1] < losses[0][-1], "gradients must beat it"


def test_random_search_does_not_depend_on_its_stack() -> None:
    search = trial_of("random_search", steps=50, penalties=Penalties(l2=0.01))
    others = [trial_of(name, steps=50) for name in ("adam", "sgd")]
    (alone,) = losses_of([search], arrays_of(), dtype="float64")
    together = losses_of([others[0], search, others[1]], arrays_of(), dtype="float64")
    np.testing.assert_allclose(together[1], alone, rtol=1e-9)
