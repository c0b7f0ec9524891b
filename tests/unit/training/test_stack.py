"""The stacked trainer: what must hold for any trial, whoever its neighbours are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tasks.training import chunks, scoring
from tasks.training import stack as stack_module
from tasks.training.fit import train_fit
from tasks.training.models import MODELS, Penalties
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.schedules import SCHEDULES
from tasks.training.stack import train_stack
from tasks.training.trial import Clip, Stopping
from tests.small_trials import arrays_of, assert_same, curve, trial_of

CASES = {
    "plain": {},
    "regularised": {"penalties": Penalties(l1=0.001, l2=0.01)},
    "batch normalisation": {"architecture": MODELS["mlp"](hidden=[16, 8], batch_normalisation=True)},
    "linear": {"architecture": MODELS["linear"]()},
    "stops early": {"stopping": Stopping(1, 0.02, True), "epochs": 12},
    "stops early, keeps the last": {"stopping": Stopping(1, 0.02, False), "epochs": 12},
    "plateau": {"schedule": SCHEDULES["plateau"](patience=1, min_delta=0.05, factor=0.3), "epochs": 8},
    "cosine": {"schedule": SCHEDULES["cosine"](warmup=0.2)},
    "clipped": {"clip": Clip(norm=0.1)},
    "smoothed": {"label_smoothing": 0.2},
    "squared error, smoothed": {"squared_error": True, "label_smoothing": 0.1},
    "focal": {"focal": 2.0},
    "focal, smoothed and weighted": {"focal": 0.5, "label_smoothing": 0.1, "class_weights": True},
    "squared error, weighted": {"squared_error": True, "class_weights": True},
    "weighted": {"class_weights": True},
    "weighted and smoothed": {"class_weights": True, "label_smoothing": 0.2},
}


@pytest.mark.parametrize("case", CASES)
def test_a_stack_trains_as_model_fit_does(case: str) -> None:
    trials = [trial_of(name, seed=seed, **CASES[case]) for name in ("momentum", "adam") for seed in (0, 1)]
    arrays = arrays_of()
    compared = slice(None, None, 3)  # one seed of each optimizer: `fit` compiles every trial anew
    for ours, theirs in zip(train_stack(trials, arrays)[compared], train_fit(trials[compared], arrays), strict=True):
        assert_same(ours, theirs, 2e-5)


def test_a_residual_network_trains_as_model_fit_does() -> None:
    """Not under Adam: a bias in front of batch normalisation has a gradient of 0 but for rounding, and Adam's steps
    have no regard to its size."""
    architecture = MODELS["resnet"](units=8)
    trials = [
        trial_of("momentum", label=str(l2), architecture=architecture, penalties=Penalties(l2=l2)) for l2 in (0, 0.01)
    ]
    arrays = arrays_of()
    for ours, theirs in zip(train_stack(trials, arrays), train_fit(trials, arrays), strict=True):
        assert_same(ours, theirs, 1e-5)


@pytest.mark.parametrize("settings", [{}, {"convolution": 2, "filters": 3, "pooling": "max"}])
def test_several_texts_beside_columns_train_as_model_fit_does(settings: dict) -> None:
    """Networks of two widths in one stack, two texts at the end of each row. Not under Adam: Keras squares the
    gradients of a token that a batch repeats one by one, not their sum."""
    arrays = arrays_of()
    rng = np.random.default_rng(1)

    def with_texts(inputs: np.ndarray) -> np.ndarray:
        return np.hstack([inputs, rng.integers(0, 30, (len(inputs), 7))]).astype("float32")

    train = replace(arrays.train, inputs=with_texts(arrays.train.inputs))
    val = with_texts(arrays.val_inputs)
    arrays = replace(arrays, train=train, val_inputs=val, to_score={"val": val})
    trials = [
        trial_of("momentum", label=str(width), architecture=replace(text, lengths=(4, 3)), epochs=3)
        for width in (4, 9)
        for text in [MODELS["text"](units=4, hidden=[width], **settings)]
    ]
    for ours, theirs in zip(train_stack(trials, arrays), train_fit(trials, arrays), strict=True):
        assert_same(ours, theirs, 5e-5)


def test_class_weights_are_those_of_keras_for_each_trial_by_itself() -> None:
    """One step by hand; beside it a trial without weights, and one that searches at random."""
    arrays = arrays_of()
    whole = {"epochs": 1, "batch_size": 150, "learning_rate": 0.1}
    trials = [trial_of("sgd", class_weights=True, label="w", **whole), trial_of("sgd", **whole)]
    trials.append(trial_of("random_search", class_weights=True, **whole))
    weighted, plain, searched = train_stack(trials, arrays)
    targets, weights = arrays.train.targets, arrays.class_weights
    model = trials[0].architecture.build((5,), 3, seed=0)
    logits = model.predict(arrays.train.inputs, verbose=0).astype(np.float64)
    losses = np.log(np.exp(logits).sum(1)) - logits[np.arange(150), targets]
    assert curve(plain, "train_loss")[0] == pytest.approx(losses.mean(), rel=1e-5)
    for each in (weighted, searched):
        assert curve(each, "train_loss")[0] == pytest.approx((losses * weights[targets]).mean(), rel=1e-5)


def test_regression_trains_as_model_fit_does() -> None:
    trials = [trial_of(name) for name in ("sgd", "rmsprop")]
    arrays = arrays_of("regression")
    for ours, theirs in zip(train_stack(trials, arrays), train_fit(trials, arrays), strict=True):
        assert_same(ours, theirs, 2e-5)
        assert curve(ours, "val_rmse")[-1] == pytest.approx(2.0 * np.sqrt(curve(ours, "val_loss")[-1]), rel=1e-5)


def test_early_stopping_and_its_best_weights_are_those_of_keras_callbacks() -> None:
    """Against `Model.fit` with keras.callbacks.EarlyStopping and ReduceLROnPlateau themselves."""
    import keras

    from tasks.training.feed import batch_order
    from tasks.training.fit import compile_model
    from tasks.training.trial import learning_rates

    trial = trial_of(
        "momentum",
        learning_rate=0.1,
        epochs=30,
        stopping=Stopping(4, 0.001, True),
        schedule=SCHEDULES["plateau"](patience=2, min_delta=0.001, factor=0.5, cooldown=1),
        batch_size=150,
    )
    arrays = arrays_of()
    model = trial.architecture.build((5,), 3, seed=0)
    compile_model(model, trial, learning_rates(trial, 1), 3)
    order = batch_order(0, 0, 150)  # one batch an epoch: any order of its rows gives the same step but for rounding
    history = model.fit(
        arrays.train.inputs[order],
        arrays.train.targets[order],
        batch_size=150,
        epochs=30,
        shuffle=False,
        verbose=0,
        validation_data=(arrays.val_inputs, arrays.val_targets),
        callbacks=[
            keras.callbacks.EarlyStopping(patience=4, min_delta=0.001, restore_best_weights=True),
            keras.callbacks.ReduceLROnPlateau(patience=2, min_delta=0.001, factor=0.5, cooldown=1),
        ],
    ).history
    (ours,) = train_stack([trial], arrays)
    assert ours.epochs == len(history["val_loss"])
    np.testing.assert_allclose(curve(ours, "val_loss"), history["val_loss"], rtol=1e-4)
    np.testing.assert_allclose(curve(ours, "learning_rate"), history["learning_rate"], rtol=1e-6)
    for weight, kept in zip(ours.weights, model.get_weights(), strict=True):
        np.testing.assert_allclose(weight, kept, rtol=1e-3, atol=1e-4)


def test_a_trial_does_not_depend_on_its_stack() -> None:
    """float64: alone, with others, and beside a neighbour that diverges to NaN."""
    arrays = arrays_of()
    base = trial_of("adam", penalties=Penalties(dropout=0.3))
    wild = trial_of("sgd", label="wild", learning_rate=1e300)
    others = [trial_of(name, label="x", penalties=Penalties(l2=0.1, dropout=0.5)) for name in OPTIMIZERS]
    (alone,) = train_stack([base], arrays, dtype="float64")
    together = train_stack([base, wild, *others], arrays, dtype="float64")
    assert together[1].status == "diverged" and "epoch" in together[1].reason and together[1].weights is None
    assert_same(together[0], alone, 1e-9)


def test_a_trial_does_not_depend_on_the_other_seeds() -> None:
    arrays = arrays_of()
    trials = [
        trial_of(name, seed=seed, penalties=Penalties(dropout=0.2)) for name in ("sgd", "adam") for seed in range(4)
    ]
    together = train_stack(trials, arrays, dtype="float64")
    (alone,) = train_stack([trials[6]], arrays, dtype="float64")
    assert_same(together[6], alone, 1e-9)


def test_the_same_stack_gives_the_same_bits() -> None:
    arrays = arrays_of()
    trials = [trial_of(name, seed=seed) for name in ("adam", "lion") for seed in (0, 1)]
    first, second = train_stack(trials, arrays), train_stack(trials, arrays)
    for one, other in zip(first, second, strict=True):
        assert one.curves == other.curves
        for weight, same in zip(one.weights, other.weights, strict=True):
            np.testing.assert_array_equal(weight, same)


def test_seeds_differ_in_weights_and_batches_and_equal_seeds_share_them() -> None:
    trials = [trial_of("sgd", seed=0), trial_of("sgd", seed=1), trial_of("adam", seed=0), trial_of("adam", seed=1)]
    frozen = [replace(trial, learning_rate=1e-30, epochs=1) for trial in trials]
    outcomes = train_stack(frozen, arrays_of())
    np.testing.assert_allclose(outcomes[0].weights[0], outcomes[2].weights[0], atol=1e-6)
    assert np.abs(outcomes[0].weights[0] - outcomes[1].weights[0]).max() > 0.1


def test_a_trial_may_begin_with_the_weights_of_another_seed_and_train_on_its_own_batches() -> None:
    mixed = [trial_of(name, seed=0, initial=1) for name in ("momentum", "adam")]
    arrays = arrays_of()
    for ours, theirs in zip(train_stack(mixed, arrays), train_fit(mixed, arrays), strict=True):
        assert_same(ours, theirs, 2e-5)
    frozen = [replace(trial, learning_rate=1e-30, epochs=1) for trial in (*mixed, trial_of("adam", seed=1))]
    (begun,) = train_stack(frozen[2:], arrays)
    for outcome in train_stack(frozen[:2], arrays):
        np.testing.assert_allclose(outcome.weights[0], begun.weights[0], atol=1e-6)
    (own,) = train_stack([trial_of("adam", seed=0)], arrays)
    (other,) = train_stack([trial_of("adam", seed=1)], arrays)
    (both,) = train_stack(mixed[1:], arrays)
    assert both.weights is not None
    for each in (own, other):
        assert np.abs(each.weights[0] - both.weights[0]).max() > 0.01, "neither one's weights nor one's batches alone"


def test_the_size_of_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    arrays, trials = arrays_of(), [trial_of("adam"), trial_of("sgd")]
    whole = train_stack(trials, arrays, dtype="float64")
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 32 * 5 * 8 * 2)  # two steps
    monkeypatch.setattr(scoring, "EVALUATION_ROWS", 16)
    for ours, theirs in zip(train_stack(trials, arrays, dtype="float64"), whole, strict=True):
        assert_same(ours, theirs, 1e-10)


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    import tensorflow as tf

    from tasks.training.stacked_layers import ROWS, Context
    from tasks.training.stacked_networks import forward, layout

    model = MODELS["mlp"](hidden=[400], activation="linear").build((4,), 1, penalties=Penalties(dropout=0.5))
    layers = [replace(one, sources=(ROWS,)) for one in layout(model) if type(one.layer).__name__ == "Dropout"]
    rates = tf.constant([[0.0, 0.25, 0.8]])

    def uniforms(shape: list[int], layer: int) -> tf.Tensor:
        return tf.random.stateless_uniform([1, *shape], [1, 2])

    dropped, _ = forward(layers, [], tf.ones([1, 3, 50, 400]), Context(True, None, rates, uniforms))
    values = dropped.numpy()[0]
    for values_of_rate, rate in zip(values, (0.0, 0.25, 0.8), strict=True):
        assert (values_of_rate == 0).mean() == pytest.approx(rate, abs=0.01)
        assert values_of_rate.mean() == pytest.approx(1.0, abs=0.03)


def test_dropout_with_given_uniforms_is_the_inverted_mask() -> None:
    import tensorflow as tf

    from tasks.training.stacked_layers import ROWS, Context
    from tasks.training.stacked_networks import forward, layout

    model = MODELS["mlp"](hidden=[3]).build((4,), 1, penalties=Penalties(dropout=0.5))
    layers = [replace(one, sources=(ROWS,)) for one in layout(model) if type(one.layer).__name__ == "Dropout"]
    uniform = tf.constant([[[0.1, 0.5, 0.9]]])
    given = Context(True, None, tf.constant([[0.5, 0.2]]), lambda shape, layer: uniform)
    dropped, _ = forward(layers, [], tf.constant([[[[1.0, 2.0, 3.0]], [[1.0, 2.0, 3.0]]]]), given)
    np.testing.assert_allclose(dropped.numpy()[0, :, 0], [[0, 4, 6], [0, 2.5, 3.75]])


def test_trials_that_make_no_rectangle_are_refused() -> None:
    with pytest.raises(ValueError, match="every variant under every seed"):
        train_stack([trial_of("sgd", seed=0), trial_of("adam", seed=1)], arrays_of())
    with pytest.raises(ValueError, match="one batch size"):
        train_stack([trial_of("sgd"), trial_of("adam", batch_size=16)], arrays_of())


def test_progress_is_told_between_epochs_and_all_stopped_ends_the_stack() -> None:
    heard: list[tuple[int, int]] = []
    stopping = Stopping(1, 10.0, True)  # nothing improves by 10
    outcomes = train_stack(
        [trial_of("sgd", stopping=stopping, epochs=50)], arrays_of(), progress=lambda *news: heard.append(news)
    )
    assert outcomes[0].epochs == 2 and outcomes[0].best_step == 5
    assert heard == [(5, 250), (10, 250)]


def test_scored_outputs_are_those_of_the_kept_weights() -> None:
    trials, arrays = [trial_of("adam"), trial_of("sgd")], arrays_of()
    for outcome in train_stack(trials, arrays):
        model = outcome.trial.architecture.build((5,), 3, seed=0)
        model.set_weights(outcome.weights)
        np.testing.assert_allclose(outcome.outputs["val"], model(arrays.val_inputs).numpy(), atol=1e-5)


def test_stopped_trials_leave_the_stack_and_nobody_notices(monkeypatch: pytest.MonkeyPatch) -> None:
    """float64: with compaction at every chance and without any, on rules that vanish and rules that stay."""
    arrays = arrays_of()
    quick = {"stopping": Stopping(1, 10.0, True), "epochs": 9}
    trials = [trial_of(name, label="quick", seed=seed, **quick) for name in ("adam", "nadam", "sgd") for seed in (0, 1)]
    trials += [trial_of(name, seed=seed, epochs=9) for name in ("adam", "lion") for seed in (0, 1)]
    trials += [trial_of("adagrad", label="slow", seed=s, epochs=9, stopping=Stopping(6, 10.0, True)) for s in (0, 1)]
    whole = train_stack(trials, arrays, dtype="float64")
    compactions = []
    compact = stack_module.Stack._compact
    monkeypatch.setattr(stack_module, "_COMPACTION_PAYS", {True: 0, False: 0})

    def noting(stack: stack_module.Stack, running: list[int]) -> None:
        compactions.append(running)
        compact(stack, running)

    monkeypatch.setattr(stack_module.Stack, "_compact", noting)
    for ours, theirs in zip(train_stack(trials, arrays, dtype="float64"), whole, strict=True):
        assert_same(ours, theirs, 1e-9)
        np.testing.assert_allclose(ours.outputs["val"], theirs.outputs["val"], atol=1e-6)
    assert [len(each) for each in compactions] == [3]
    assert [outcome.epochs for outcome in whole] == [2] * 6 + [9] * 4 + [7] * 2
