"""Is the leader really better than each other recipe, as far as the seeds can tell?

The leader is chosen on the validation part (see `recipe_results.ranked`); it is compared on the test part. Trials of
one seed share initial weights and batch order, so differences are paired by seed.
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
        pairs: Seeds that both recipes ended.
        difference: Mean paired difference, positive = leader better, in the metric's unit.
        low: Lower end of its Student's t interval, for this one difference alone.
        high: Upper end.
        p: Two-sided, of the paired t test.
        p_holm: The same after Holm's adjustment over all comparisons; this one gives the answer.
        effect_size: Cohen's d_z, mean over standard deviation of the paired differences (Lakens 2013,
            doi:10.3389/fpsyg.2013.00863, eq. 6); None without spread.
        smallest_difference: What these seeds would find in 80% of repeats (see `smallest_difference`).
        spread: Standard deviation of the paired differences.
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
    answer: str


def compare_with_each(
    leader: Mapping[int, float],
    others: Mapping[str, Mapping[int, float]],
    *,
    sign: int,
    confidence: float,
    resolution: float = 0.0,
) -> dict[str, Comparison]:
    """The leader against each of `others` (seed to value on the test part), over the seeds both have.

    Args:
        leader: Seed to value of the leader's trials that ended well.
        others: Recipe to the same; a recipe without a common seed gets `can't tell` and no numbers.
        sign: 1 where greater is better, else -1.
        confidence: Of the intervals; 1 - confidence is the level of the tests, over all of them together.
        resolution: The step the metric moves in (1 / test rows for a share of rows, 0 for a smooth metric).
            Equal differences in a few seeds are then no proof of no spread: rounding hides up to a step, so
            the standard deviation is taken as at least step / sqrt(6), that of the difference of two rounded
            values.
    """
    differences = {
        recipe: np.array([sign * (leader[seed] - values[seed]) for seed in sorted(leader.keys() & values.keys())])
        for recipe, values in others.items()
    }
    floor = resolution / np.sqrt(6)
    p_values = {recipe: _p_value(d, floor) for recipe, d in differences.items()}
    tested = [recipe for recipe, p in p_values.items() if p is not None]
    adjusted = dict(zip(tested, holm([p for p in p_values.values() if p is not None]), strict=True))
    level = 1 - confidence
    return {
        recipe: _compared(d, p_values[recipe], adjusted.get(recipe), floor, level, level / max(1, len(tested)))
        for recipe, d in differences.items()
    }


def _compared(
    d: Array, p: float | None, p_holm: float | None, floor: float, level: float, first_level: float
) -> Comparison:
    if p is None or p_holm is None:  # one pair or none: no spread, so no test
        difference = float(d[0]) if len(d) else None
        return Comparison(len(d), difference, None, None, None, None, None, None, None, CANNOT_TELL)
    difference, spread = float(d.mean()), _spread(d, floor)
    half = float(stdtrit(len(d) - 1, 1 - level / 2)) * spread / np.sqrt(len(d))
    return Comparison(
        pairs=len(d),
        difference=difference,
        low=difference - half,
        high=difference + half,
        p=p,
        p_holm=p_holm,
        effect_size=difference / spread if spread > 0 else None,
        smallest_difference=smallest_difference(spread, len(d), first_level),
        spread=spread,
        answer=CANNOT_TELL if p_holm > level else BETTER if difference > 0 else WORSE,
    )


def _spread(differences: Array, floor: float) -> float:
    deviation = float(differences.std(ddof=1))
    # What rounding leaves of equal differences is not spread.
    return max(deviation if deviation > 1e-12 * float(np.abs(differences).max()) else 0.0, floor)


def _p_value(differences: Array, floor: float) -> float | None:
    """Two-sided p of the paired t test; None for fewer than two pairs.

    Without any spread (both recipes repeat exactly, whatever the seed) the seeds leave no doubt: 1 where the
    difference is 0, else 0.
    """
    if len(differences) < 2:
        return None
    mean, spread = float(differences.mean()), _spread(differences, floor)
    if spread == 0:
        return 1.0 if mean == 0 else 0.0
    t = abs(mean) / spread * np.sqrt(len(differences))
    return float(2 * stdtr(len(differences) - 1, -t))


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


def smallest_difference(spread: float, pairs: int, level: float) -> float | None:
    """The true difference that a two-sided paired t test at `level` finds in 80% of repeats (noncentral t).

    `level` is alpha / comparisons, the first step of Holm's test: cautious, since later steps are easier.

    Args:
        spread: Standard deviation of the paired differences.
        pairs: Seeds; None is returned for fewer than 2.
        level: Of the test, in (0, 1).
    """
    if pairs < 2:
        return None
    freedom = pairs - 1
    noncentrality = nctdtrinc(freedom, 1 - POWER, stdtrit(freedom, 1 - level / 2))
    return float(noncentrality * spread / np.sqrt(pairs))


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
