"""Embeddings of numbers: the paper's encoding, training as `Model.fit` does, and a model that is saved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tasks.training.averaging import AVERAGINGS
from tasks.training.embeddings import encoding, place_of_bins
from tasks.training.fit import train_fit
from tasks.training.models import MODELS, Architecture, Penalties
from tasks.training.stack import train_stack
from tests.small_trials import arrays_of, assert_same, trial_of

KINDS = ["piecewise_linear", "periodic"]


def embedded(kind: str, hidden: int = 8) -> Architecture:
    return MODELS["mlp"](hidden=[hidden], embedding=kind, bins=4, frequencies=3, embedding_units=2)


def paper(x: float, edges: np.ndarray) -> list[float]:
    """Equation 1 of Gorishniy et al. (2022)."""
    parts, last = [], len(edges) - 1
    for t in range(1, last + 1):
        if x < edges[t - 1] and t > 1:
            parts.append(0.0)
        elif x >= edges[t] and t < last:
            parts.append(1.0)
        else:
            parts.append((x - edges[t - 1]) / (edges[t] - edges[t - 1]))
    return parts


def test_training_rows_are_encoded_as_in_the_paper_and_others_stay_within() -> None:
    rng = np.random.default_rng(0)
    rows = np.stack([rng.normal(size=50), rng.integers(0, 2, 50), np.ones(50)], axis=1)
    kernel, bias = encoding(rows, 4)
    given = np.clip(rows[:, :, None] * kernel + bias, 0, 1)
    edges = np.quantile(rows[:, 0], [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(given[:, 0], [paper(x, edges) for x in rows[:, 0]], atol=1e-5)
    np.testing.assert_array_equal(given[:, 1], np.stack([rows[:, 1], *[np.zeros(50)] * 3], axis=1))
    assert not given[:, 2].any()
    far = np.clip(np.array([-99.0, 99.0])[:, None] * kernel[0] + bias[0], 0, 1)
    np.testing.assert_array_equal(far, [[0] * 4, [1] * 4])


@pytest.mark.parametrize("kind", KINDS)
def test_a_stack_trains_as_model_fit_does(kind: str) -> None:
    """With penalties, an average of the weights, and networks of two widths in one stack."""
    common = {"penalties": Penalties(l2=0.01), "averaging": AVERAGINGS["ema"](decay=0.9), "epochs": 3}
    trials = [trial_of("adam", label=str(width), architecture=embedded(kind, width), **common) for width in (8, 3)]
    arrays = arrays_of()
    for ours, theirs in zip(train_stack(trials, arrays, signals=True), train_fit(trials, arrays), strict=True):
        assert_same(ours, theirs, 2e-5)


def test_each_fold_has_bins_of_its_own_rows() -> None:
    one, other = arrays_of(), arrays_of()
    other = replace(other, train=replace(other.train, inputs=other.train.inputs * 3))
    trials = [trial_of(label="x", architecture=embedded("piecewise_linear"), fold=fold, epochs=1) for fold in (0, 1)]
    trials = [replace(trial, trial_id=str(trial.fold)) for trial in trials]
    kernels = [outcome.weights[0] for outcome in train_stack(trials, {0: one, 1: other})]
    np.testing.assert_allclose(kernels[0], kernels[1] * 3, rtol=1e-4)
    (alone,) = train_stack([replace(trials[0], fold=None)], one)
    np.testing.assert_array_equal(alone.weights[0], kernels[0])


@pytest.mark.parametrize(
    "model", [*(embedded(kind) for kind in KINDS), MODELS["resnet"](units=4, embedding="periodic")]
)
def test_what_is_saved_is_read_in_safe_mode(model: Architecture, tmp_path: Path) -> None:
    import keras

    network = model.build((5,), 3, seed=1)
    rows = np.random.default_rng(0).normal(size=(7, 5)).astype("float32")
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(loaded(rows), network(rows), rtol=1e-6)
    assert place_of_bins(MODELS["mlp"]().build((5,), 3)) is None
