"""Networks of other widths share a stack, padded, and each trial gets the numbers that it gets in a stack of its own
width. Mostly in float64 and for few steps, so that what is not the last digit of a sum shows."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from tasks.training import compiled as compiled_module
from tasks.training.models import MODELS, Activation, Architecture, Penalties
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.stack import Stack, train_stack
from tasks.training.stacked_networks import joinable, widest
from tasks.training.trial import Clip, Outcome, Stopping, Trial
from tests.small_trials import arrays_of, assert_same, trial_of

WIDTHS = ([5, 3], [3, 4], [5, 3])


def assert_as_alone(trials: list[Trial], rtol: float = 1e-10, **how) -> list[Outcome]:
    arrays = arrays_of()
    together = train_stack(trials, arrays, **how)
    for hidden in dict.fromkeys(trial.architecture.hidden for trial in trials):
        own = [index for index, trial in enumerate(trials) if trial.architecture.hidden == hidden]
        for index, alone in zip(own, train_stack([trials[index] for index in own], arrays, **how), strict=True):
            assert_same(together[index], alone, rtol)
            np.testing.assert_allclose(together[index].outputs["val"], alone.outputs["val"], rtol=1e-5, atol=1e-6)
            assert [each.shape for each in together[index].weights] == [each.shape for each in alone.weights]
    return together


def mixed(name: str = "adam", *, widths=WIDTHS, seeds: tuple[int, ...] = (0, 1), label: str = "", **changes):
    """One trial of each width and seed."""
    model = changes.pop("model", {})
    return [
        trial_of(
            name,
            seed=seed,
            label=f"{label}-{number}",
            architecture=MODELS["mlp"](hidden=hidden, **model),
            epochs=2,
            **changes,
        )
        for number, hidden in enumerate(widths)
        for seed in seeds
    ]


EAGER = {"xla": False, "dtype": "float64"}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizer_trains_a_narrow_network_as_in_a_stack_of_its_own(name: str) -> None:
    rate = 0.5 if name == "adadelta" else 0.05
    assert_as_alone(mixed(name, learning_rate=rate, penalties=Penalties(dropout=0.3)), **EAGER)


@pytest.mark.parametrize("activation", get_args(Activation))
def test_each_activation(activation: str) -> None:
    assert_as_alone(mixed(widths=([5, 3], [3, 4]), seeds=(0,), model={"activation": activation}), **EAGER)


CHANGES = {
    "clipped by value": {"clip": Clip(value=0.01)},
    "clipped by norm": {"clip": Clip(norm=0.05)},
    "clipped by global norm": {"clip": Clip(global_norm=0.05)},
    "penalties": {"penalties": Penalties(l1=0.01, l2=0.01)},
    "weight decay": {"weight_decay": 0.1},
    "smoothed and weighted": {"label_smoothing": 0.1, "class_weights": True},
    "early stopping": {"stopping": Stopping(1, 0.05, True)},
}


@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_each_regularisation_with_batch_normalisation(activation: str) -> None:
    model = {"activation": activation, "batch_normalisation": True}
    trials = [
        trial for case, changes in CHANGES.items() for trial in mixed("momentum", label=case, model=model, **changes)
    ]
    assert_as_alone(trials, **EAGER)


def test_rules_and_widths_in_one_compiled_program_in_float32_agree_to_five_digits() -> None:
    trials = [
        replace(trial, epochs=10)  # 50 steps
        for name in ("sgd", "adam", "random_search")
        for trial in mixed(
            name,
            widths=([7, 2], [2, 7]),
            model={"activation": "softplus"},
            penalties=Penalties(l2=0.001, dropout=0.2),
        )
    ]
    assert_as_alone(trials, 1e-5, xla=True)


@pytest.mark.parametrize("name", ["random_search", "adam"])
def test_weights_too_large_for_a_block_of_small_ones(name: str) -> None:
    """Of the wide network alone, so that the narrow one's blocks are others."""
    assert_as_alone(mixed(name, widths=([90, 70], [6, 70]), seeds=(0,)), **EAGER)


def test_hidden_layers_behind_convolutions_and_words() -> None:
    import keras

    from tasks.preprocessing.texts import MAX_TOKENS
    from tasks.training.feed import Resident
    from tasks.training.trial import Arrays

    rng = np.random.default_rng(0)
    images = rng.normal(size=(40, 6, 6, 1)).astype("float32")
    tokens = rng.integers(0, MAX_TOKENS, (40, 7), np.int32)
    targets = rng.integers(0, 3, 40)
    for kind, inputs in (("cnn", images), ("text", tokens)):
        arrays = Arrays(Resident(inputs, targets), inputs[:8], targets[:8], 3)
        trials = [
            trial_of("adam", label=str(hidden), epochs=2, architecture=MODELS[kind](hidden=[hidden]))
            for hidden in (5, 3)
        ]
        together = train_stack(trials, arrays, **EAGER)
        for ours, trial in zip(together, trials, strict=True):
            assert_same(ours, train_stack([trial], arrays, **EAGER)[0], 1e-10)
    keras.backend.clear_session()


