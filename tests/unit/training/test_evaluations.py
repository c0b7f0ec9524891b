"""Evaluations inside and across epochs, and targets: what both trainers do between chunks of steps."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tasks.training.fit import compile_model, train_fit
from tasks.training.models import MODELS, Penalties
from tasks.training.schedules import SCHEDULES
from tasks.training.stack import train_stack
from tasks.training.trial import (
    MEASURED,
    Arrays,
    Outcome,
    Stopping,
    Target,
    Trial,
    learning_rates,
)
from tasks.training.watch import Watch
from tests.small_trials import arrays_of, assert_same, curve, trial_of

STEPS_AN_EPOCH = 5  # 150 rows in batches of 32, the last of 22


def steps_of(outcome: Outcome) -> list[int]:
    """The steps of the evaluations; each has every curve's value, once."""
    steps = {name: [step for _, step, each, _ in outcome.curves if each == name] for _, _, name, _ in outcome.curves}
    assert len({tuple(each) for each in steps.values()}) == 1
    assert all(before < after for before, after in pairwise(steps["val_loss"]))
    assert all(epoch == -(-step // STEPS_AN_EPOCH) for epoch, step, _, _ in outcome.curves)
    return steps["val_loss"]


# --- when ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("every", "steps"),
    [(None, [5, 10, 15]), (4, [4, 8, 12, 15]), (7, [7, 14, 15]), (10, [10, 15]), (99, [15])],
)
def test_evaluations_come_every_so_many_steps_and_after_the_last(every: int | None, steps: list[int]) -> None:
    trial, arrays = trial_of("sgd", epochs=3, evaluate_every=every), arrays_of()
    heard: list[tuple[int, int]] = []
    (ours,) = train_stack([trial], arrays, xla=False, progress=lambda *news: heard.append(news))
    (theirs,) = train_fit([trial], arrays)
    assert steps_of(ours) == steps_of(theirs) == steps
    assert heard == [(step, 15) for step in steps]
    assert_same(ours, theirs, 2e-5)


@pytest.fixture(scope="module")
def each_epoch() -> tuple[Arrays, list[Trial], list[Outcome]]:
    """With dropout and batch normalisation, whose state goes on between chunks."""
    changes: dict[str, Any] = {
        "epochs": 3,
        "architecture": MODELS["mlp"](hidden=[8], batch_normalisation=True),
        "penalties": Penalties(dropout=0.2),
        "schedule": SCHEDULES["cosine"](warmup=0.3),
    }
    arrays, trials = arrays_of(), [trial_of(name, **changes) for name in ("adam", "momentum")]
    return arrays, trials, train_stack(trials, arrays, xla=False)


@given(st.integers(1, 20))
@example(7)
@settings(max_examples=15, deadline=None)
def test_how_often_is_evaluated_changes_no_bit_of_the_weights(
    each_epoch: tuple[Arrays, list[Trial], list[Outcome]], every: int
) -> None:
    arrays, trials, wanted = each_epoch
    often = [replace(trial, evaluate_every=every) for trial in trials]
    for ours, theirs in zip(train_stack(often, arrays, xla=False), wanted, strict=True):
        for weight, same in zip(ours.weights or [], theirs.weights or [], strict=True):
            np.testing.assert_array_equal(weight, same)
        assert ours.best_step == 15


@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-12), ("float32", 1e-5)])
def test_under_xla_chunks_of_another_size_change_rounding_at_most(dtype: str, rtol: float) -> None:
    arrays, trial = arrays_of(), trial_of("adam", epochs=3)
    outcomes = [
        train_stack([replace(trial, evaluate_every=every)], arrays, dtype=dtype)[0].weights for every in (None, 7, 2)
    ]
    for others in outcomes[1:]:
        for weight, same in zip(others or [], outcomes[0] or [], strict=True):
            np.testing.assert_allclose(weight, same, rtol=rtol, atol=rtol)


def test_model_fit_cut_into_spans_is_model_fit() -> None:
    """Bit for bit, with dropout's generator and the optimizer's moments going on from span to span."""
    arrays, trial = arrays_of(), trial_of("adam", epochs=3, penalties=Penalties(dropout=0.3), label_smoothing=0.1)
    (whole,) = train_fit([trial], arrays)
    (cut,) = train_fit([replace(trial, evaluate_every=7)], arrays)
    for weight, same in zip(cut.weights or [], whole.weights or [], strict=True):
        np.testing.assert_array_equal(weight, same)
    assert curve(cut, "val_loss")[-1] == curve(whole, "val_loss")[-1]


