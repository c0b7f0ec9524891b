"""Tests whether the leader is better than each other recipe, as far as the seeds can tell.

The leader is chosen on the validation part (see `recipe_results.ranked`) and compared on the test part. Trials of one
seed share initial weights and batch order, so differences are paired by seed.

The same trials choose the leader and are compared, and a network that does well on the validation part tends to do well
on the test part: among equal recipes the luckiest leads. So the family of Holm's test is every pair of recipes. It
holds the leader's pairs, whichever recipe leads. `tests/bench/nulls.md` has the rates of false claims.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import nctdtrinc, stdtr, stdtrit

from tasks.evaluation.metrics import Array

BETTER, WORSE, CANNOT_TELL = "better", "worse", "can't tell"
POWER = 0.8
MOST_SEEDS = 1000


@dataclass(frozen=True)
class Comparison:
    """The leader against one other recipe; what cannot be computed is None.

    Args:
        pairs: Number of seeds for which both recipes have a value.
        difference: Mean paired difference, positive = leader better, in the metric's unit.
        low: Lower end of its Student's t interval, at the level at which Holm's procedure tested this pair: it holds 0
            exactly where the answer is `can't tell`.
        high: Upper end.
        p: Two-sided, of the paired t test.
        p_holm: `p` after Holm's adjustment over the family; the answer follows from it.
        effect_size: Cohen's d_z, mean over standard deviation of the paired differences (Lakens 2013,
            doi:10.3389/fpsyg.2013.00863, eq. 6); None without spread.
        smallest_difference: The true difference that these seeds would find in 80% of repeats (see the function).
        spread: Standard deviation of the paired differences.
        family: Number of tests that were adjusted together.
        answer: `better`, `worse` or `can't tell`.
    """

    pairs: int
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    effect_size: float | None
    smallest_difference: float | None
    spread: float | None
    family: int
    answer: str


def compare_with_each(
    leader: Mapping[int, float],
    others: Mapping[str, Mapping[int, float]],
    *,
    sign: int,
    confidence: float,
    resolution: float = 0.0,
    shared: float = 0.0,
) -> dict[str, Comparison]:
    """Compares the leader with each of `others` (seed to value on the test part), over the seeds that both have.

    Args:
        leader: Seed to value, of the leader's trials that ended well.
        others: Recipe to its values by seed; a recipe without a common seed gets `can't tell` and no numbers.
        sign: 1 where greater is better, else -1.
        confidence: The tests have the level 1 - confidence, over all pairs of recipes together.
        resolution, shared: See `compare_differences`.
    """
    differences = {recipe: paired(leader, values, sign) for recipe, values in others.items()}
    rest = list(others.values())
    between = [paired(one, other, sign) for i, one in enumerate(rest) for other in rest[i + 1 :]]
    return compare_differences(differences, beside=between, confidence=confidence, resolution=resolution, shared=shared)


def compare_differences(
    differences: Mapping[str, Array],
    *,
    confidence: float,
    resolution: float = 0.0,
    beside: Sequence[Array] = (),
    shared: float = 0.0,
) -> dict[str, Comparison]:
    """Tests whether each mean of paired differences is zero, adjusted over all of them together.

    Args:
        differences: Name to its paired differences `[pairs]`, positive = better.
        confidence: The tests have the level 1 - confidence, over the whole family.
        resolution: The step the metric moves in (1 / test rows for a share of rows, 0 for a smooth metric). Equal
            differences in a few seeds then do not prove that there is no spread, since rounding hides up to a step. So
            the standard deviation is taken as at least step / sqrt(6), that of the difference of two rounded values.
        beside: Differences that count in the family of tests but are not returned.
        shared: Extra variance because pairs are not independent: the variance of a mean of n is s^2 (1 / n + shared). 0
            for seeds; for folds the ratio of `intervals.over_folds`.
    """
    floor, level = resolution / np.sqrt(6), 1 - confidence
    tests = {name: test for name, d in differences.items() if (test := _tested(d, floor, shared))}
    unnamed = [test.p for d in beside if (test := _tested(d, floor, shared))]
    p_values = [test.p for test in tests.values()] + unnamed
    levels = step_levels(p_values, level)
    adjusted = dict(zip(tests, zip(holm(p_values), levels, strict=True), strict=False))
    first_level = level / max(1, len(p_values))
    return {
        name: _compared(d, tests[name], *adjusted[name], level, first_level, len(p_values), shared)
        if name in tests
        else _untested(d, len(p_values))
        for name, d in differences.items()
    }


def paired(one: Mapping[int, float], other: Mapping[int, float], sign: int) -> Array:
    """How much better `one` is than `other` (seed to value), `[seeds that both have]`."""
    return np.array([sign * (one[seed] - other[seed]) for seed in sorted(one.keys() & other.keys())])


@dataclass(frozen=True)
class _Test:
    """A paired t test: mean and standard deviation of the differences, and its two-sided p."""

    mean: float
    spread: float
    p: float


def _tested(differences: Array, floor: float, shared: float) -> _Test | None:
    """The t test of these differences; None for fewer than two pairs, which have no spread.

    Without any spread (both recipes repeat exactly, whatever the seed) the seeds leave no doubt: p is 1 where the
    difference is 0, else 0.
    """
    if len(differences) < 2:
        return None
    mean, spread = float(differences.mean()), _spread(differences, floor)
    if spread == 0:
        return _Test(mean, spread, 1.0 if mean == 0 else 0.0)
    t = abs(mean) / (spread * _of_mean(len(differences), shared))
    return _Test(mean, spread, float(2 * stdtr(len(differences) - 1, -t)))


def _untested(d: Array, family: int) -> Comparison:
    difference = float(d[0]) if len(d) else None
    return Comparison(len(d), difference, None, None, None, None, None, None, None, family, CANNOT_TELL)


def _compared(
    d: Array, test: _Test, p_holm: float, own_level: float, level: float, first_level: float, family: int, shared: float
) -> Comparison:
    difference, spread = test.mean, test.spread
    half = float(stdtrit(len(d) - 1, 1 - own_level / 2)) * spread * _of_mean(len(d), shared)
    return Comparison(
        pairs=len(d),
        difference=difference,
        low=difference - half,
        high=difference + half,
        p=test.p,
        p_holm=p_holm,
        effect_size=difference / spread if spread > 0 else None,
        smallest_difference=smallest_difference(spread, len(d), first_level, shared),
        spread=spread,
        family=family,
        answer=CANNOT_TELL if p_holm > level else BETTER if difference > 0 else WORSE,
    )


def _of_mean(pairs: int, shared: float) -> float:
    """The standard error of a mean of so many pairs, in units of the standard deviation of one pair."""
    return float(np.sqrt(1 / pairs + shared))


def _spread(differences: Array, floor: float) -> float:
    deviation = float(differences.std(ddof=1))
    # Equal differences may differ by floating-point rounding: that is not spread.
    return max(deviation if deviation > 1e-12 * float(np.abs(differences).max()) else 0.0, floor)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given (Holm 1979, Scand. J. Statist. 6:65-70).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in adjusted]


def step_levels(p_values: Sequence[float], level: float) -> list[float]:
    """The level at which Holm's step-down procedure tests each hypothesis, in the order given.

    Of m hypotheses the k-th smallest p is tested at `level / (m - k + 1)`, until one is not rejected; that one and all
    larger ones are tested at its level. An interval at this level excludes 0 exactly where the hypothesis is rejected.
    Each interval covers with at least 1 - level; that all cover together is guaranteed only for differences that are
    zero.

    >>> step_levels([0.001, 0.04, 0.5], 0.06)
    [0.02, 0.03, 0.03]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    steps = level / np.arange(len(p), 0, -1)
    kept = np.flatnonzero(p[order] > steps)
    if len(kept):
        steps[kept[0] :] = steps[kept[0]]
    levels = np.empty_like(p)
    levels[order] = steps
    return [float(value) for value in levels]


def smallest_difference(spread: float, pairs: int, level: float, shared: float = 0.0) -> float | None:
    """The true difference that a two-sided paired t test at `level` finds in 80% of repeats (noncentral t).

    `level` is alpha / tests, the first step of Holm's test: cautious, since later steps are easier.

    Args:
        spread: Standard deviation of the paired differences.
        pairs: Number of seeds; for fewer than 2 the result is None.
        level: Level of the test, in (0, 1).
        shared: See `compare_differences`.
    """
    if pairs < 2:
        return None
    freedom = pairs - 1
    noncentrality = nctdtrinc(freedom, 1 - POWER, stdtrit(freedom, 1 - level / 2))
    return float(noncentrality * spread * _of_mean(pairs, shared))


def seeds_needed(difference: float, spread: float, level: float) -> int | None:
    """The fewest seeds that would find `difference`, if it is true, in 80% of repeats; None above 1,000.

    `spread` and `level` as in `smallest_difference`, which falls with the number of seeds.
    """

    def enough(pairs: int) -> bool:
        found = smallest_difference(spread, pairs, level)
        return found is not None and found <= abs(difference)

    if not enough(MOST_SEEDS):
        return None
    low, high = 1, MOST_SEEDS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
