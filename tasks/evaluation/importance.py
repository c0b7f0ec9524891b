"""How much of the variance of a search's scores each hyperparameter explains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tasks.evaluation.tried import Tried, worst_told_apart
from tasks.records.search_verdict import Importance
from tasks.search.space import Choices, Dimension, Space

LEAST = 10  # settings
_MOST = 128  # settings: the forest's marginals take quadratic time, 0.3 s for 128 of 8 dimensions
_TREES = 24


def importances(space: Space, tried: Sequence[Tried], sign: int) -> list[Importance] | None:
    """Functional ANOVA (Hutter et al. 2014, ICML): divides the variance of a random forest's predictions among the
    dimensions.

    A conditional dimension is evaluated on the settings where it is active, together with the dimensions that are
    active in all of those. So its share refers to another variance than the shares of the others. Ranges are used on
    their own scale, so a logarithmic one counts by decades. Scores far worse than the others are clipped to
    `worst_told_apart`. Equal arguments give equal numbers.

    Returns:
        In the space's order, without dimensions that have fewer than 10 settings or one value. None where fewer than 10
        settings ended, or none of their scores differ.
    """
    ended = [each for each in tried if each.ended]
    if len(ended) < LEAST:
        return None
    limit = worst_told_apart(np.array([each.score for each in ended], dtype=np.float64), sign)
    groups: dict[tuple[int, ...], list[Dimension]] = {}
    for dimension in space:
        rows = tuple(i for i, each in enumerate(ended) if dimension.name in each.values)
        if len(rows) >= LEAST:
            groups.setdefault(rows, []).append(dimension)
    found: dict[str, Importance] = {}
    for rows, wanted in groups.items():
        some = [ended[i] for i in rows]
        beside = [each for each in space if all(each.name in one.values for one in some) and _varies(each, some)]
        clipped = [sign * max(sign * limit, sign * (each.score or 0.0)) for each in some]
        if not beside or min(clipped) == max(clipped):
            continue
        shares = _shares(beside, some, clipped)
        found |= {
            each.name: Importance(each.name, shares[each.name], len(some)) for each in wanted if each.name in shares
        }
    return [found[each.name] for each in space if each.name in found] or None


def _varies(dimension: Dimension, tried: Sequence[Tried]) -> bool:
    return any(each.values[dimension.name] != tried[0].values[dimension.name] for each in tried)


def _shares(dimensions: Sequence[Dimension], tried: Sequence[Tried], scores: Sequence[float]) -> dict[str, float]:
    import optuna
    from optuna.distributions import CategoricalDistribution, FloatDistribution
    from optuna.importance import FanovaImportanceEvaluator

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # else it logs a message for the study
    # Give it neutral names, and positions in the ranges instead of values: it would use logarithmic ranges on a linear
    # scale.
    distributions = {
        f"x{i}": CategoricalDistribution(tuple(range(len(each.over.values))))
        if isinstance(each.over, Choices)
        else FloatDistribution(0.0, 1.0)
        for i, each in enumerate(dimensions)
    }
    study = optuna.create_study()
    kept = np.unique(np.linspace(0, len(tried) - 1, min(len(tried), _MOST)).round().astype(int))
    for row in kept:
        places = {f"x{i}": _place(each, tried[row]) for i, each in enumerate(dimensions)}
        study.add_trial(optuna.trial.create_trial(params=places, distributions=distributions, value=float(scores[row])))
    try:
        evaluated = FanovaImportanceEvaluator(n_trees=_TREES, seed=0).evaluate(study)
    except RuntimeError:  # no tree found any variance
        return {}
    return {each.name: float(evaluated[f"x{i}"]) for i, each in enumerate(dimensions)}


def _place(dimension: Dimension, tried: Tried) -> float | int:
    value = tried.values[dimension.name]
    if isinstance(dimension.over, Choices):
        return dimension.over.values.index(value)
    return min(1.0, max(0.0, dimension.over.place(value)))
