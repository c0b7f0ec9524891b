"""The signals of training: the same from both trainers, whatever shares the stack, and nothing else is touched."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from tasks.training.feed import Resident
from tasks.training.fit import train_fit
from tasks.training.models import MODELS
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.schedules import SCHEDULES
from tasks.training.signals import RECORDED, recorded_at
from tasks.training.stack import train_stack
from tasks.training.trial import Arrays, Penalties, Trial

RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(90, 5)).astype(np.float32)
TARGETS = (INPUTS @ RNG.normal(size=5) > 0).astype(np.int64)
ARRAYS = Arrays(Resident(INPUTS[:60], TARGETS[:60]), INPUTS[60:], TARGETS[60:], 2)
LAYERS = {"dense_1", "dense_2", "output"}


def trial(name: str, hidden: list[int], activation: str = "relu", **more) -> Trial:
    values = {"learning_rate": 0.05, "optimizer": OPTIMIZERS["adam"](), "penalties": Penalties()} | more
    return Trial(
        trial_id=name,
        variant_id=name,
        seed=1,
        epochs=3,
        batch_size=16,
        architecture=MODELS["mlp"](hidden=hidden, activation=activation),
        schedule=SCHEDULES["constant"](),
        **values,
    )


def by_place(outcome) -> dict:
    return {(step, layer, name): value for _, step, layer, name, value in outcome.signals}


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_both_trainers_see_the_same(activation: str) -> None:
    more: dict[str, Any] = {"label_smoothing": 0.1, "squared_error": activation == "sigmoid"}
    if activation == "relu":
        more = {"penalties": Penalties(l2=0.01, dropout=0.2)}
    one = trial("a", [8, 6], activation, **more | {"penalties": Penalties(l2=0.01)})
    (stacked,) = train_stack([one], ARRAYS, xla=False, signals=True)
    (fitted,) = train_fit([one], ARRAYS, signals=True)
    found, like = by_place(stacked), by_place(fitted)
    assert found.keys() == like.keys()
    assert {layer for _, layer, _ in found} == {None, *LAYERS}
    assert {step for step, _, _ in found} == {0, 4, 8, 12}
    for place, value in found.items():
        assert value == pytest.approx(like[place], rel=2e-3, abs=1e-5), place


def test_padded_units_do_not_count() -> None:
    narrow, wide = trial("narrow", [3, 4]), trial("wide", [40, 30])
    together = {each.trial.trial_id: by_place(each) for each in train_stack([narrow, wide], ARRAYS, signals=True)}
    (alone,) = train_stack([narrow], ARRAYS, signals=True)
    for place, value in by_place(alone).items():
        assert together["narrow"][place] == pytest.approx(value, rel=1e-3, abs=1e-5), place


def test_training_is_the_same_with_and_without() -> None:
    trials = [trial("a", [8, 6]), trial("b", [8, 6], optimizer=OPTIMIZERS["momentum"]())]
    for one, other in zip(train_stack(trials, ARRAYS), train_stack(trials, ARRAYS, signals=True), strict=True):
        assert all(np.array_equal(*pair) for pair in zip(one.weights, other.weights, strict=True))
        losses = [[value for *_, name, value in each.curves if name == "val_loss"] for each in (one, other)]
        assert losses[0] == losses[1]
        assert not one.signals and other.signals


def test_closed_forms_of_one_linear_layer() -> None:
    """Plain SGD on a linear network: its update is the learning rate times the gradient of the last batch."""
    one = dataclasses.replace(trial("a", [], optimizer=OPTIMIZERS["sgd"](), learning_rate=0.1), batch_size=60, epochs=2)
    (outcome,) = train_stack([one], ARRAYS, signals=True)
    seen = by_place(outcome)
    # Whole-batch steps: the update after step 1 came of the gradient at the start, of the rows that are looked at.
    start = seen[0, "output", "grad_norm"], seen[0, "output", "weight_norm"]
    assert seen[1, "output", "update_ratio"] == pytest.approx(0.1 * start[0] / start[1], rel=1e-4)
    assert seen[1, "output", "weight_distance"] == pytest.approx(0.1 * start[0], rel=1e-4)
    assert seen[0, None, "input_rms"] == pytest.approx(np.sqrt((INPUTS[:60] ** 2).mean(0)).max(), rel=1e-5)
    assert seen[0, "output", "weight_distance"] == 0


def test_dead_and_saturated_units() -> None:
    far = dataclasses.replace(ARRAYS, train=Resident(1e3 * INPUTS[:60], TARGETS[:60]))
    (saturated,) = train_stack([trial("a", [8], "tanh", learning_rate=1e-9)], far, signals=True)
    assert by_place(saturated)[0, "dense_1", "saturation"] > 0.95
    positive = dataclasses.replace(ARRAYS, train=Resident(100 * np.abs(INPUTS[:60]), TARGETS[:60]))
    (dying,) = train_stack([trial("a", [8], optimizer=OPTIMIZERS["sgd"](), learning_rate=3.0)], positive, signals=True)
    end = max(step for step, *_ in by_place(dying))
    assert by_place(dying)[end, "dense_1", "dead_units"] > 0.5


def test_where_values_stopped_being_finite() -> None:
    (outcome,) = train_stack(
        [trial("a", [8, 6], "linear", optimizer=OPTIMIZERS["sgd"](), learning_rate=1e4)], ARRAYS, signals=True
    )
    assert outcome.status == "diverged"
    assert [(layer, value) for *_, layer, name, value in outcome.signals if name == "non_finite"] == [("dense_1", 1.0)]


def test_convolutions_count_by_channel() -> None:
    images = RNG.normal(size=(40, 6, 6, 1)).astype(np.float32)
    targets = RNG.integers(0, 2, 40)
    arrays = Arrays(Resident(images[:30], targets[:30]), images[30:], targets[30:], 2)
    one = dataclasses.replace(trial("a", []), architecture=MODELS["cnn"](filters=[3], hidden=[4]))
    (stacked,) = train_stack([one], arrays, xla=False, signals=True)
    (fitted,) = train_fit([one], arrays, signals=True)
    found, like = by_place(stacked), by_place(fitted)
    assert found.keys() == like.keys() and (0, "conv2d_1", "dead_units") in found
    for place, value in found.items():
        assert value == pytest.approx(like[place], rel=5e-3, abs=1e-4), place


@pytest.mark.parametrize(("interval", "total"), [(1, 1), (7, 30), (3, 1000), (10, 500), (1, 51)])
def test_few_evaluations_are_recorded(interval: int, total: int) -> None:
    steps = [*range(interval, total, interval), total]
    recorded = [step for step in steps if recorded_at(step, interval, total)]
    assert recorded[0] == steps[0] and recorded[-1] == total
    assert min(len(steps), RECORDED // 2) <= len(recorded) <= RECORDED + 2


def test_penalties_do_not_hide_a_gradient() -> None:
    bare, penalised = (trial(name, [8, 6], penalties=Penalties(l2=l2)) for name, l2 in (("a", 0.0), ("b", 0.5)))
    one, other = (by_place(each) for each in train_stack([bare, penalised], ARRAYS, signals=True))
    for layer in LAYERS:
        assert other[0, layer, "grad_norm"] == pytest.approx(one[0, layer, "grad_norm"], rel=1e-4)
