"""The learning rate explained on a valley whose every step is known, and the guideline."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.explanations import learning_rate
from tasks.explanations.explanation import Explanation, Results
from tasks.records import tables
from tests.plans import made_up

CURVATURE = 4.0
STEPS = 40


def explained(rates: list[float]) -> Explanation:
    """Of gradient descent on `L(w) = CURVATURE / 2 * w^2`, begun at 1, with the weights' norm as the network's."""
    recipes, trials, curves = [], [], []
    for rate in rates:
        name = f"r{rate}"
        settings = {"optimizer": {"sgd": {"learning_rate": rate}}}
        recipes.append({"recipe_id": name, "recipe": name, "params": settings})
        weights = (1 - rate * CURVATURE) ** np.arange(1.0, STEPS + 1)
        losses = CURVATURE / 2 * weights**2
        finite = losses < 1e12
        ended = "ok" if finite.all() else "diverged"
        trials.append({"trial_id": name, "recipe_id": name, "seed": 0, "stage": "final", "status": ended})
        for step, (weight, loss) in enumerate(zip(weights[finite], losses[finite], strict=True), start=1):
            values = {"val_loss": loss, "weight_norm": abs(weight), "weight_distance": abs(1 - weight)}
            curves += [{"trial_id": name, "step": step, "name": key, "value": each} for key, each in values.items()]
        curves.append({"trial_id": name, "step": 0, "name": "weight_norm", "value": 1.0})
    plan = made_up(recipes=recipes)
    return learning_rate.explain(
        Results(plan=plan, trials=tables.TRIALS.frame(trials), curves=tables.CURVES.frame(curves))
    )


def test_on_a_valley_all_is_as_theory_says() -> None:
    found = explained([1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 0.3, 1.0])
    assert [check.claim for check in found.checks if not check.met] == []
    slope, fall, *_ = (check.measured for check in found.checks)
    assert slope == pytest.approx(1, abs=1e-3)
    assert fall == pytest.approx(1, abs=1e-3)
    assert "It ends at 0.3." in found.seen[-1]


def test_rates_that_are_all_alike_show_no_effect() -> None:
    found = explained([0.2, 0.21, 0.22, 0.23])
    assert any("highest rate fails" in check.claim and check.met is False for check in found.checks)


@pytest.mark.parametrize(
    ("wild", "tried"),
    [
        ({0.001: False, 0.01: False, 0.03: False, 0.1: True, 1.0: True}, [0.001, 0.01, 0.1, 0.03]),
        ({0.001: False, 0.01: False, 0.1: True, 1.0: True}, [0.001, 0.01, 0.1, 0.01]),
        ({0.001: False, 0.01: False}, [0.001, 0.01]),
        ({0.001: True, 0.01: True}, [0.001]),
        ({0.001: False, 0.002: True}, [0.001]),
    ],
)
def test_the_guideline(wild: dict[float, bool], tried: list[float]) -> None:
    assert learning_rate.guideline(wild) == tried
