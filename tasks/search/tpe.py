"""Tree-structured Parzen estimators (Bergstra et al. 2011, Watanabe 2023) through Optuna, in batches."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.search.method import Method, Observation, even_batches
from tasks.search.points import inside, key, possible, shape
from tasks.search.space import Setting, Space
from tasks.search.studies import canonical, coded, drawn, new, quiet, sampler_seed, study_of

BATCH = 8
"""The most settings in a batch. A batch is chosen without the results of its own settings. To reach 90% of Hartmann-6's
optimum, batches of 8 take 64 evaluations (median of 10 seeds), single settings 50, batches of 4 and 16 58 and 107.
Smaller batches would leave stacks empty and make the search wait more often. (`python -m tests.bench.search`)"""

GROUP = 4
"""Settings of equal shape in a batch, so that they fit a stack. On the recipes of `tests/bench/search.py` the best of
50 settings is then 2.1 points from the optimum, the best of 100 is 0.9 (median of 10 seeds). Without groups it is 1.8
and 1.0; in groups of 8, 2.0 and 1.7."""

STARTUP = 4
"""While fewer settings are known, TPE draws at random: so the first batch is random, and no other batch."""


def batches(space: Space, trials: int) -> list[int]:
    return even_batches(possible(space, trials), BATCH)


def suggest(space: Space, observations: Sequence[Observation], count: int, trials: int, seed: int) -> list[Setting]:
    return settings(space, space, observations, count, seed)


def settings(
    space: Space, within: Space, observations: Sequence[Observation], count: int, seed: int, group: int = GROUP
) -> list[Setting]:
    """The next `count` settings.

    Each `group` of them has one shape, as long as enough are left `within`. The first of a group is suggested freely,
    the others with fixed values in the dimensions that decide the shape. Settings without a score yet count as bad ones
    (`constant_liar`), so that a batch does not crowd.

    Args:
        space: The whole space, from which a setting is taken where too few are left `within`.
        within: The part of it that is searched; observations outside of it are ignored.
    """
    from optuna.samplers import PartialFixedSampler, TPESampler

    with quiet():
        sampler = TPESampler(
            seed=sampler_seed(seed, len(observations)),
            n_startup_trials=STARTUP,
            multivariate=True,
            group=any(dimension.when for dimension in within),
            constant_liar=True,
        )
        study = study_of(within, [each for each in observations if inside(within, each.setting)], sampler)
        seen = {key(each.setting) for each in observations}
        suggested: list[Setting] = []
        for place in range(count):
            leader = suggested[place - place % group] if place % group else {}
            # If nothing was left within, the leader is from outside, and its values can't be drawn within.
            held = coded(within, shape(within, leader)) if inside(within, leader) else {}
            study.sampler = PartialFixedSampler(held, sampler) if held else sampler
            suggested.append(new(lambda: canonical(space, drawn(study, within)), space, seen, seed))
        return suggested


TPE = Method(
    "tree-structured Parzen estimators (TPE)",
    f"tree-structured Parzen estimators, which learn from the results after every {BATCH} settings",
    batches,
    suggest,
    adapts=True,
)
