"""Regularisation on weights that follow each penalty's rule to the letter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tasks.explanations import regularisation
from tasks.explanations.explanation import Explanation, Results
from tasks.records import tables
from tests.plans import made_up

RATE, L1, L2, STEPS, WEIGHTS = 0.1, 0.01, 0.002, 4000, 400
NONE = {"l1": 0.0, "l2": 0.0, "dropout": 0.0}
ARMS: dict[str, dict[str, Any]] = {
    "plain": {"regularisation": NONE},
    "l1": {"regularisation": NONE | {"l1": L1}},
    "l2": {"regularisation": NONE | {"l2": L2}},
    "early": {"regularisation": NONE, "early_stopping": {"patience": 5}},
    "noise": {"regularisation": NONE, "augmentation": {"steps": [{"gaussian_noise": {"std": 0.5}}]}},
    "two": {"regularisation": NONE | {"l1": L1, "l2": L2}},
}


def weights(arm: str) -> np.ndarray:
    """Of descent that the data pull at a tenth of the weights only: these stay, the others follow the penalty alone."""
    rng = np.random.default_rng(0)
    kept = rng.normal(size=[WEIGHTS, 1])
    free = kept[WEIGHTS // 10 :]
    for _ in range(STEPS):
        free -= RATE * (L1 * np.sign(free) if arm == "l1" else 2 * L2 * free if arm == "l2" else 0.0)
    return kept


def explained(gap: float = 0.3) -> Explanation:
    """Args:
    gap: Of all but the plain recipe, whose gap is 1.
    """
    recipes, trials, curves, metrics = [], [], [], []
    for name, settings in ARMS.items():
        settings = {"optimizer": {"sgd": {"learning_rate": RATE}}, "early_stopping": None, **settings}
        recipes.append({"recipe_id": name, "recipe": name, "optimizer": "sgd", "params": settings})
        trials.append({"trial_id": name, "recipe_id": name, "seed": 0, "stage": "final", "status": "ok"})
        own = 1.0 if name == "plain" else gap
        losses = {"train": 0.2, "val": 0.2 + own}
        metrics += [
            {"trial_id": name, "part": part, "metric": "loss", "value": loss, "rows": 10}
            for part, loss in losses.items()
        ]
        for step in (1, 2, 3):
            values = {"val_loss": 0.2 + own * step / 3, "loss_gap": own * step / 3}
            curves += [{"trial_id": name, "step": step, "name": key, "value": each} for key, each in values.items()]
    return regularisation.explain(
        Results(
            plan=made_up(recipes=recipes),
            trials=tables.TRIALS.frame(trials),
            curves=tables.CURVES.frame(curves),
            metrics=tables.METRICS.frame(metrics),
            weights=lambda trial: [weights(trial), np.zeros(3)],
        )
    )


def test_weights_that_follow_the_penalties_meet_what_theory_says() -> None:
    found = explained()
    assert [check.claim for check in found.checks if not check.met] == []
    near, without, size, zeros, *_ = (check.measured for check in found.checks)
    assert near == pytest.approx(0.9, abs=0.02)
    assert without < 0.01 and zeros == 0
    assert size == pytest.approx(0.5, abs=0.1)
    assert "none of 400 is 0" in " ".join(found.seen)


def test_one_thing_at_a_time_is_compared() -> None:
    compared = [check.claim.split(" narrows")[0] for check in explained().checks if "narrows" in check.claim]
    assert compared == ["L1 0.01", "L2 0.002", "Early stopping", "Gaussian noise"]


def test_a_gap_that_stays_is_not_met_and_is_named() -> None:
    found = explained(gap=0.95)
    assert [check.met for check in found.checks if "narrows" in check.claim] == [False] * 4
    assert "The gap is hardly narrower with" in " ".join(found.seen)


def test_soft_thresholding_ends_at_0_and_plain_steps_do_not() -> None:
    lines = {line.name: np.asarray(line.y) for line in explained().pictures[-1].lines}
    assert lines["L1 0.01 by soft thresholding"][-1] == 0
    assert 0 < lines["L1 0.01"][-1] <= RATE * L1
    assert lines["L2 0.002"][-1] / lines["L2 0.002"][-2] == pytest.approx(1 - 2 * RATE * L2)