def test_values_between_epochs_are_those_of_a_loop_of_train_on_batch_and_evaluate() -> None:
    import keras

    every = 7
    arrays, trial = arrays_of(), trial_of("momentum", epochs=4, learning_rate=0.05, evaluate_every=every)
    model = trial.architecture.build((5,), 3, seed=0)
    compile_model(model, trial, learning_rates(trial, STEPS_AN_EPOCH), 3)
    model.compile(model.optimizer, model.loss, metrics=["accuracy"])
    assert isinstance(model.loss, keras.losses.Loss)
    losses, rows, wanted = 0.0, 0, []
    for step in range(20):
        epoch, batch = divmod(step, STEPS_AN_EPOCH)
        picked = arrays.train.order(0, epoch)[batch * 32 : (batch + 1) * 32]
        model.reset_metrics()
        loss = model.train_on_batch(arrays.train.inputs[picked], arrays.train.targets[picked])[0]
        losses, rows = losses + float(loss) * len(picked), rows + len(picked)
        if (step + 1) % every == 0 or step == 19:
            val_loss, val_accuracy = model.evaluate(arrays.val_inputs, arrays.val_targets, verbose=0)
            wanted.append((losses / rows, val_loss, val_accuracy))
            losses, rows = 0.0, 0
    for (ours,) in (train_stack([trial], arrays), train_fit([trial], arrays)):
        got = zip(*(curve(ours, name) for name in ("train_loss", "val_loss", "val_accuracy")), strict=True)
        np.testing.assert_allclose(list(got), wanted, rtol=2e-5)


# --- what acts on them ---------------------------------------------------------------------------------------

ACTING: dict[str, dict[str, Any]] = {
    "stops early": {"stopping": Stopping(1, 0.05, True)},
    "plateau": {"schedule": SCHEDULES["plateau"](patience=1, min_delta=0.05, factor=0.3)},
    "reaches an accuracy": {"target": Target("accuracy", 0.4)},
    "reaches a loss, or stops early": {"target": Target("loss", 1.1), "stopping": Stopping(3, 0.001, True)},
}


def test_both_trainers_act_at_the_same_evaluations() -> None:
    base = trial_of("adam", epochs=9, evaluate_every=7)
    trials = [replace(base, trial_id=case, variant_id=case, **changes) for case, changes in ACTING.items()]
    arrays = arrays_of()
    stacked, fitted = train_stack(trials, arrays, xla=False), train_fit(trials, arrays)
    for ours, theirs in zip(stacked, fitted, strict=True):
        assert_same(ours, theirs, 5e-5)
        assert ours.reason == theirs.reason
    ends = {outcome.trial.trial_id: outcome.steps for outcome in stacked}
    assert len(set(ends.values())) > 2, ends
    assert "reached accuracy" in str(stacked[2].reason) and "reached loss" in str(stacked[3].reason)


def test_a_target_stops_where_a_keras_callback_would() -> None:
    import keras

    trial = trial_of("adam", epochs=60, learning_rate=0.02, batch_size=150, target=Target("accuracy", 0.55))
    arrays = arrays_of()
    model = trial.architecture.build((5,), 3, seed=0)
    compile_model(model, trial, learning_rates(trial, 1), 3)
    model.compile(model.optimizer, model.loss, metrics=["accuracy"])

    class StopAt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.model.stop_training = logs["val_accuracy"] >= 0.55

    wanted = model.fit(
        arrays.train.inputs,  # one batch an epoch: any order of its rows gives the same step but for rounding
        arrays.train.targets,
        batch_size=150,
        epochs=60,
        shuffle=False,
        verbose=0,
        validation_data=(arrays.val_inputs, arrays.val_targets),
        callbacks=[StopAt()],
    ).history["val_accuracy"]
    (ours,) = train_stack([trial], arrays)
    assert 1 < len(wanted) < 60
    np.testing.assert_allclose(curve(ours, "val_accuracy"), wanted, rtol=1e-6)
    assert (ours.status, ours.best_step) == ("ok", ours.steps)
    assert ours.reason == f"reached accuracy 0.55 at step {ours.steps}"
    for weight, kept in zip(ours.weights or [], model.get_weights(), strict=True):
        np.testing.assert_allclose(weight, kept, rtol=1e-3, atol=1e-4)


