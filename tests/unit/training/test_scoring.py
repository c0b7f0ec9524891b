"""Outputs from kept weights: what evaluation computes later is what training computed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tasks.training import scoring
from tasks.training.fit import fit_outputs, train_fit
from tasks.training.models import MODELS, Penalties
from tasks.training.scoring import stacked_outputs
from tasks.training.stack import train_stack
from tests.small_trials import arrays_of, trial_of

NETWORKS: dict[str, dict[str, Any]] = {
    "mlp": {},
    "batch normalisation": {"architecture": MODELS["mlp"](hidden=[9, 4], batch_normalisation=True)},
    "dropout of some": {"penalties": Penalties(dropout=0.3)},
    "narrower": {"architecture": MODELS["mlp"](hidden=[16, 3])},
}


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_outputs_from_kept_weights_are_those_of_training(network: str, task: str, xla: bool) -> None:
    """Bit for bit, in stacks of several rules, seeds and widths."""
    arrays = arrays_of(task)
    plain = trial_of("sgd", epochs=2)
    if network == "batch normalisation":
        plain = replace(plain, **NETWORKS[network])
    trials = [plain, replace(plain, trial_id="seed 1", seed=1)]
    changed = trial_of("adam", epochs=2, **NETWORKS[network])
    trials += [changed, replace(changed, trial_id="adam seed 1", seed=1)]
    outcomes = train_stack(trials, arrays, xla=xla)
    weights = {outcome.trial.trial_id: outcome.weights for outcome in outcomes if outcome.weights}
    parts = {"val": arrays.val_inputs, "more": np.concatenate([arrays.val_inputs] * 3)}
    found = stacked_outputs(trials, weights, parts, classes=arrays.classes, largest=len(arrays.val_inputs), xla=xla)
    assert set(found) == {trial.trial_id for trial in trials}
    for outcome in outcomes:
        outputs = found[outcome.trial.trial_id]
        np.testing.assert_array_equal(outputs["val"], outcome.outputs["val"])
        np.testing.assert_array_equal(outputs["more"], np.concatenate([outputs["val"]] * 3))


def test_a_trial_without_weights_is_left_out_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = arrays_of()
    trials = [trial_of("sgd", epochs=1), trial_of("sgd", label="wild", epochs=1, learning_rate=1e30)]
    kept, lost = train_stack(trials, arrays)
    assert (kept.status, lost.status, lost.weights) == ("ok", "diverged", None)
    monkeypatch.setattr(scoring, "EVALUATION_ROWS", 16)  # the last slice is a partial one
    parts, how = {"val": arrays.val_inputs}, {"classes": 3, "largest": 50}
    found = stacked_outputs(trials, {kept.trial.trial_id: kept.weights or []}, parts, **how)
    assert list(found) == [kept.trial.trial_id]
    np.testing.assert_allclose(found[kept.trial.trial_id]["val"], kept.outputs["val"], rtol=1e-5, atol=1e-6)


def test_outputs_of_fit_are_those_of_training_too() -> None:
    arrays, trial = arrays_of(), trial_of("adam", epochs=1, penalties=Penalties(dropout=0.2))
    (outcome,) = train_fit([trial], arrays)
    found = fit_outputs(trial, outcome.weights or [], {"val": arrays.val_inputs}, classes=3)
    np.testing.assert_array_equal(found["val"], outcome.outputs["val"])
    stacked = stacked_outputs(
        [trial], {trial.trial_id: outcome.weights or []}, {"val": arrays.val_inputs}, classes=3, largest=50
    )
    np.testing.assert_allclose(stacked[trial.trial_id]["val"], found["val"], rtol=1e-5, atol=1e-6)
