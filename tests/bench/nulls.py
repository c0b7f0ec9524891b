"""Counts how often equal recipes are told apart, and unequal ones found: `python -m tests.bench.nulls [--quick]`.

All recipes of a null experiment are the same recipe. Their trials are real networks, trained in stacks, that differ in
their initial weights and the order of their batches. The leader is the recipe with the best mean on the validation
part; it is compared with the others on the test part, as in a run. Any answer but `can't tell` is false.

The trials of a world (a data set with its own rows) are trained once and dealt into experiments, each trial into one
experiment. Worlds differ in how strongly validation and test scores correlate; the table gives the mean correlation
over trials.

To measure power, one recipe's values are shifted on both parts, by so many standard deviations between seeds. The bench
counts experiments in which that recipe leads and is called better than each other one, or than half of them. The column
"flattered by" says how much better the leader's own test mean is than the mean of all trials, in the same unit.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta

from tasks.evaluation.comparison import BETTER, CANNOT_TELL, compare_with_each
from tasks.evaluation.metrics import METRICS
from tasks.training.feed import Resident
from tasks.training.models import MODELS
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.schedules import SCHEDULES
from tasks.training.stack import train_stack
from tasks.training.trial import Arrays, Trial

CONFIDENCE = 0.95
SEEDS = (5, 10)
RECIPES = (2, 10, 33)
SHIFTS = (1, 2, 4, 8)
MOST_FALSE = 0.05

_TRAIN, _HELD = 160, 200
_OF_WORLD = 3300
"""Trials of a world, which are trained in one stack."""


@dataclass(frozen=True)
class World:
    """The trials of one data set: the metric of each on both parts, float64 `[trials]`."""

    metric: str
    val: np.ndarray
    test: np.ndarray

    @property
    def correlation(self) -> float:
        return float(np.corrcoef(self.val, self.test)[0, 1])


def world(metric: str, seed: int, trials: int) -> World:
    """Trains the same recipe `trials` times on generated rows: a noisy, slightly non-linear function of four inputs."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(_TRAIN + 2 * _HELD, 4)).astype(np.float32)
    score = inputs @ rng.normal(size=4) + 0.5 * np.sin(3 * inputs[:, 0]) + rng.normal(size=len(inputs))
    classes = 2 if metric == "accuracy" else None
    target = (score > 0).astype(np.int64) if classes else (score / score[:_TRAIN].std()).astype(np.float32)
    train, val, test = np.split(np.arange(len(inputs)), [_TRAIN, _TRAIN + _HELD])
    arrays = Arrays(
        Resident(inputs[train], target[train]),
        inputs[val],
        target[val],
        classes,
        to_score={"val": inputs[val], "test": inputs[test]},
    )
    values: dict[str, list[float]] = {"val": [], "test": []}
    for outcome in train_stack([_trial(each) for each in range(trials)], arrays):
        for part, rows in (("val", val), ("test", test)):
            values[part].append(_measured(metric, target[rows], outcome.outputs[part]))
    return World(metric, np.array(values["val"]), np.array(values["test"]))


def _trial(seed: int) -> Trial:
    return Trial(
        trial_id=str(seed),
        variant_id="one",
        seed=seed,
        epochs=6,
        batch_size=32,
        architecture=MODELS["mlp"](hidden=[8]),
        optimizer=OPTIMIZERS["adam"](),
        learning_rate=0.03,
        schedule=SCHEDULES["constant"](),
    )


def _measured(metric: str, target: np.ndarray, outputs: np.ndarray) -> float:
    if metric == "rmse":
        return METRICS["rmse"].function(target, outputs[:, 0])
    return float((outputs.argmax(axis=1) == target).mean())


@dataclass(frozen=True)
class Rate:
    """A share of experiments; its text has the exact 95% interval."""

    hits: int
    of: int

    def __str__(self) -> str:
        low = beta.ppf(0.025, self.hits, self.of - self.hits + 1) if self.hits else 0.0
        high = beta.ppf(0.975, self.hits + 1, self.of - self.hits) if self.hits < self.of else 1.0
        return f"{self.hits / self.of:.1%} ({low:.1%} to {high:.1%})"