def test_a_target_in_the_targets_own_unit() -> None:
    trial = trial_of("adam", epochs=30, learning_rate=0.02, evaluate_every=3)
    arrays = arrays_of("regression")
    (free,) = train_stack([trial], arrays, xla=False)
    goal = float(np.median(curve(free, "val_rmse")))
    (stopped,) = train_stack([replace(trial, target=Target("rmse", goal))], arrays, xla=False)
    first = int(np.argmax(curve(free, "val_rmse") <= goal))
    assert stopped.steps == steps_of(free)[first]
    np.testing.assert_array_equal(curve(stopped, "val_rmse"), curve(free, "val_rmse")[: first + 1])


def test_a_trial_that_reached_its_target_leaves_its_neighbours_alone() -> None:
    arrays = arrays_of()
    easy = trial_of("adam", label="easy", target=Target("accuracy", 0.01), evaluate_every=2)
    hard = trial_of("adam", label="hard", target=Target("accuracy", 1.0), evaluate_every=2)
    reached, missed = train_stack([easy, hard], arrays, dtype="float64")
    (alone,) = train_stack([hard], arrays, dtype="float64")
    assert (reached.status, reached.steps, reached.reason) == ("ok", 2, "reached accuracy 0.01 at step 2")
    assert (missed.status, missed.steps, missed.reason) == ("ok", 25, None)
    assert_same(missed, alone, 1e-9)


# --- the watch -----------------------------------------------------------------------------------------------


def watched(losses: list[float], **changes: Any) -> tuple[list[bool], Outcome]:
    outcome = Outcome(trial_of("sgd", evaluate_every=1, **changes))
    watch = Watch(outcome)
    kept = []
    for step, loss in enumerate(losses, 1):
        kept.append(watch.after_evaluation(1, step, {"train_loss": 1.0, "val_loss": loss, "val_accuracy": 1 - loss}))
        if not watch.running:
            break
    return kept, outcome


def test_patience_counts_evaluations() -> None:
    kept, outcome = watched([0.5, 0.4, 0.45, 0.41, 0.3], stopping=Stopping(2, 0.0, True))
    assert kept == [True, True, False, False]
    assert (outcome.epochs, outcome.steps, outcome.best_step, outcome.reason) == (1, 4, 2, None)


def test_at_a_target_the_weights_are_early_stoppings_best_or_else_those_that_reached_it() -> None:
    losses, target = [0.5, 0.2, 0.35], Target("accuracy", 0.79)
    assert watched(losses, target=target)[0] == [True, True]
    worse = Target("loss", 0.1)
    kept, outcome = watched([0.5, 0.2, 0.35, 0.1], target=worse, stopping=Stopping(9, 0.15, True))
    assert (kept, outcome.best_step) == ([True, True, False, False], 2)
    assert outcome.reason == "reached loss 0.1 at step 4"


def test_a_loss_that_is_not_finite_reaches_nothing() -> None:
    _, outcome = watched([0.5, float("nan")], target=Target("accuracy", 0.9))
    assert (outcome.status, outcome.reason) == ("diverged", "the validation loss became non-finite by epoch 1")


@pytest.mark.parametrize("name", MEASURED)
def test_what_can_be_a_target_is_in_the_curves_and_has_a_direction(name: str) -> None:
    for task in MEASURED[name].tasks:
        (outcome,) = train_stack([trial_of("sgd", epochs=1)], arrays_of(task), xla=False)
        (value,) = curve(outcome, f"val_{name}")
        good, bad = (value - 0.1, value + 0.1) if MEASURED[name].greater_is_better else (value + 0.1, value - 0.1)
        assert Target(name, value).reached({f"val_{name}": value})
        assert Target(name, good).reached({f"val_{name}": value})
        assert not Target(name, bad).reached({f"val_{name}": value})


def test_trials_that_are_evaluated_at_other_steps_make_no_stack() -> None:
    with pytest.raises(ValueError, match="one evaluate_every"):
        train_stack([trial_of("sgd"), trial_of("adam", evaluate_every=3)], arrays_of())
