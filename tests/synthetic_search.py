"""Makes a hyperparameter search without training: settings are drawn from a space and scored by a formula with a known
optimum."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tasks.evaluation.tried import read_space
from tasks.records.tables import SETTINGS
from tasks.search.space import Range, Space
from tests.plans import space_of

# Decimal logarithm of the best learning rate, by optimizer; 0.5 lies above the range.
_OPTIMA = {"sgd": 0.5, "momentum": -1.5, "rmsprop": -3.0, "adam": -2.7, "nadam": -2.6}


@dataclass(frozen=True)
class SyntheticSearch:
    """plan.json's `search`, table `settings`, and the search's rows of tables `trials` and `metrics`."""

    plan: dict[str, Any]
    settings: pd.DataFrame
    trials: list[dict[str, Any]]
    metrics: list[dict[str, Any]]


def space(optimizer: str, dimensions: int, choices: Sequence[str] = ("relu", "tanh", "elu")) -> list[dict[str, Any]]:
    """Returns `dimensions` entries of a space as in plan.json, at most eight: the learning rate first, then every
    kind."""
    entries: list[dict[str, Any]] = [
        {"name": "learning_rate", "low": 1e-5, "high": 1.0, "log": True, "owned": True},
        {"name": "batch_size", "choices": [16, 32, 64, 128]},
        {"name": "layers", "low": 1, "high": 3, "integer": True},
        {"name": "units_2", "low": 16, "high": 256, "log": True, "integer": True, "when": {"layers": [2, 3]}},
        {"name": "activation", "choices": list(choices)},
        {"name": "dropout", "low": 0.0, "high": 0.5},
        {"name": "l2", "low": 1e-7, "high": 1e-2, "log": True},
        {"name": "label_smoothing", "low": 0.0, "high": 0.2, "step": 0.05},
    ]
    if optimizer in ("momentum", "nesterov"):
        entries[1] = {"name": "momentum", "low": 0.0, "high": 0.99, "owned": True}
    filled = {"log": False, "integer": False, "step": None}
    return [
        ({} if "choices" in entry else filled) | {"when": {}, "owned": False} | entry for entry in entries[:dimensions]
    ]


def synthetic_search(
    recipes: Sequence[dict[str, Any]],
    *,
    settings: int,
    dimensions: int = 8,
    method: str = "random",
    seeds: int = 2,
    folds: int | None = None,
    metric: str = "accuracy",
    greater_is_better: bool = True,
    cost: str | None = "seconds",
    choices: Sequence[str] = ("relu", "tanh", "elu"),
    seed: int = 0,
) -> SyntheticSearch:
    """Makes a search of `settings` settings for each recipe; every tenth one diverges.

    The score falls off with the squared distance, in decades, of the learning rate from the optimizer's best one, a
    little with dropout, and with nothing else. SGD's best learning rate lies above its range.

    Args:
        recipes: The recipes of plan.json.
    """
    rng = np.random.default_rng(seed)
    entries, rows, trials, metrics = [], [], [], []
    for recipe in recipes:
        own = space(recipe["optimizer"], dimensions, choices)
        entries.append(
            {
                **{name: recipe[name] for name in ("recipe_id", "recipe", "optimizer", "params")},
                "method": method,
                "trials": settings,
                "epochs": settings * seeds * (folds or 1) * 10,
                "rungs": [],
                "space": own,
            }
        )
        for number in range(settings):
            values = _drawn(read_space(space_of(*own)), rng)
            diverged = number % 10 == 9
            pruned = method == "successive-halving" and number % 3 == 1
            found = _score(recipe["optimizer"], values) + rng.normal(0, 0.005, seeds * (folds or 1))
            score = float(found.mean()) if greater_is_better else float(1000 * (1.2 - found.mean()))
            spread = float(found.std(ddof=1)) if len(found) > 1 else None
            variant = f"{recipe['recipe_id']}-{number}"
            epochs = 10 * len(found) // (3 if pruned else 1)
            rows.append(
                {
                    **{name: recipe[name] for name in ("recipe_id", "recipe")},
                    "method": method,
                    "number": number,
                    "batch": number // 8,
                    "variant_id": variant,
                    "values": json.dumps(values),
                    "status": "diverged" if diverged else "pruned" if pruned else "ok",
                    "score": None if diverged else score,
                    "spread": None if diverged or spread is None else spread * (1 if greater_is_better else 1000),
                    "loss": None if diverged else 1.2 - float(found.mean()),
                    "rung": None if method != "successive-halving" else 0 if pruned else 2,
                    "epochs": float(epochs),
                    "seconds": float(rng.uniform(0.5, 4) * (1 + values.get("units_2", 0) / 128)),
                }
            )
            for own_seed in range(1000, 1000 + seeds):
                trial = {"trial_id": f"{variant}-{own_seed}", "variant_id": variant, "stage": "search"}
                trials.append(
                    trial
                    | {name: recipe[name] for name in ("recipe_id", "recipe", "optimizer", "schedule")}
                    | {"seed": own_seed, "params": json.dumps(recipe["params"] | values), "trainer": "stack"}
                    | {"status": rows[-1]["status"], "epochs": 10, "steps": 120, "seconds": 0.5, "stack_id": "stack-1"}
                )
                if not diverged:
                    metrics.append({"trial_id": trial["trial_id"], "part": "val", "metric": metric, "value": score})
    plan = {
        "method": method,
        "trials": settings,
        "seeds": seeds,
        "folds": folds,
        "metric": metric,
        "greater_is_better": greater_is_better,
        "cost": cost,
        "recipes": entries,
        "stacks": [],
    }
    return SyntheticSearch(plan, SETTINGS.frame(rows), trials, metrics)


def _drawn(space: Space, rng: np.random.Generator) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for dimension in space:
        if not dimension.active(values):
            continue
        points = dimension.over.points()
        if points is not None:
            values[dimension.name] = points[int(rng.integers(len(points)))]
        elif isinstance(dimension.over, Range):
            low, high = dimension.over.low, dimension.over.high
            value = low * (high / low) ** rng.random() if dimension.over.log else low + (high - low) * rng.random()
            values[dimension.name] = round(value) if dimension.over.integer else float(value)
    return values


def _score(optimizer: str, values: dict[str, Any]) -> float:
    away = math.log10(values["learning_rate"]) - _OPTIMA.get(optimizer, -2.0)
    return 0.9 - 0.04 * away**2 - 0.1 * values.get("dropout", 0.0)
