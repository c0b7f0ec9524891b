"""Diagnoses of small trainings with a known cause, and of what is left where curves have holes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.diagnosis.diagnose import DIAGNOSES, Facts, diagnose
from tasks.diagnosis.fit import sure_errors
from tasks.training.feed import Resident
from tasks.training.models import MODELS
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.schedules import SCHEDULES
from tasks.training.stack import train_stack
from tasks.training.trial import Arrays, Trial

RATES = {"still": ("sgd", 1e-6), "sound": ("adam", 0.01), "wild": ("sgd", 1e5)}
RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(260, 6)).astype(np.float32)
TARGETS = (INPUTS[:, 0] > 0).astype(np.int64)
CONSTANT = float(np.log(2))


@pytest.fixture(scope="module")
def curves() -> pd.DataFrame:
    """Of each recipe in `RATES`, two seeds."""
    arrays = Arrays(Resident(INPUTS[:160], TARGETS[:160]), INPUTS[160:], TARGETS[160:], 2)
    trials = [
        Trial(
            trial_id=f"{name} {seed}",
            variant_id=name,
            seed=seed,
            epochs=8,
            batch_size=16,
            architecture=MODELS["mlp"](hidden=[16, 16]),
            optimizer=OPTIMIZERS[optimizer](),
            learning_rate=rate,
            schedule=SCHEDULES["constant"](),
        )
        for name, (optimizer, rate) in RATES.items()
        for seed in (0, 1)
    ]
    rows = []
    for each in train_stack(trials, arrays, xla=False, signals=True):
        own = {"trial_id": each.trial.trial_id, "status": each.status, "steps": each.steps, "seed": each.trial.seed}
        rows += [own | {"step": step, "name": name, "value": value} for _, step, name, value in each.curves]
        rows += [
            own | {"step": step, "layer": layer, "name": name, "value": value}
            for _, step, layer, name, value in each.signals
        ]
    return pd.DataFrame(rows)


def found(curves: pd.DataFrame, name: str) -> dict:
    own = curves[curves["trial_id"].str.startswith(name)]
    trials = own.drop_duplicates("trial_id")[["trial_id", "seed", "status", "steps"]]
    optimizer, rate = RATES[name]
    settings = {"optimizer": {optimizer: {"learning_rate": rate}}, "model": {"mlp": {"hidden": [16, 16]}}}
    facts = Facts(settings=settings, task="classification", epochs=8, constant_loss=CONSTANT)
    return {each.kind: each for each in diagnose(own, trials, facts)}


def test_each_cause_is_told(curves: pd.DataFrame) -> None:
    assert found(curves, "sound") == {}
    assert set(found(curves, "still")) == {"learning_rate_too_low"}
    assert "diverged" in found(curves, "wild")


def test_a_pace_is_what_it_takes_at_that_pace(curves: pd.DataFrame) -> None:
    told = found(curves, "still")["learning_rate_too_low"]
    assert told.figure == told.evidence["moved"] < 0.001
    fall = told.evidence["fall_an_epoch"]
    assert told.evidence["epochs_for_a_tenth"] == pytest.approx(0.1 * told.evidence["train_loss"] / fall, rel=0.01)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.02, 0.9), st.sampled_from(sorted(RATES)))
def test_holes_in_the_curves_are_borne(curves: pd.DataFrame, seed: int, share: float, name: str) -> None:
    """What is not finite is not recorded, so any value may be missing."""
    left = curves.sample(frac=share, random_state=seed)
    for each in found(left, name).values() if left["trial_id"].str.startswith(name).any() else ():
        assert each.kind in DIAGNOSES and 0 < each.confidence <= 1 and np.isfinite(each.figure)
        assert all(np.isfinite(value) for value in each.evidence.values())
        assert all(sentence.endswith(".") for sentence in (each.seen, each.why, each.remedy))


def told_of(model: dict, losses: np.ndarray, updates: float, simple: float) -> set[str]:
    """What is told of a network whose validation loss follows its training loss."""
    steps = {("train_loss", None): losses, ("val_loss", None): losses * 1.01}
    steps |= {("update_ratio", None): np.full(len(losses), updates), ("grad_norm", None): np.ones(len(losses))}
    steps |= {("weight_norm", None): np.ones(len(losses)), ("weight_distance", None): np.full(len(losses), 0.2)}
    rows = [
        {"trial_id": "a", "layer": layer, "step": step, "name": name, "value": value}
        for (name, layer), values in steps.items()
        for step, value in enumerate(values, 1)
    ]
    trials = pd.DataFrame([{"trial_id": "a", "seed": 0, "status": "ok", "steps": len(losses)}])
    facts = Facts(
        settings={"optimizer": {"sgd": {"learning_rate": 0.01}}, "model": model},
        task="classification",
        epochs=len(losses),
        constant_loss=2.3,
        simple_loss=simple,
    )
    return {each.kind for each in diagnose(pd.DataFrame(rows), trials, facts)}


FLAT = np.r_[np.linspace(2.3, 1.3, 4), np.full(16, 1.3)]
CHOKED = 1.2 + 1.1 * np.exp(-np.arange(20) / 6)


def test_only_a_network_that_is_narrow_or_linear_is_too_small() -> None:
    wide, narrow = {"mlp": {"hidden": [64]}}, {"mlp": {"hidden": [64, 2]}}
    assert told_of(narrow, FLAT, 0.005, 1.3) == {"underfitting"}
    assert told_of({"linear": {}}, FLAT, 0.005, 0.2) == {"underfitting"}
    assert told_of({"linear": {}}, FLAT, 0.005, 1.3) == set()
    assert told_of(wide, FLAT, 0.005, 0.2) == set()
    assert told_of({"cnn": {}}, FLAT, 0.005, 0.2) == set()


def test_small_steps_that_a_simple_model_overtakes_are_told_as_too_slow() -> None:
    wide = {"mlp": {"hidden": [64]}}
    assert told_of(wide, CHOKED, 0.0005, 0.2) == {"learning_rate_too_low"}
    assert told_of(wide, CHOKED, 0.005, 0.2) == set()  # steps were large enough
    assert told_of(wide, CHOKED, 0.0005, 1.2) == set()  # and nothing does better


def test_surest_rows_with_another_label() -> None:
    sure = np.array([0.99, 0.98, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6])
    assert sure_errors(np.array([0, 1, 1, 1, 1, 1, 1, 1]), np.stack([sure, 1 - sure], 1)) == (1, 2)
