"""The glossary of optimizers and schedules: `python -m tasks.lessons.glossary > reports/glossary.json`.

The report reads that file, since it does not import the training code. Paths are made by the trainer's own update rules
on two functions of two weights. Each uses the learning rate of `RATES` with the lowest mean height over the steps,
among those whose path never rises above the start.
"""

from __future__ import annotations

import inspect
import itertools
import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from tasks.lessons.descent import steps_of
from tasks.lessons.rules import (
    AVERAGING_RULES,
    GRADIENT_RULES,
    LOSS_RULES,
    OPTIMIZER_RULES,
    SCHEDULE_RULES,
    SYMBOLS,
    Rule,
)
from tasks.training.averaging import AVERAGINGS
from tasks.training.losses import LOSSES
from tasks.training.optimizer import Optimizer
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.schedules import SCHEDULES

RATES = [float(f"{scale}e{power}") for power in range(-5, 2) for scale in (1, 2, 5)]
CURVATURES = np.array([1.0, 10.0])
HYPER_RATES = [float(f"1e{power}") for power in range(-10, -2)]
"""Values of `hyper_rate` for optimizers that learn their learning rate: its default suits losses with far smaller
slopes."""
STARTS = {"bowl": (-1.0, 0.45), "valley": (-1.2, 1.0)}
STEPS = {"bowl": 40, "valley": 300}
_FIRST, _LATER = 30, 30
"""Points of a path: all of the first steps, and at most so many later ones, further and further apart."""
_CURVE = 100


def bowl(w: np.ndarray) -> np.ndarray:
    """A quadratic of condition number 10 with its minimum at 0: heights `[runs]`."""
    return (CURVATURES * w**2).sum(axis=1) / 2


def valley(w: np.ndarray) -> np.ndarray:
    """Rosenbrock's function (1960), a bent valley with its minimum at (1, 1): heights `[runs]`."""
    x, y = w.T
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def _bowl_slope(w: np.ndarray) -> np.ndarray:
    return CURVATURES * w


def _valley_slope(w: np.ndarray) -> np.ndarray:
    x, y = w.T
    across = y - x**2
    return np.column_stack([-2 * (1 - x) - 400 * x * across, 200 * across])


FUNCTIONS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]] = {
    "bowl": (bowl, _bowl_slope),
    "valley": (valley, _valley_slope),
}


def paths(optimizer: Optimizer, name: str) -> np.ndarray:
    """The paths from the start at each of `RATES`: `[rates, steps + 1, 2]`; not finite where a path diverges."""
    height, slope = FUNCTIONS[name]
    start = np.tile(STARTS[name], (len(RATES), 1))
    rates = np.array(RATES)[:, None]
    rng = np.random.default_rng(0)

    def proposal(w: np.ndarray) -> np.ndarray:
        direction = rng.normal(size=(1, 2))
        better = height(w + rates * direction) < height(w)
        return np.where(better[:, None], -direction, 0.0)

    steps = steps_of(optimizer, proposal if optimizer.searches else slope, start, rates)
    with np.errstate(all="ignore"):
        return np.stack([start, *itertools.islice(steps, STEPS[name])], axis=1)


def best_path(optimizer: str, name: str) -> tuple[dict[str, float], np.ndarray]:
    """The path to draw, with its learning rate and, where the optimizer has one, its `hyper_rate`."""
    factory = OPTIMIZERS[optimizer]
    learns = "hyper_rate" in inspect.signature(factory).parameters
    choices = [{"hyper_rate": rate} for rate in HYPER_RATES] if learns else [{}]
    found = np.concatenate([paths(factory(**choice), name) for choice in choices])
    with np.errstate(all="ignore"):
        heights = np.array([FUNCTIONS[name][0](path) for path in found])
        calm = (heights <= heights[:, :1]).all(axis=1)
    best = int(np.argmin(np.where(calm, heights.mean(axis=1), np.inf)))
    choice, rate = divmod(best, len(RATES))
    return {"learning_rate": RATES[rate], **choices[choice]}, found[best]


def glossary() -> dict[str, Any]:
    """The whole glossary, as plain values."""
    return {
        "symbols": SYMBOLS,
        "optimizers": {name: _optimizer(name, rule) for name, rule in OPTIMIZER_RULES.items()},
        "schedules": {name: _schedule(name, rule) for name, rule in SCHEDULE_RULES.items()},
        "averagings": {name: _entry(rule, AVERAGINGS[name]) for name, rule in AVERAGING_RULES.items()},
        "losses": {name: _entry(rule, LOSSES[name]) for name, rule in LOSS_RULES.items()},
        "gradients": {name: _entry(rule) for name, rule in GRADIENT_RULES.items()},
    }


def _optimizer(name: str, rule: Rule) -> dict[str, Any]:
    drawn = {}
    for function in FUNCTIONS:
        rates, path = best_path(name, function)
        last = len(path) - 1
        kept = np.unique(np.append(np.arange(_FIRST), np.geomspace(_FIRST, last, _LATER).round().astype(int)))
        drawn[function] = {"rates": rates, "steps": STEPS[function], "path": path[kept].round(3).tolist()}
    return _entry(rule, OPTIMIZERS[name]) | {"paths": drawn}


def _schedule(name: str, rule: Rule) -> dict[str, Any]:
    made = SCHEDULES[name]()
    curve = [] if made.plateau else made.learning_rates(1.0, _CURVE, _CURVE // 10).round(3).tolist()
    return _entry(rule, SCHEDULES[name]) | {"curve": curve}


def _entry(rule: Rule, factory: Callable[..., Any] | None = None) -> dict[str, Any]:
    parameters = inspect.signature(factory).parameters if factory else {}
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    return {"words": rule.words, "formulas": list(rule.formulas), "source": rule.source, "parameters": defaults}


if __name__ == "__main__":
    json.dump(glossary(), sys.stdout, ensure_ascii=False, separators=(",", ":"))
    sys.stdout.write("\n")
