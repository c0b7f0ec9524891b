"""Measures the coverage of the interval of the split's share of the variance: `python -m tests.bench.fold_shares`.

Scores by fold and seed are simulated like accuracies of folds. Rows of a data set are harder or easier and are divided
at random; whether a row is answered correctly depends on the row, on the model of the fold, on the seed and on chance.
The truth is the estimate of the same analysis over 500 folds of the same data set with 4 seeds each.
"""

from __future__ import annotations

import numpy as np

from tasks.evaluation.variance_shares import variance_shares
from tests.bench.nulls import Rate

ROWS, FOLDS, SEEDS = 200, 5, 2
SAMPLES, KNOWN = 400, 100
CASES = {"seeds hardly differ": (0.3, 0.1), "both differ": (0.3, 0.5), "splits hardly differ": (0.02, 1.0)}
"""Standard deviation between the models of folds, and between seeds."""


def scores(hard: np.ndarray, repeats: int, seeds: int, of: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Returns simulated accuracies by fold and seed, `[repeats * FOLDS, seeds]`."""
    found = []
    for _ in range(repeats):
        for rows in np.array_split(rng.permutation(len(hard)), FOLDS):
            model = rng.normal() * of[0] + rng.normal(size=(seeds, 1)) * of[1]
            # A row that one seed answers correctly is mostly answered correctly by another: they learn from the same
            # rows.
            own = rng.normal(size=len(rows)) + 0.3 * rng.normal(size=(seeds, len(rows)))
            found.append((hard[rows] + own + model > -0.8).mean(axis=1))
    return np.array(found)


def main() -> None:
    rng = np.random.default_rng(0)
    for name, of in CASES.items():
        held = dict.fromkeys((1, 2, 10), 0)
        truths: list[float] = []
        widths: dict[int, list[float]] = {repeats: [] for repeats in held}
        for _ in range(SAMPLES):
            hard = 1.5 * rng.normal(size=ROWS)
            known = variance_shares("", scores(hard, KNOWN, 4, of, rng), 0.95)
            assert known
            truth = known.share.mean or 0.0
            truths.append(truth)
            for repeats in held:
                found = variance_shares("", scores(hard, repeats, SEEDS, of, rng), 0.95)
                if found is None:
                    continue
                low, high = found.share.low or 0.0, found.share.high or 0.0
                held[repeats] += low <= truth <= high
                widths[repeats].append(high - low)
        for repeats, hits in held.items():
            count = len(widths[repeats])
            print(
                f"| {name} | {FOLDS} x {repeats} | {np.mean(truths):.2f} | {np.mean(widths[repeats]):.2f} "
                f"| {Rate(hits, count)} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