@dataclass(frozen=True)
class Result:
    """The result of one experiment, for its leader.

    Args:
        answers: Answers of the leader's comparisons.
        shifted: Whether the leader is the shifted recipe.
        flattered: How much better the leader's test mean is than that of all its world's trials, in standard deviations
            between seeds.
    """

    answers: list[str]
    shifted: bool
    flattered: float


def experiments(found: World, recipes: int, seeds: int, shift: float) -> Iterator[Result]:
    """Deals the trials of a world into experiments and judges each."""
    metric, size = METRICS[found.metric], recipes * seeds
    order = np.random.default_rng(recipes).permutation(len(found.val))
    spread = found.test.std()
    for start in range(0, len(order) - size + 1, size):
        dealt = order[start : start + size].reshape(recipes, seeds)
        val, test = found.val[dealt].copy(), found.test[dealt].copy()
        val[0] += metric.sign * shift * found.val.std()
        test[0] += metric.sign * shift * spread
        leader = int(np.argmax(metric.sign * val.mean(axis=1)))
        by_seed = [dict(enumerate(map(float, row))) for row in test]
        others = {str(i): row for i, row in enumerate(by_seed) if i != leader}
        resolution = 1 / _HELD if metric.share else 0.0
        compared = compare_with_each(
            by_seed[leader], others, sign=metric.sign, confidence=CONFIDENCE, resolution=resolution
        )
        flattered = metric.sign * (test[leader].mean() - found.test.mean()) / spread
        yield Result([each.answer for each in compared.values()], leader == 0, float(flattered))


def main() -> int:
    """Prints the tables; returns 1 if the lower end of a false rate's interval is above the bar."""
    quick = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    quick.add_argument("--quick", action="store_true", help="a quarter of the worlds")
    worlds = 3 if quick.parse_args().quick else 12
    missed, nulls, power = [], [], []
    for metric in ("accuracy", "rmse"):
        made = []
        for seed in range(worlds):
            print(f"{metric}: world {seed + 1} of {worlds}", file=sys.stderr, flush=True)
            made.append(world(metric, seed, _OF_WORLD))
        together = np.mean([each.correlation for each in made])
        for recipes, seeds in itertools.product(RECIPES, SEEDS):
            false, flattered = _false(made, recipes, seeds)
            nulls.append((metric, recipes, seeds, f"{false.of:,}", false, f"{together:.2f}", f"{flattered:.2f}"))
            if false.hits and beta.ppf(0.025, false.hits, false.of - false.hits + 1) > MOST_FALSE:
                missed.append(f"{metric}, {recipes} recipes, {seeds} seeds: {false}")
            power += [(metric, recipes, seeds, shift, *_found(made, recipes, seeds, shift)) for shift in SHIFTS]
    _print(("metric", "recipes", "seeds", "experiments", "false answers", "val with test", "flattered by"), nulls)
    _print(("metric", "recipes", "seeds", "better by", "than each other", "than half of them"), power)
    for line in missed:
        print(f"missed: {line}", file=sys.stderr)
    return 1 if missed else 0


def _false(worlds: Sequence[World], recipes: int, seeds: int) -> tuple[Rate, float]:
    null = [result for each in worlds for result in experiments(each, recipes, seeds, 0)]
    hits = sum(any(answer != CANNOT_TELL for answer in result.answers) for result in null)
    return Rate(hits, len(null)), float(np.mean([result.flattered for result in null]))


def _found(worlds: Sequence[World], recipes: int, seeds: int, shift: float) -> tuple[Rate, Rate]:
    """Returns how often the better recipe leads and is called better than each other one, and than half of them."""
    results = [result for each in worlds for result in experiments(each, recipes, seeds, shift)]
    better = [result.answers.count(BETTER) if result.shifted else 0 for result in results]
    every, half = sum(n == recipes - 1 for n in better), sum(2 * n >= recipes - 1 for n in better)
    return Rate(every, len(results)), Rate(half, len(results))


def _print(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    for cells in (head, ["---"] * len(head), *rows):
        print(f"| {' | '.join(map(str, cells))} |")
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main())
