"""How much of the learning rate's range is good enough: an optimizer's tolerance to a wrong learning rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tasks.evaluation.tried import Tried, is_learning_rate, learning_rate, ranked, scores
from tasks.records.search_verdict import Sensitivity
from tasks.search.space import Choices, Dimension, Range, Space

_SLACK = 0.1
_LEAST = 3  # different learning rates


def tolerance(by_recipe: Mapping[str, Sequence[Tried]], sign: int) -> float | None:
    """How much worse than a recipe's best a score may be and still be good enough, in the metric's unit; one number for
    all recipes.

    It is a tenth of the distance from the best score of the search to its median, but at least the noise: the median
    over recipes of the best setting's spread. None where nothing ended.
    """
    best = [ranked(tried, sign)[0] for tried in by_recipe.values() if ranked(tried, sign)]
    if not best:
        return None
    every = sign * np.concatenate([scores(tried) for tried in by_recipe.values()])
    spreads = [each.spread for each in best if each.spread is not None]
    noise = float(np.median(spreads)) if spreads else 0.0
    return max(_SLACK * float(every.max() - np.median(every)), noise)


def sensitivity(space: Space, tried: Sequence[Tried], sign: int, tolerance: float) -> Sensitivity | None:
    """The share of the learning rate's range whose settings score within `tolerance` of the recipe's best.

    Each learning rate tried represents the part of the range that is nearer to it than to any other, on a logarithmic
    scale. Where it was tried more than once, its best setting counts. Where other hyperparameters were searched too,
    the share is a lower bound: a setting may be poor because of another hyperparameter. Diverged and pruned settings
    are not good enough.

    Returns:
        None where the learning rate was not searched, fewer than three values of it were tried, or nothing ended.
    """
    bounds = next((_bounds(each) for each in space if is_learning_rate(each.name)), None)
    best = ranked(tried, sign)[:1]
    if bounds is None or not best or best[0].score is None:
        return None
    good_from = sign * best[0].score - tolerance
    good: dict[float, bool] = {}
    for each in tried:
        if (tried_rate := learning_rate(each.values)) is not None:
            rate = float(tried_rate)
            fine = each.ended and each.score is not None and sign * each.score >= good_from
            good[rate] = good.get(rate, False) or fine
    if len(good) < _LEAST or not any(good.values()):
        return None
    low, high = bounds
    rates = sorted(good)
    logs = np.log10(rates)
    edges = np.concatenate([[math.log10(low)], (logs[1:] + logs[:-1]) / 2, [math.log10(high)]])
    width = float(sum(w for w, rate in zip(np.diff(edges), rates, strict=True) if good[rate]))
    return Sensitivity(
        low=low,
        high=high,
        share=width / (math.log10(high) - math.log10(low)),
        decades=width,
        good_low=min(rate for rate in rates if good[rate]),
        good_high=max(rate for rate in rates if good[rate]),
    )


def _bounds(dimension: Dimension) -> tuple[float, float] | None:
    """The ends of the range or of the choices; None where they have no logarithm, or are equal."""
    over = dimension.over
    if isinstance(over, Range):
        low, high = over.low, over.high
    elif isinstance(over, Choices) and all(isinstance(value, int | float) for value in over.values):
        low, high = min(over.values), max(over.values)
    else:
        return None
    return (float(low), float(high)) if 0 < low < high else None
