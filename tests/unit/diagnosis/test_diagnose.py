"""Diagnoses of small trainings with a known cause, and of what is left where curves have holes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.diagnosis.case import Case, History
from tasks.diagnosis.diagnose import DIAGNOSES, Facts, diagnose, found_in
from tasks.diagnosis.fit import sure_errors
from tasks.records.settings import RecipeSettings
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
    facts = Facts(settings=RecipeSettings(settings), task="classification", epochs=8, constant_loss=CONSTANT)
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
        settings=RecipeSettings({"optimizer": {"sgd": {"learning_rate": 0.01}}, "model": model}),
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


def of_losses(*losses: float, status: str = "ok") -> History:
    """A trial with these validation losses."""
    steps = np.arange(len(losses))
    return History(0, status, {("val_loss", None): steps}, {("val_loss", None): np.array(losses)})


def told_of_seeds(*histories: History) -> dict[str, str]:
    """By kind what was seen, of trials that differ in their seeds."""
    settings = {"optimizer": {"sgd": {"learning_rate": 0.1}}, "model": {"mlp": {"hidden": [8]}}}
    facts = Facts(settings=RecipeSettings(settings), task="classification", epochs=3, constant_loss=2.0)
    return {each.kind: each.seen for each in found_in(Case(facts, histories))}


def test_seeds_that_end_far_apart_or_of_which_some_diverge_are_told_as_unstable() -> None:
    alike = [of_losses(2.0, 0.5), of_losses(2.0, 0.55), of_losses(2.0, 0.6)]
    assert told_of_seeds(*alike) == {}
    assert told_of_seeds(of_losses(2.0, 0.01), of_losses(2.0, 0.02), of_losses(2.0, 0.03)) == {}, "all are good"
    apart = told_of_seeds(*alike[:2], of_losses(2.0, 1.5))
    assert apart == {
        "unstable_under_seeds": "The lowest validation loss is 0.5 under the best seed, 1.5 under the worst."
    }
    some = told_of_seeds(*alike, of_losses(2.0, status="diverged"))
    assert some["unstable_under_seeds"].startswith("1 of 4 trials diverged; ")
    assert some["diverged"] == "The loss became non-finite in 1 of 4 trials."


def passing(*shares: float) -> History:
    """A trial of four layers, at each look of which this share of the gradient reaches the first layer."""
    layers, steps = ("a", "b", "c", "output"), np.arange(len(shares))
    values = {("grad_norm", layer): np.ones(len(shares)) for layer in layers} | {("grad_norm", "a"): np.array(shares)}
    values |= {("weight_norm", layer): np.ones(len(shares)) for layer in layers}
    return History(0, "ok", dict.fromkeys(values, steps), values, layers)


def test_gradients_that_vanish_from_the_start_are_told_from_those_that_the_first_steps_lost() -> None:
    assert told_of_seeds(passing(0.5, 0.5, 0.5, 1e-6)) == {}
    start = told_of_seeds(passing(1e-6, 1e-6, 1e-6))["vanishing_gradients"]
    assert start == "0.0001% of the output layer's gradient reaches a, relative to their weights, from the start on."
    later = told_of_seeds(passing(0.5, 1e-6, 1e-6))["vanishing_gradients"]
    assert later.endswith("after the first steps; before them it was 50%.")
