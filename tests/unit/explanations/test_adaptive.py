"""Adaptive optimizers on a gradient that stays as it is, by their own update rules."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.explanations import adaptive
from tasks.explanations.explanation import Explanation, Results
from tasks.records import tables
from tests.plans import made_up

GRADIENT = np.array([100.0, 3.0, 0.5])
RMS = 100.0
STEPS, RHO = 300, 0.9
RATES = (1e-6, 1e-3)


def steps(optimizer: str) -> np.ndarray:
    """What each step moves each weight by, over the rate, `[steps, weights]`."""
    t = np.arange(1, STEPS + 1)[:, None]
    if optimizer == "sgd":
        return np.broadcast_to(GRADIENT, [STEPS, 3])
    if optimizer == "adagrad":
        return GRADIENT / np.sqrt(0.1 + t * GRADIENT**2)
    if optimizer == "rmsprop":
        return GRADIENT / np.sqrt((1 - RHO**t) * GRADIENT**2)
    return np.ones([STEPS, 3])


def explained(best: float = 0.5) -> Explanation:
    """Args:
    best: The loss of adaptive optimizers at the end; that of plain descent is 1.
    """
    recipes, trials, curves = [], [], []
    for optimizer in ("sgd", "adagrad", "rmsprop", "adam"):
        for rate in RATES:
            name = f"{optimizer}-{rate}"
            parameters = {"learning_rate": rate} | ({"rho": RHO} if optimizer == "rmsprop" else {})
            settings = {"optimizer": {optimizer: parameters}, "model": {"linear": {}}}
            recipes.append({"recipe_id": name, "recipe": name, "optimizer": optimizer, "params": settings})
            diverged = optimizer == "sgd" and rate > RMS**-2
            of = {"trial_id": name, "recipe_id": name, "seed": 0, "stage": "final", "parameters": 3}
            trials.append({**of, "status": "diverged" if diverged else "ok"})
            start = {"input_rms": RMS, "weight_norm": 2.0, "grad_norm": np.linalg.norm(GRADIENT)}
            curves += [{"trial_id": name, "step": 0, "name": key, "value": each} for key, each in start.items()]
            for step, moved in enumerate(steps(optimizer) * rate, start=1):
                values = {
                    "update_ratio": np.linalg.norm(moved) / 2,
                    "weight_norm": 2.0,
                    "grad_norm": np.linalg.norm(GRADIENT),
                    "val_loss": 1.0 if optimizer == "sgd" else best,
                }
                curves += [{"trial_id": name, "step": step, "name": key, "value": each} for key, each in values.items()]
    plan = made_up(recipes=recipes)
    return adaptive.explain(Results(plan=plan, trials=tables.TRIALS.frame(trials), curves=tables.CURVES.frame(curves)))


def test_update_rules_meet_what_theory_says_of_them() -> None:
    found = explained()
    assert [check.claim for check in found.checks if not check.met] == []
    plain, beyond, adapted, adagrad, adam, first_adam, first_rmsprop, *_ = (each.measured for each in found.checks)
    assert plain == pytest.approx(1, rel=1e-9)
    assert (beyond, adapted) == (1.0, 0.0)
    assert adagrad == pytest.approx(-0.5, abs=2e-3)  # the accumulator begins at 0.1
    assert adam == pytest.approx(0, abs=1e-9)
    assert first_adam == pytest.approx(1, rel=1e-9)
    assert first_rmsprop == pytest.approx((1 - RHO) ** -0.5, rel=1e-9)


def test_where_adaptive_optimizers_get_no_further_it_is_not_met() -> None:
    assert explained(best=1.0).checks[-1].met is False


def test_the_limit_is_said() -> None:
    assert "can't converge above a rate of 0.0001" in explained().seen[0]
