"""Why the score of a recipe differs between trainings: because of the split into folds, or because of the seed.

A one-way random-effects analysis of scores by fold and seed (Searle, Casella & McCulloch 1992, *Variance Components*,
section 3.5): seeds within a fold differ by the training alone, folds also by the split. Bouthillier et al. (2021,
"Accounting for Variance in Machine Learning Benchmarks") ask this of a benchmark, and measure each source with the
others held still. A seed draws initial weights, the order of batches, dropout and augmentation together. One more trial
in each fold, with the initial weights of one seed and all else of another, differs from each of the two in one of them
alone.
"""

from __future__ import annotations

import numpy as np
from scipy.special import chdtri, fdtri

from tasks.evaluation.intervals import Array
from tasks.records.estimate import Estimate
from tasks.records.out_of_fold import VarianceShares


def variance_shares(recipe: str, scores: Array, confidence: float, mixed: Array | None = None) -> VarianceShares | None:
    """The shares of split and seed in the variance. None with fewer than two seeds, with fewer than two folds in which
    all seeds ended well, or where no score differs.

    Args:
        recipe: Name of the recipe.
        scores: `[folds, seeds]`; NaN where a trial did not end well. Folds that lack a seed are left out.
        confidence: Confidence level of the share's interval, which assumes normal scores and independent folds. Its
            coverage is in `tests/bench/folds.md`.
        mixed: `[folds]`, scores of trials with the initial weights of the second seed and all else of the first.
    """
    whole = scores[np.isfinite(scores).all(axis=1)]
    folds, seeds = whole.shape
    if folds < 2 or seeds < 2:
        return None
    within = float(whole.var(axis=1, ddof=1).mean())
    between = seeds * float(whole.mean(axis=1).var(ddof=1))
    split = max(0.0, (between - within) / seeds)
    if not within + split:
        return None
    freedom = folds - 1, folds * (seeds - 1)
    tail = (1 - confidence) / 2
    low, high = (_share(between, within * float(fdtri(*freedom, 1 - each)), seeds) for each in (tail, 1 - tail))
    share = split / (within + split)
    return VarianceShares(
        recipe=recipe,
        folds=folds,
        seeds=seeds,
        split=float(np.sqrt(split)),
        seed=float(np.sqrt(within)),
        share=Estimate(share, min(low, share), max(high, share)),
        initial=None if mixed is None else deviation(mixed - scores[:, 0], confidence),
        order=None if mixed is None else deviation(mixed - scores[:, 1], confidence),
    )


def deviation(differences: Array, confidence: float) -> Estimate | None:
    """The standard deviation of a score, from differences of two equally distributed scores. Its interval assumes that
    the differences are independent, with a mean of 0; it is wider where their tails are heavier than the normal ones'.
    None without a difference.

    Args:
        differences: `[folds]`, NaN where unknown.
    """
    squares = np.square(differences[np.isfinite(differences)]) / 2
    if not len(squares):
        return None
    variance, tail = float(squares.mean()), (1 - confidence) / 2
    if not variance:
        return Estimate(0.0, None, None)
    # 3 for normal differences: then each fold is one degree of freedom, as in Satterthwaite (1946).
    kurtosis = max(3.0, float(np.square(squares).mean()) / variance**2)
    freedom = 2 * len(squares) / (kurtosis - 1)
    high, low = (float(np.sqrt(variance * freedom / chdtri(freedom, each))) for each in (1 - tail, tail))
    return Estimate(float(np.sqrt(variance)), low, high)


def _share(between: float, within: float, seeds: int) -> float:
    """The split's share of the variance, in [0, 1], if the mean squares equal their expectations."""
    if not within:
        return 1.0
    excess = max(0.0, between / within - 1)
    return excess / (excess + seeds)
