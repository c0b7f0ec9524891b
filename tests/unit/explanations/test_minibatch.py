"""The noise of mini-batches on gradients whose spread is known."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.explanations import minibatch
from tasks.explanations.explanation import Explanation, Results
from tasks.records import tables
from tests.plans import made_up

ROWS, WEIGHTS, LENGTH = 64, 30, 5.0
SIZES = (1, 4, 16, 64)


def explained(*, noisy: bool = True) -> Explanation:
    """Of trainings whose steps follow means of random rows' gradients; without noise, of all rows' gradient."""
    rng = np.random.default_rng(0)
    gradients = rng.normal(size=(ROWS, WEIGHTS))
    whole = gradients.mean(axis=0)
    recipes, trials, curves = [], [], []
    for rate in (1e-3, 0.1):
        for size in SIZES:
            name = f"{rate}-{size}"
            settings = {"optimizer": {"sgd": {"learning_rate": rate}}, "batch_size": size}
            recipes.append({"recipe_id": name, "recipe": name, "params": settings})
            of = {"trial_id": name, "recipe_id": name, "seed": 0, "stage": "final", "status": "ok"}
            trials.append({**of, "steps": 40 * ROWS // size, "seconds": 40.0 * ROWS / np.sqrt(size)})
            for epoch in range(1, 41):
                batch = gradients[rng.permutation(ROWS)[:size]].mean(axis=0) if noisy else whole
                jump = (-1) ** epoch * 0.3 * (size < ROWS)
                values = {
                    "update_ratio": rate * np.linalg.norm(batch) / LENGTH,
                    "weight_norm": LENGTH,
                    "grad_norm": np.linalg.norm(whole),
                    "val_loss": (1 + size / (10 * epoch)) * np.exp(jump),
                }
                step = epoch * ROWS // size
                curves += [{"trial_id": name, "step": step, "name": key, "value": each} for key, each in values.items()]
    plan = made_up(recipes=recipes, parts={"train": ROWS, "val": 10, "test": 10})
    return minibatch.explain(Results(plan=plan, trials=tables.TRIALS.frame(trials), curves=tables.CURVES.frame(curves)))


def test_the_noise_is_that_of_batches_drawn_without_putting_rows_back() -> None:
    found = explained()
    slope = found.checks[0]
    assert slope.met and slope.measured == pytest.approx(1, abs=0.1)
    measured = found.pictures[0].lines[0]
    spread = 1.0 * WEIGHTS  # of rows drawn from a standard normal
    assert measured.y[0] == pytest.approx(spread, rel=0.25)
    assert measured.y[-1] == pytest.approx(0, abs=1e-9)


def test_seconds_of_an_example_are_counted() -> None:
    cost = next(check for check in explained().checks if "seconds" in check.claim)
    assert cost.met and cost.measured == pytest.approx(8)  # 1 / sqrt(size) an example, of sizes 1 and 64


def test_without_noise_there_is_no_slope_and_it_is_not_met() -> None:
    assert explained(noisy=False).checks[0].met is None


@pytest.mark.parametrize(("size", "share"), [(1, 1.0), (64, 0.0), (32, 32 / 63 / 32)])
def test_the_law(size: int, share: float) -> None:
    assert minibatch.law(size, 64) == pytest.approx(share)
