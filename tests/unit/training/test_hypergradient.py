"""Hypergradients against finite differences, against a closed form, and the trials beside them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tasks.training.averaging import swa
from tasks.training.feed import Resident
from tasks.training.hypergradient import hypergradients, values
from tasks.training.models import MODELS, Penalties
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.schedules import SCHEDULES
from tasks.training.stack import train_stack
from tasks.training.trial import Arrays, Clip, Outcome, Stopping, Target, Trial
from tests.small_trials import arrays_of, trial_of

STEP = 2.0**-13
"""Of a hyperparameter, relative: penalties and momentum go through float32, which holds them and their neighbours at
this distance exactly."""

SMOOTH = MODELS["mlp"](hidden=[8], activation="tanh")
"""Differences across the kink of a relu would be those of two functions."""


def smooth(name: str, *, label: str = "", parameters: dict[str, float] | None = None, **changes: Any) -> Trial:
    optimizer = OPTIMIZERS[name](**parameters or {})
    defaults = {"learning_rate": 2.0**-5, "penalties": Penalties(l2=2.0**-6), "architecture": SMOOTH, "epochs": 3}
    return trial_of(name, label=label, optimizer=optimizer, **{**defaults, **changes})


def loss_of(outcome: Outcome, arrays: Arrays) -> float:
    """The last validation loss without penalties; float64."""
    ((*_, value),) = [point for point in outcome.curves if point[1:3] == (outcome.steps, "val_loss")]
    penalties = outcome.trial.penalties
    tables = arrays.train.dtype == np.int32  # an embedding comes first, and is not penalised
    kernels = [weight for weight in (outcome.weights or [])[tables:] if weight.ndim > 1]
    return value - sum(penalties.l1 * np.abs(each).sum() + penalties.l2 * np.square(each).sum() for each in kernels)


def moved(trial: Trial, name: str, value: float) -> Trial:
    """The trial with another value of a hyperparameter."""
    label = dict.fromkeys(("trial_id", "variant_id"), f"{trial.trial_id} {name} {value}")
    if name in ("l1", "l2"):
        return replace(trial, penalties=replace(trial.penalties, **{name: value}), **label)
    if name in ("learning_rate", "weight_decay"):
        return replace(trial, **{name: value}, **label)
    inputs = dict(trial.optimizer.inputs)
    inputs[name] = value
    if f"one_minus_{name}" in inputs:
        inputs[f"one_minus_{name}"] = 1 - value
    if f"exact_{name}" in inputs:
        inputs[f"exact_{name}"] = value
    return replace(trial, optimizer=replace(trial.optimizer, inputs=inputs), **label)


def assert_differences_agree(
    cases: dict[str, tuple[Trial, list[str]]], arrays: Arrays, rtol: float, **how: Any
) -> None:
    """Central differences of fourth order.

    Args:
        cases: Trials of one stack, with the hyperparameters that are asked for.
    """
    names = [name for _, own in cases.values() for name in own]
    trials = [replace(trial, trial_id=case, variant_id=case) for case, (trial, _) in cases.items()]
    found = hypergradients(trials, arrays, names, dtype="float64", **how)
    points = [
        moved(trial, name, values(trial)[name] * (1 + k * STEP))
        for trial, (_, own) in zip(trials, cases.values(), strict=True)
        for name in own
        for k in (-2, -1, 1, 2)
    ]
    losses = iter(
        np.reshape([loss_of(each, arrays) for each in train_stack(points, arrays, dtype="float64", **how)], [-1, 4])
    )
    for (outcome, gradients), (trial, own) in zip(found, cases.values(), strict=True):
        assert outcome.status == "ok"
        for name in own:
            expected = next(losses) @ np.array([1, -8, 8, -1]) / (12 * values(trial)[name] * STEP)
            assert gradients[name] == pytest.approx(expected, rel=rtol, abs=1e-9), (outcome.trial.trial_id, name)


@pytest.mark.parametrize("xla", [False, True], ids=["graph", "xla"])
def test_finite_differences_agree(xla: bool) -> None:
    heavy = {"momentum": 0.875}
    cases = {name: (smooth(name), ["learning_rate", "l2"]) for name in ("sgd", "rmsprop", "adam")}
    cases |= {
        name: (smooth(name, parameters=heavy), ["learning_rate", "l2", *heavy]) for name in ("momentum", "nesterov")
    }
    assert_differences_agree(cases, arrays_of(), 1e-6, xla=xla)


ALREADY = ("sgd", "momentum", "nesterov", "rmsprop", "adam", "random_search")
REST = [name for name, factory in OPTIMIZERS.items() if name not in ALREADY and factory().evaluated is None]


def test_every_other_optimizer_of_the_table_has_them() -> None:
    cases = {name: (smooth(name), ["learning_rate", "l2"]) for name in REST}
    assert_differences_agree(cases, arrays_of(), 1e-5, xla=False)


@pytest.mark.parametrize("changes", [{"optimizer": OPTIMIZERS["schedule_free_sgd"]()}, {"averaging": swa()}])
def test_there_are_none_of_averages(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="evaluate an average"):
        hypergradients([replace(smooth("sgd"), **changes)], arrays_of(), ["learning_rate"])


@pytest.mark.slow
def test_other_hyperparameters_and_what_else_a_step_does() -> None:
    """Parameters that an update sees twice (beta_1 and 1 - beta_1) or from the start on (Adagrad's accumulator)."""
    small = 2.0**-6
    cases = {
        "betas": (smooth("adam", parameters={"beta_1": 0.875, "beta_2": 0.9375}), ["beta_1", "beta_2", "epsilon"]),
        "nadam": (smooth("nadam", parameters={"beta_1": 0.875}), ["beta_1"]),
        "rmsprop": (smooth("rmsprop", parameters={"momentum": 0.5, "centered": True}), ["rho", "momentum"]),
        "adagrad": (smooth("adagrad", parameters={"initial_accumulator_value": 0.125}), ["initial_accumulator_value"]),
        "decay": (smooth("adamw", weight_decay=small), ["weight_decay", "learning_rate"]),
        "l1": (smooth("momentum", penalties=Penalties(l1=2.0**-10)), ["l1"]),
        "smoothing": (smooth("momentum", label_smoothing=small), ["learning_rate"]),
        "schedule": (smooth("sgd", schedule=SCHEDULES["cosine"](warmup=0.2)), ["learning_rate"]),
        "clipped": (smooth("sgd", clip=Clip(norm=0.1)), ["learning_rate", "l2"]),
        "weighted": (smooth("sgd", class_weights=True), ["learning_rate", "l2"]),
        "online": (smooth("sgd_hd", schedule=SCHEDULES["cosine"]()), ["learning_rate", "hyper_rate"]),
    }
    assert_differences_agree(cases, arrays_of(), 1e-5, xla=False)


NETWORKS = {
    "normalised": ("classification", MODELS["mlp"](hidden=[8], activation="tanh", batch_normalisation=True)),
    "wide": ("classification", MODELS["mlp"](hidden=[70, 70], activation="tanh")),
    "regression": ("regression", SMOOTH),
    "convolutions": ("images", MODELS["cnn"](filters=[2, 3], hidden=[4], activation="tanh", batch_normalisation=True)),
    "tokens": ("tokens", MODELS["text"](units=4, hidden=[3], activation="tanh")),
    "sequences": ("tokens", MODELS["text"](units=4, convolution=3, filters=3, pooling="max", hidden=[])),
}


@pytest.mark.slow
@pytest.mark.parametrize("xla", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_of_a_stack_has_them(name: str, xla: bool) -> None:
    kind, architecture = NETWORKS[name]
    cases = {
        rule: (smooth(rule, architecture=architecture, epochs=2), ["learning_rate", "l2"])
        for rule in ("momentum", "sgd")
    }
    arrays = arrays_of(kind) if kind in ("classification", "regression") else unlike_tables(kind)
    assert_differences_agree(cases, arrays, 1e-5, xla=xla)


def unlike_tables(kind: str) -> Arrays:
    rng = np.random.default_rng(2)
    if kind == "images":
        inputs = rng.normal(size=(60, 8, 8, 1)).astype("float32")
    else:
        inputs = rng.integers(0, 9, (60, 12)).astype("int32")
    targets = rng.integers(0, 3, 60)
    return Arrays(Resident(inputs[:40], targets[:40]), inputs[40:], targets[40:], 3)


def test_ridge_regression_has_the_derivative_of_its_closed_form() -> None:
    """`w = (X'X/n + l2 I)^-1 X'y/n` of centred columns, `dw/dl2 = -(X'X/n + l2 I)^-1 w`, and the bias follows."""
    arrays, l2 = arrays_of("regression"), 2.0**-4
    x, y = arrays.train.inputs.astype(float), arrays.train.targets.astype(float)
    centred = x - x.mean(0)
    system = centred.T @ centred / len(y) + l2 * np.eye(x.shape[1])
    w = np.linalg.solve(system, centred.T @ (y - y.mean()) / len(y))
    along = -np.linalg.solve(system, w)
    shifted = arrays.val_inputs.astype(float) - x.mean(0)
    residual = shifted @ w + y.mean() - arrays.val_targets.astype(float)
    expected = 2 * np.mean(residual * (shifted @ along))
    trial = trial_of(
        "momentum",
        architecture=MODELS["linear"](),
        penalties=Penalties(l2=l2),
        learning_rate=0.1,
        epochs=600,
        evaluate_every=600,
        batch_size=len(y),
    )
    ((outcome, gradients),) = hypergradients([trial], arrays, ["l2", "learning_rate"], dtype="float64")
    np.testing.assert_allclose(outcome.weights[0][:, 0], w, rtol=1e-6)
    assert gradients["l2"] == pytest.approx(expected, rel=1e-6)
    assert abs(gradients["learning_rate"]) < 1e-6, "at the minimum the way there has been forgotten"


def test_the_trials_are_those_of_the_ordinary_stack() -> None:
    """float32, bit for bit: two seeds, dropout, a schedule; of one hyperparameter, so products have the same shapes."""
    common = {"penalties": Penalties(l2=0.01, dropout=0.3), "schedule": SCHEDULES["cosine"](warmup=0.1)}
    trials = [trial_of("adam", seed=seed, **common) for seed in (0, 1)]
    ordinary = train_stack(trials, arrays_of(), xla=False)
    found = hypergradients(trials, arrays_of(), ["learning_rate"], xla=False)
    for (ours, gradients), theirs in zip(found, ordinary, strict=True):
        assert ours.trial is theirs.trial and ours.curves == theirs.curves
        for weight, same in zip(ours.weights or [], theirs.weights or [], strict=True):
            np.testing.assert_array_equal(weight, same)
        np.testing.assert_array_equal(ours.outputs["val"], theirs.outputs["val"])
        assert np.isfinite(gradients["learning_rate"])


def test_nothing_stops_early_and_a_column_that_is_always_zero_does_no_harm() -> None:
    arrays = arrays_of()
    arrays.train.inputs[:, 2] = 0  # so the gradient of its weights, and Adam's second moment, is zero
    stops = {"stopping": Stopping(1, 10.0, True), "target": Target("loss", 100.0)}
    ((outcome, gradients),) = hypergradients([trial_of("adam", **stops)], arrays, ["learning_rate"], xla=False)
    assert outcome.epochs == 5 and np.isfinite(gradients["learning_rate"])


def test_a_trial_that_diverges_has_none_and_harms_nobody() -> None:
    wild, tame = trial_of("sgd", label="wild", learning_rate=1e300), trial_of("sgd", penalties=Penalties(l2=0.01))
    (alone,) = hypergradients([tame], arrays_of(), ["learning_rate", "l2"], dtype="float64", xla=False)
    together = hypergradients([wild, tame], arrays_of(), ["learning_rate", "l2"], dtype="float64", xla=False)
    assert together[0][0].status == "diverged" and np.isnan(together[0][1]["learning_rate"])
    assert set(together[0][1]) == {"learning_rate"}, "it has no l2"
    assert together[1][1] == pytest.approx(alone[1], rel=1e-9)


def test_momentum_has_one_at_zero_too_where_the_update_knows_it() -> None:
    still = OPTIMIZERS["momentum"](momentum=0.0)
    ((_, gradients),) = hypergradients([trial_of("momentum", optimizer=still)], arrays_of(), ["momentum"], xla=False)
    assert gradients["momentum"] != 0
    assert "momentum" not in values(trial_of("rmsprop")) and "momentum" in values(trial_of("momentum"))


def test_a_random_search_has_none_and_says_why() -> None:
    with pytest.raises(ValueError, match="take no gradients: random_search-0"):
        hypergradients([trial_of("random_search")], arrays_of(), ["learning_rate"])
