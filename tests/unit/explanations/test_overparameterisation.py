"""Widths whose minima come together, and widths that make no difference."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.explanations import overparameterisation
from tasks.explanations.explanation import Explanation, Results
from tasks.records import tables
from tasks.records.inspection import Inspection
from tasks.records.landscape import Between
from tests.plans import made_up

WIDTHS, SEEDS, ROWS = (2, 8, 64, 512), 4, 60
AT = np.linspace(0, 1, 5)


def explained(*, alike: bool = False, shipped: bool = True) -> Explanation:
    """Of losses that spread by 1 over the width around it, and barriers likewise; with `alike` of widths that all do
    as the narrowest does."""
    recipes, trials, curves, lines = [], [], [], []
    for width in WIDTHS:
        name, spread = f"w{width}", 2 / (WIDTHS[0] if alike else width)
        settings = {"optimizer": {"sgd": {"learning_rate": 0.1}}, "model": {"mlp": {"hidden": [width]}}}
        recipes.append({"recipe_id": name, "recipe": name, "params": settings})
        barrier = [spread, spread * (1 if alike else 0.1)]
        own, matched = (height * np.sin(np.pi * AT) for height in barrier)
        found = Between(
            recipe_id=name,
            pairs=2,
            at=AT.tolist(),
            losses=own.tolist(),
            matched=matched.tolist(),
            barrier=barrier[0],
            matched_barrier=barrier[1],
        )
        lines.append(found)
        for seed in range(SEEDS):
            trial = f"{name}-{seed}"
            trials.append({"trial_id": trial, "recipe_id": name, "seed": seed, "stage": "final", "status": "ok"})
            for key in ("train_loss", "val_loss"):
                curves.append({"trial_id": trial, "step": 1, "name": key, "value": spread * (1 + seed / SEEDS) / 2})
    inspected = Inspection(trial_id="w2-0", examples=None, residuals=None, inputs=0, between=lines) if shipped else None
    plan = made_up(recipes=recipes, parts={"train": ROWS, "val": 10, "test": 10})
    frames = {"trials": tables.TRIALS.frame(trials), "curves": tables.CURVES.frame(curves)}
    return overparameterisation.explain(Results(plan=plan, inspected=inspected, **frames))


def test_where_minima_come_together_every_check_is_met_with_its_figure() -> None:
    found = explained()
    assert [check.claim for check in found.checks if not check.met] == []
    figures = [check.measured for check in found.checks]
    assert figures == pytest.approx([0, 1, 2 / 512, 2 / 512, 0.1, 0.1 * 2 / 512])
    assert len(found.pictures) == 4


def test_where_width_makes_no_difference_it_is_said() -> None:
    checks = explained(alike=True).checks
    assert [check.met for check in checks] == [True, False, False, False, False, False]


def test_without_a_shipped_network_barriers_are_not_measured() -> None:
    found = explained(shipped=False)
    assert [check.met for check in found.checks] == [True, True, True, None, None, None]
    assert "no network was shipped" in " ".join(found.seen) and len(found.pictures) == 2


def test_deep_networks_and_few_widths_are_a_misfit() -> None:
    deep = [
        {"recipe_id": f"{width}", "recipe": f"{width}", "params": {"model": {"mlp": {"hidden": [width, 4]}}}}
        for width in WIDTHS
    ]
    assert overparameterisation.misfit(made_up(recipes=deep).recipes) is not None
