"""Losses of classes on made-up trainings, and the closed form of how hard a row pulls."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.explanations import loss_and_metric
from tasks.explanations.explanation import Explanation, Results
from tasks.records import tables
from tests.plans import made_up

MODELS: tuple[dict[str, dict], ...] = ({"linear": {}}, {"mlp": {"hidden": [8]}})
KINDS = (("cross_entropy", "none"), ("squared_error", "none"), ("cross_entropy", "class_weight"))
FACTORS = (0.48, 0.002)
"""By seed, the squared error's gradient before training over that of the cross-entropy."""


def explained(weighted_cost: float = 0.5) -> Explanation:
    """Args:
    weighted_cost: Of a case under class weights; 1 without.
    """
    recipes, trials, curves, metrics = [], [], [], []
    for model in MODELS:
        for loss, imbalance in (
            ("cross_entropy", "none"),
            ("squared_error", "none"),
            ("cross_entropy", "class_weight"),
        ):
            name = f"{next(iter(model))}-{loss}-{imbalance}"
            settings: dict = {"optimizer": {"sgd": {"learning_rate": 0.1}}, "model": model}
            settings |= {"loss": {loss: {}}} if loss == "squared_error" else {}
            settings |= {"imbalance": imbalance} if imbalance == "class_weight" else {}
            recipes.append({"recipe_id": name, "recipe": name, "params": settings})
            network, weighted, squared = "mlp" in model, imbalance == "class_weight", loss == "squared_error"
            val = (0.3 if network else 0.1) * (4 if weighted else 2 if squared else 1)
            values = {("val", "loss"): val, ("train", "loss"): val}
            values["test", "cost_per_case"] = weighted_cost if weighted else 1.0
            for seed, factor in enumerate(FACTORS):
                trial = f"{name}-{seed}"
                of = {"trial_id": trial, "recipe_id": name, "seed": seed, "stage": "final", "status": "ok"}
                trials.append(of)
                metrics += [
                    {"trial_id": trial, "part": part, "metric": metric, "value": value, "rows": 10}
                    for (part, metric), value in values.items()
                ]
                gradient = 3.0 * (factor if squared else 1.0)
                curves.append({"trial_id": trial, "step": 0, "name": "grad_norm", "value": gradient})
                curves.append({"trial_id": trial, "step": 9, "name": "val_loss", "value": val})
    return loss_and_metric.explain(
        Results(
            plan=made_up(recipes=recipes),
            trials=tables.TRIALS.frame(trials),
            curves=tables.CURVES.frame(curves),
            metrics=tables.METRICS.frame(metrics),
        )
    )


def test_what_is_as_theory_says_is_met() -> None:
    found = explained()
    assert [check.claim for check in found.checks if not check.met] == []
    assert [check.measured for check in found.checks] == pytest.approx([0.48, 0.002, 2, 4, 0.5])


def test_weights_that_save_nothing_are_not_met() -> None:
    assert explained(weighted_cost=1.0).checks[-1].met is False


def test_the_curves_of_the_pull_are_the_derivatives_of_the_losses() -> None:
    outputs = np.linspace(-8, 8, 1601)  # of the right class; that of the other is 0
    p = 1 / (1 + np.exp(-outputs))
    losses = {"cross entropy": -np.log(p), "squared error": (1 - p) ** 2}
    for line in explained().pictures[0].lines:
        slopes = -np.gradient(losses[line.name], outputs)
        np.testing.assert_allclose(np.interp(p, line.x, line.y)[1:-1], slopes[1:-1], atol=2e-3)
