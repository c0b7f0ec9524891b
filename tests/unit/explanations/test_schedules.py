"""Schedules on a loss that is, at each moment, the floor of the moment's rate."""

from __future__ import annotations

import pytest

from tasks.explanations import schedules
from tasks.explanations.explanation import Explanation, Results
from tasks.records import tables
from tasks.training.schedules import SCHEDULES
from tests.plans import made_up

EPOCHS, MINIMUM, SLOPE = 30, 0.5, 2.0
RATES = (0.01, 0.02, 0.04)


def explained(slope: float = SLOPE) -> Explanation:
    """Of losses `MINIMUM + slope * rate`, after a first epoch in which the loss is one over the rate."""
    recipes, trials, curves = [], [], []
    for rate in RATES:
        for schedule in ("constant", "step", "cosine", "linear_to_zero"):
            name = f"{schedule}-{rate}"
            settings = {"optimizer": {"sgd": {"learning_rate": rate}}, "schedule": {schedule: {}}}
            recipes.append({"recipe_id": name, "recipe": name, "schedule": schedule, "params": settings})
            trials.append({"trial_id": name, "recipe_id": name, "seed": 0, "stage": "final", "status": "ok"})
            rates = SCHEDULES[schedule]().learning_rates(rate, 100 * EPOCHS, 100)[99::100]
            losses = MINIMUM + slope * rates
            losses[0] = 0.02 / rate
            for epoch, values in enumerate(zip(rates, losses, strict=True), start=1):
                named = dict(zip(("learning_rate", "train_loss"), map(float, values), strict=True))
                curves += [{"trial_id": name, "step": epoch, "name": key, "value": each} for key, each in named.items()]
    plan = made_up(recipes=recipes)
    return schedules.explain(Results(plan=plan, trials=tables.TRIALS.frame(trials), curves=tables.CURVES.frame(curves)))


def test_on_floors_in_proportion_to_the_rate_all_is_as_theory_says() -> None:
    found = explained()
    assert [check.claim for check in found.checks if not check.met] == []
    rise, slow, poor, alike, moment = (check.measured for check in found.checks)
    assert rise == pytest.approx(2, rel=1e-6)
    assert slow == pytest.approx(4, rel=1e-6)
    assert poor == pytest.approx(1 + SLOPE * RATES[-1] / MINIMUM, rel=0.01)
    assert alike == pytest.approx(1, abs=0.02)
    assert moment == pytest.approx(1, abs=1e-6)
    line = found.pictures[-1].lines[-1]
    assert line.y[0] == pytest.approx(MINIMUM)


def test_without_noise_a_constant_rate_is_no_worse_and_that_is_said() -> None:
    poor = next(check for check in explained(slope=0.0).checks if "poor minimum" in check.claim)
    assert poor.met is False and poor.measured == pytest.approx(1)


def test_a_schedule_that_is_alone_is_a_misfit() -> None:
    assert schedules.misfit([]) is not None