def test_padded_weights_stay_exactly_zero() -> None:
    model = {"activation": "sigmoid", "batch_normalisation": True}
    trials = [
        trial
        for name in OPTIMIZERS
        for trial in mixed(name, widths=([5, 3], [3, 4]), model=model, penalties=Penalties(dropout=0.3), seeds=(0,))
    ]
    stack = Stack(trials, arrays_of(), xla=False)
    stack.train_until(stack.total_steps)
    place = {trial.trial_id: (s, r) for s, r, trial in stack.rectangle.cells()}
    for outcome in stack.outcomes():
        s, r = place[outcome.trial.trial_id]
        assert outcome.weights is not None
        for form, weight, narrow in zip(stack.networks.forms, stack.state.weights, outcome.weights, strict=True):
            wide = np.take(weight.numpy()[s], r, form.axis - 1)
            assert np.count_nonzero(wide) == np.count_nonzero(narrow), outcome.trial.variant_id
            assert np.isfinite(wide).all()


def test_widths_are_inputs_of_one_program() -> None:
    compiled_module._PROGRAMS.clear()
    arrays = arrays_of()
    for widths in (([6, 4], [2, 4]), ([6, 2], [1, 4])):
        train_stack(mixed("sgd", widths=widths), arrays, xla=False)
    (program,) = compiled_module._PROGRAMS.values()
    assert program.chunk.traces == 1
    train_stack(mixed("sgd", widths=([6, 4], [6, 4])), arrays, xla=False)
    assert [("widths" in each.inputs) for each in compiled_module._PROGRAMS] == [True, False]


def test_an_architecture_says_its_widths() -> None:
    import keras

    for name, factory in MODELS.items():
        if name == "resnet":  # whose blocks are all of one width
            continue
        architecture = factory() if name == "linear" else factory(hidden=[3, 2])
        layers = architecture.layers(Penalties(), 0)
        assert architecture.hidden == tuple(each.units for each in layers if type(each) is keras.layers.Dense), name


def build(architecture: Architecture):
    return architecture.build((5,), 3)


def test_what_cannot_be_joined_is_said() -> None:
    import keras
    from keras import layers as k

    def mlp(hidden: list[int], **parameters):
        return build(MODELS["mlp"](hidden=hidden, **parameters))

    def of(*layers):
        return keras.Sequential([keras.Input((5,)), *layers])

    assert joinable([mlp([4]), mlp([4])]) is None
    assert joinable([mlp([4, 9], batch_normalisation=True), mlp([5, 2], batch_normalisation=True)]) is None
    differ = "differ in more than the units"
    assert differ in str(joinable([mlp([4]), mlp([4, 4])]))
    assert differ in str(joinable([mlp([4]), mlp([5], activation="tanh")]))
    assert differ in str(joinable([of(k.Dense(2)), of(k.Dense(3))])), "outputs are equal"
    softmax = [of(k.Dense(units, activation="softmax"), k.Dense(2)) for units in (3, 4)]
    assert "softmax mixes units" in str(joinable(softmax))
    flat = [of(k.Dense(units), k.Flatten(), k.Dense(2)) for units in (3, 4)]
    assert "Flatten stands behind" in str(joinable(flat))
    with pytest.raises(ValueError, match="joinable"):
        train_stack(mixed(widths=([4], [4, 4]), seeds=(0,)), arrays_of())


def test_the_widest_has_the_most_units_of_each_layer() -> None:
    narrow, other = build(MODELS["mlp"](hidden=[4, 2])), build(MODELS["mlp"](hidden=[3, 6]))
    both = widest([narrow, other])
    assert [layer.units for layer in both.layers if hasattr(layer, "units")] == [4, 6, 3]
    assert both.input_shape == narrow.input_shape and both.inputs[0].dtype == narrow.inputs[0].dtype
    large = build(MODELS["mlp"](hidden=[8, 8]))
    assert widest([narrow, large, other]) is large


def test_a_narrow_trial_that_outlives_the_wide_ones_keeps_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.training import stack as stack_module

    monkeypatch.setattr(stack_module, "_COMPACTION_PAYS", {True: 0, False: 0})
    trials = mixed("random_search", label="n", widths=([3, 4],)) + mixed(widths=([2, 2],), seeds=(0, 1))
    wide = mixed(widths=([5, 3], [5, 4]), label="w")
    trials = [replace(trial, epochs=5, penalties=Penalties(dropout=0.2)) for trial in (*trials, *wide)]
    trials[4:] = [replace(trial, stopping=Stopping(1, 10.0, True)) for trial in trials[4:]]
    outcomes = assert_as_alone(trials, **EAGER)
    assert [outcome.epochs for outcome in outcomes] == [5] * 4 + [2] * 4
