"""The theory of the signal against random networks and closed forms, and what is said of trainings."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.explanations import activations
from tasks.explanations.activations import FUNCTIONS, VARIANCES, variances
from tasks.explanations.explanation import Results
from tasks.records import tables
from tests.plans import made_up


@pytest.mark.parametrize(("gain", "factor"), [(2.0, 1.0), (1.0, 0.5), (0.16, 0.08)])
def test_relu_has_one_factor_for_all_layers(gain: float, factor: float) -> None:
    found = variances(FUNCTIONS["relu"], gain, 0.7, 6)
    np.testing.assert_allclose(found, 0.7 * factor ** np.arange(6), rtol=1e-9)


def test_leaky_relu_under_he_gains_four_hundredths() -> None:
    found = variances(FUNCTIONS["leaky_relu"], 2.0, 0.3, 4)
    np.testing.assert_allclose(found[1:] / found[:-1], 1.04, rtol=1e-9)


@pytest.mark.parametrize("activation", FUNCTIONS)
@pytest.mark.parametrize("initialisation", ["he_normal", "glorot_uniform", "random_normal"])
def test_the_recursion_is_that_of_wide_random_networks(activation: str, initialisation: str) -> None:
    width, layers, rng = 1500, 4, np.random.default_rng(0)
    gain = width * VARIANCES[initialisation](width)
    values, found = rng.normal(size=(4, width)), []
    values *= np.sqrt(width) / np.linalg.norm(values, axis=1, keepdims=True)
    for _ in range(layers):
        values = FUNCTIONS[activation](values @ rng.normal(0, np.sqrt(gain / width), [width, width]))
        found.append(float(values.var()))
    theory = variances(FUNCTIONS[activation], gain, found[0], layers)
    np.testing.assert_allclose(found[-1], theory[-1], rtol=0.2)


def test_the_variances_of_weights_are_those_that_keras_draws() -> None:
    import keras

    drawn = {
        "he_normal": keras.initializers.HeNormal(0),
        "he_uniform": keras.initializers.HeUniform(0),
        "glorot_normal": keras.initializers.GlorotNormal(0),
        "glorot_uniform": keras.initializers.GlorotUniform(0),
        "random_normal": keras.initializers.RandomNormal(seed=0),
    }
    for name, initialiser in drawn.items():
        assert np.var(np.asarray(initialiser([300, 300]))) == pytest.approx(VARIANCES[name](300), rel=0.02)


def results(dead: dict[float, float], loss: dict[float, float]) -> Results:
    """ReLU under He and tanh under Glorot, as theory has them, trained at some rates with these ends."""
    recipes, trials, curves = [], [], []
    for rate, share in dead.items():
        for activation, initialisation in (("relu", "he_normal"), ("tanh", "glorot_normal")):
            name = f"{activation}-{rate}"
            model = {"hidden": [50] * 4, "activation": activation, "initialisation": initialisation}
            settings = {"optimizer": {"sgd": {"learning_rate": rate}}, "model": {"mlp": model}}
            recipes.append({"recipe_id": name, "recipe": name, "params": settings})
            trials.append({"trial_id": name, "recipe_id": name, "seed": 0, "stage": "final", "status": "ok"})
            gain = 50 * VARIANCES[initialisation](50)
            signal = "dead_units" if activation == "relu" else "saturation"
            for layer, variance in enumerate(variances(FUNCTIONS[activation], gain, 0.4, 4), start=1):
                of = {"trial_id": name, "layer": f"dense_{layer}"}
                before = {"activation_std": np.sqrt(variance), "grad_norm": 1.0, "weight_norm": 7.0, signal: 0.0}
                curves += [{**of, "step": 0, "name": key, "value": value} for key, value in before.items()]
                curves.append({**of, "step": 9, "name": signal, "value": share})
            curves.append({"trial_id": name, "step": 9, "name": "val_loss", "value": loss[rate]})
    plan = made_up(recipes=recipes, data={"classes": ["a", "b"]})
    return Results(plan=plan, trials=tables.TRIALS.frame(trials), curves=tables.CURVES.frame(curves))


def test_a_network_that_is_as_theory_says_meets_it_and_its_dead_units_are_counted() -> None:
    found = activations.explain(results({0.1: 0.05, 1.0: 0.8}, {0.1: 0.2, 1.0: 0.7}))
    assert all(check.met for check in found.checks)
    shares = [check.measured for check in found.checks if "share of" in check.claim]
    assert shares == pytest.approx([0.75, 0.75])
    assert "at 1 nothing was learned (80% of its units dead)" in " ".join(found.seen)


def test_units_that_do_not_die_are_an_effect_that_does_not_appear() -> None:
    found = activations.explain(results({0.1: 0.05, 1.0: 0.1}, {0.1: 0.2, 1.0: 0.1}))
    assert [check.met for check in found.checks if "dead units" in check.claim] == [False]
