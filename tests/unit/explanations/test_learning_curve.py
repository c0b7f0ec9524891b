"""Risks whose gap is known at every number of rows, and networks that learned from few and from many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reports.explanations import results_of
from reports.run import read_run
from tasks.explanations import learning_curve
from tasks.explanations.explanation import Explanation, Results
from tasks.records import tables
from tests.plans import made_up
from tests.runs import planned

SIZES, ALL, WEIGHTS, TEST = (100, 200, 400, None), 800, 50, 2000


def explained(slope: float, *, rising: bool = True) -> Explanation:
    """Of a gap of `1.8 (n / 100)^slope` around a risk of 1 (without `rising`, above a training loss of 1)."""
    recipes, trials, metrics = [], [], []
    for rows in SIZES:
        gap = 1.8 * ((rows or ALL) / SIZES[0]) ** slope
        settings = {"optimizer": {"sgd": {"learning_rate": 0.1}}} | ({"rows": rows} if rows else {})
        recipes.append({"recipe_id": f"r{rows}", "recipe": f"r{rows}", "params": settings})
        train = 1 - gap / 2 if rising else 1.0
        for seed in range(2):
            trial = f"r{rows}-{seed}"
            trials.append({"trial_id": trial, "recipe_id": f"r{rows}", "seed": seed, "stage": "final", "status": "ok"})
            for part, loss in {"train": train, "test": train + gap}.items():
                for name, value in {"loss": loss, "accuracy": 1 - loss / 10}.items():
                    metrics.append({"trial_id": trial, "part": part, "metric": name, "value": value, "rows": 10})
    parts = {"train": ALL, "val": 10, "test": TEST}
    plan = made_up(recipes=recipes, parts=parts, stacks=[{"parameters": WEIGHTS}])
    frames = {"trials": tables.TRIALS.frame(trials), "metrics": tables.METRICS.frame(metrics)}
    return learning_curve.explain(Results(plan=plan, curves=tables.CURVES.frame(), **frames))


@pytest.mark.parametrize("slope", [-0.6, -0.9])
def test_a_gap_that_falls_as_theory_expects_meets_every_check(slope: float) -> None:
    found = explained(slope)
    assert [check.claim for check in found.checks if not check.met] == []
    assert found.checks[-1].measured == pytest.approx(slope)
    assert found.checks[4].measured == pytest.approx(8**slope)


@pytest.mark.parametrize("slope", [-0.2, -1.3])
def test_another_rate_is_not_met(slope: float) -> None:
    assert explained(slope).checks[-1].met is False


def test_a_training_loss_that_does_not_rise_is_not_met() -> None:
    assert [check.met for check in explained(-0.6, rising=False).checks[:2]] == [False, False]


def test_the_bound_is_the_closed_form_and_said_to_say_nothing_above_1() -> None:
    said = " ".join(explained(-0.6).seen)
    bits = 32 * WEIGHTS * np.log(2)
    assert f"{np.sqrt((bits - np.log(0.05)) / (2 * ALL)):.3g} above that on 800 training rows" in said
    assert "says nothing: it begins to with 556 rows" not in said  # at 800 rows it is below 1
    assert f"within {np.sqrt(np.log(2 / 0.05) / (2 * TEST)):.3g} of theirs" in said


def test_all_rows_stand_at_the_size_of_the_training_part() -> None:
    line = explained(-0.6).pictures[0].lines[0]
    assert list(line.x) == [100, 200, 400, 800]


@pytest.mark.slow
def test_of_the_bundled_digits_the_gap_narrows_with_the_rows(tmp_path: Path) -> None:
    train = {"optimizer": {"adam": {"learning_rate": 0.01}}, "epochs": 30, "seeds": 2, "regularisation": {"l2": 0.002}}
    spec = {"data": {"source": "digits"}, "model": {"mlp": {"hidden": [10]}}, "train": train}
    run = planned(tmp_path, spec | {"compare": {"rows": [60, 120, 300, 900]}, "explain": ["learning-curve"]})
    run.judge(run.tables())
    read = read_run(tmp_path)
    found = learning_curve.explain(results_of(read))
    narrows, slope = found.checks[4], found.checks[5]
    assert narrows.met and slope.measured < -0.3
    hidden = read.inspected.network.hidden if read.inspected and read.inspected.network else None
    assert hidden is not None and hidden.outputs == [str(digit) for digit in range(10)]
    assert np.sum(hidden.added, axis=1) == pytest.approx(np.zeros(10), abs=1e-2)
