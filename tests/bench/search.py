"""`python -m tests.bench.search`: measures the evaluations that search methods need, and how batches and groups affect
TPE.

On Hartmann-6 (Dixon & Szego 1978) it takes the median over seeds of the evaluations to reach 90% of the optimum. On a
space like those of this project, with conditions, choices and shapes, it takes the distance of the best setting from
the optimum. No network is trained; it takes about three minutes on one core.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np

from tasks.search import tpe
from tasks.search.method import Method, Observation, even_batches
from tasks.search.methods import METHODS
from tasks.search.space import Choices, Dimension, Range, Setting, Space

SEEDS = range(10)
TRIALS = 200

COMPARED = {name: method for name, method in METHODS.items() if not method.listed and method.training == "whole"}
"""Methods that only need points of a continuous space and their scores: here are no lists, no rungs, no derivatives."""

HARTMANN: Space = tuple(Dimension(f"x{place}", Range(0, 1)) for place in range(6))
OPTIMUM = 3.32237

_WEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
_SCALES = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_CENTRES = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)

RECIPES: Space = (
    Dimension("optimizer", Choices(("sgd", "momentum", "adam"))),
    Dimension("learning_rate", Range(1e-5, 1, log=True)),
    Dimension("momentum", Range(0, 0.99), when={"optimizer": ("momentum",)}),
    Dimension("beta_2", Range(0.9, 0.9999), when={"optimizer": ("adam",)}),
    Dimension("weight_decay", Range(1e-6, 0.1, log=True)),
    Dimension("dropout", Range(0, 0.6, step=0.1)),
    Dimension("layers", Range(1, 3, integer=True), shapes=True),
    Dimension("units", Choices((16, 32, 64, 128)), shapes=True),
    Dimension("batch_size", Choices((16, 32, 64, 128)), shapes=True),
)
BEST_RECIPE = 0.93


def hartmann(setting: Setting) -> float:
    """Returns Hartmann's function of six variables, with the sign changed so that greater is better; at most
    `OPTIMUM`."""
    x = np.array([setting[dimension.name] for dimension in HARTMANN])
    return float(_WEIGHTS @ np.exp(-(_SCALES * (x - _CENTRES) ** 2).sum(axis=1)))


def accuracy(setting: Setting) -> float:
    """Returns an artificial accuracy over `RECIPES`, at most `BEST_RECIPE`: each optimizer has its best learning rate,
    which momentum moves."""
    decade, top = {"sgd": (-1.0, 0.9), "momentum": (-0.6, 0.92), "adam": (-2.7, 0.93)}[setting["optimizer"]]
    if "momentum" in setting:
        decade += math.log10(1 - setting["momentum"])
        top -= 0.02 * abs(setting["momentum"] - 0.9)
    if "beta_2" in setting:
        top -= 0.1 * abs(setting["beta_2"] - 0.99)
    top -= 0.02 * (math.log10(setting["learning_rate"]) - decade) ** 2
    top -= 0.003 * (math.log10(setting["weight_decay"]) + 4) ** 2 + 0.1 * (setting["dropout"] - 0.2) ** 2
    top -= {1: 0.02, 2: 0.0, 3: 0.01}[setting["layers"]]
    return top - 0.008 * abs(math.log2(setting["units"] / 64)) - 0.006 * abs(math.log2(setting["batch_size"] / 32))


def searched(
    method: Method,
    seed: int,
    space: Space = HARTMANN,
    score: Callable[[Setting], float] = hartmann,
    trials: int = TRIALS,
) -> list[float]:
    """Runs a search and returns its scores, in the order in which settings were found."""
    seen: list[Observation] = []
    for count in method.batches(space, trials):
        seen += [Observation(setting, score(setting)) for setting in method.suggest(space, seen, count, trials, seed)]
    return [each.score for each in seen if each.score is not None]


def evaluations(scores: Sequence[float], share: float = 0.9) -> float:
    """Returns the number of evaluations to reach a share of Hartmann's optimum; infinite if it was not reached."""
    return next((count for count, score in enumerate(scores, 1) if score >= share * OPTIMUM), math.inf)


def _tpe(batch: int = tpe.BATCH, group: int = tpe.GROUP) -> Method:
    return Method(
        "tpe",
        f"batches of {batch}, groups of {group}",
        lambda space, trials: even_batches(trials, batch),
        lambda space, seen, count, trials, seed: tpe.settings(space, space, seen, count, seed, group),
    )


def main() -> None:
    print(f"Hartmann-6: evaluations to 90% of the optimum, {TRIALS} at most; median of {len(SEEDS)} seeds\n")
    print("| method | median | reached | best after 20 | 50 | 100 |\n|---|---|---|---|---|---|")
    batches = {f"tpe, batches of {batch}": _tpe(batch=batch) for batch in (1, 4, 16)}
    for name, method in {**COMPARED, **batches}.items():
        _say_hartmann(name, method)
    print(f"\nRecipes: 100 x (optimum - best), median of {len(SEEDS)} seeds\n")
    print("| method | after 20 | 50 | 100 |\n|---|---|---|---|")
    groups = {f"tpe, groups of {group}": _tpe(group=group) for group in (1, 8)}
    for name, method in {**COMPARED, **groups}.items():
        _say_recipes(name, method)


def _say_hartmann(name: str, method: Method) -> None:
    runs = [searched(method, seed) for seed in SEEDS]
    counts = [evaluations(scores) for scores in runs]
    best = [f"{median(max(scores[:count]) for scores in runs):.2f}" for count in (20, 50, 100)]
    reached = f"{sum(map(math.isfinite, counts))} of {len(SEEDS)}"
    print("| " + " | ".join([name, f"{median(counts):.0f}", reached, *best]) + " |", flush=True)


def _say_recipes(name: str, method: Method) -> None:
    runs = [searched(method, seed, RECIPES, accuracy, trials=100) for seed in SEEDS]
    short = [f"{100 * median(BEST_RECIPE - max(scores[:count]) for scores in runs):.2f}" for count in (20, 50, 100)]
    print("| " + " | ".join([name, *short]) + " |", flush=True)


if __name__ == "__main__":
    main()
