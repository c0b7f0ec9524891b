"""Measures the coverage of the intervals of what changes a fold's score: of the split's share of the variance, and of
the standard deviations from other initial weights and another order of batches. `python -m tests.bench.fold_shares`.

Scores by fold and seed are simulated like accuracies of folds. Rows of a data set are harder or easier and are divided
at random; whether a row is answered correctly depends on the row, on the model of the fold, on the seed and on chance.
What a seed changes comes from its initial weights, for a quarter of the variance, and from its order of batches. The
truth is the estimate of the same analysis over 500 folds of the same data set with 4 seeds each.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from tasks.evaluation.variance_shares import variance_shares
from tasks.records.estimate import Estimate
from tests.bench.nulls import Rate

ROWS, FOLDS, SEEDS = 200, 5, 2
SAMPLES, KNOWN = 400, 100
REPEATS = (1, 2, 10)
CASES = {"seeds hardly differ": (0.3, 0.1), "both differ": (0.3, 0.5), "splits hardly differ": (0.02, 1.0)}
"""Standard deviation between the models of folds, and between seeds."""
PARTS = np.sqrt([[0.25], [0.75]])
"""Of a seed's standard deviation: from its initial weights, and from its order of batches."""
ASKED = ("share", "initial", "order")


def scores(
    hard: np.ndarray, repeats: int, seeds: int, of: tuple[float, float], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Returns simulated accuracies by fold and seed, `[repeats * FOLDS, seeds]`, and those of mixed trials, by fold."""
    initial, order = [*range(seeds), 1], [*range(seeds), 0]
    found = []
    for _ in range(repeats):
        for rows in np.array_split(rng.permutation(len(hard)), FOLDS):
            model = rng.normal() * of[0]
            # A row that one seed answers correctly is mostly answered correctly by another: they learn from the same
            # rows.
            own = rng.normal(size=len(rows))
            of_part = PARTS[..., None] * (
                of[1] * rng.normal(size=(2, seeds, 1)) + 0.3 * rng.normal(size=(2, seeds, len(rows)))
            )
            found.append((hard[rows] + model + own + of_part[0, initial] + of_part[1, order] > -0.8).mean(axis=1))
    return np.array(found)[:, :-1], np.array(found)[:, -1]


def analysed(*simulated: Any) -> dict[str, Estimate | None]:
    """Returns what is estimated from `scores` of these arguments, by name."""
    whole, mixed = scores(*simulated)
    found = variance_shares("", whole, 0.95, mixed)
    return {name: getattr(found, name) if found else None for name in ASKED}


def main() -> None:
    rng = np.random.default_rng(0)
    for name, of in CASES.items():
        truths: dict[str, list[float]] = {asked: [] for asked in ASKED}
        widths: dict[tuple[str, int], list[float]] = {(asked, repeats): [] for asked in ASKED for repeats in REPEATS}
        held = Counter[tuple[str, int]]()
        for _ in range(SAMPLES):
            hard = 1.5 * rng.normal(size=ROWS)
            known = {asked: (each and each.mean) or 0.0 for asked, each in analysed(hard, KNOWN, 4, of, rng).items()}
            for asked, truth in known.items():
                truths[asked].append(truth)
            for repeats in REPEATS:
                for asked, found in analysed(hard, repeats, SEEDS, of, rng).items():
                    if found is not None:
                        low, high = found.low or 0.0, found.high or 0.0
                        held[asked, repeats] += low <= known[asked] <= high
                        widths[asked, repeats].append(high - low)
        for (asked, repeats), each in widths.items():
            print(
                f"| {name} | {asked} | {FOLDS} x {repeats} | {np.mean(truths[asked]):.3f} | {np.mean(each):.3f} "
                f"| {Rate(held[asked, repeats], len(each))} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
