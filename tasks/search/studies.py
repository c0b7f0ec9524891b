"""Optuna's studies: each is made in memory from the observations, and settings are drawn from it one by one.

Nothing is stored or pickled, and nothing is logged. A setting's values are coded for Optuna, which knows texts and
numbers only: choices as their canonical JSON, the values of a stepped or whole-number range as their positions.
"""

from __future__ import annotations

import itertools
import math
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tasks.search.method import Observation
from tasks.search.points import key, numbered, values
from tasks.search.space import Choices, Dimension, Range, Setting, Space

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import Trial

REDRAWN = 20
"""How many times a setting that was suggested before is drawn again. After that, one of the remaining is taken."""


def sampler_seed(seed: int, suggested: int) -> int:
    """A sampler's seed for the batch that begins after `suggested` settings."""
    import numpy as np

    return int(np.random.SeedSequence([seed, suggested]).generate_state(1)[0])


@contextmanager
def quiet() -> Iterator[None]:
    """Within this context Optuna says nothing of new studies, nor that a sampler's interface may change."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def study_of(space: Space, observations: Sequence[Observation], sampler: BaseSampler) -> Study:
    """A study that knows the observations, in order. A diverged trial is worse than every score: it gets minus
    infinity, which is safe since TPE only sorts by scores."""
    import optuna

    study = optuna.create_study(direction="maximize", sampler=sampler)
    for each in observations:
        active = [dimension for dimension in space if dimension.name in each.setting]
        study.add_trial(
            optuna.trial.create_trial(
                params=coded(space, each.setting),
                distributions={dimension.name: distribution(dimension) for dimension in active},
                value=-math.inf if each.score is None else each.score,
            )
        )
    return study


def drawn(study: Study, space: Space) -> Setting:
    """Draws the next setting of a study, one active dimension after the other. Its trial stays running."""
    trial = study.ask()
    setting: Setting = {}
    for dimension in space:
        if dimension.active(setting):
            setting[dimension.name] = _decoded(dimension.over, _suggested(trial, dimension))
    return setting


def whole_study(space: Space, sampler: BaseSampler) -> Study:
    """A study with one finished trial that has a value for every dimension, conditions or not."""
    study = study_of(space, (), sampler)
    study.tell(_whole_trial(study, space), 0.0)
    return study


def drawn_whole(study: Study, space: Space) -> Setting:
    """Draws the next setting of a study that draws every dimension; only the active ones are kept."""
    trial = _whole_trial(study, space)
    setting: Setting = {}
    for dimension in space:
        if dimension.active(setting):
            setting[dimension.name] = _decoded(dimension.over, trial.params[dimension.name])
    return setting


def _whole_trial(study: Study, space: Space) -> Trial:
    return study.ask({dimension.name: distribution(dimension) for dimension in space})


def new(draw: Callable[[], Setting], space: Space, seen: set[str], seed: int) -> Setting:
    """Returns a setting whose key is not in `seen`, and adds the key to it.

    A setting that was suggested before is drawn again, up to `REDRAWN` times. Then one is drawn evenly from the
    settings of `space` that are left. With a continuous range they can't be counted: then up to `REDRAWN` settings are
    drawn at random, and the last may still be a repeated one (where few settings make up most of the space).

    Raises:
        ValueError: every setting was suggested.
    """
    drawings = itertools.chain((draw() for _ in range(1 + REDRAWN)), _others(space, sampler_seed(seed, len(seen))))
    for setting in drawings:
        if key(setting) not in seen:
            seen.add(key(setting))
            return setting
    if numbered(space) is None:
        return setting
    raise ValueError("every setting was suggested")


def _others(space: Space, seed: int) -> Iterator[Setting]:
    """Settings drawn evenly: so many that each is almost surely among them, or `REDRAWN` of a continuous space."""
    from optuna.samplers import RandomSampler

    settings = numbered(space)
    if settings is not None:
        rng = random.Random(seed)
        yield from (settings[rng.randrange(settings.number)] for _ in range(100 * settings.number))
    else:
        study = study_of(space, (), RandomSampler(seed))
        yield from (drawn(study, space) for _ in range(REDRAWN))


def distribution(dimension: Dimension) -> CategoricalDistribution | FloatDistribution | IntDistribution:
    """The distribution from which Optuna draws a dimension's coded values."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    over = dimension.over
    if isinstance(over, Choices):
        return CategoricalDistribution([key(value) for value in over.values])
    points = values(over)
    if points is None:
        return FloatDistribution(over.low, over.high, log=over.log)
    if over.log:
        return IntDistribution(points[0], points[-1], log=True)
    return IntDistribution(0, len(points) - 1)


def coded(space: Space, setting: Setting) -> dict[str, Any]:
    """A setting's values as Optuna knows them."""
    return {
        dimension.name: _coded(dimension.over, setting[dimension.name])
        for dimension in space
        if dimension.name in setting
    }


def canonical(space: Space, setting: Setting) -> Setting:
    """A setting with exactly the values that `space` has: a narrowed range may round them in another way."""
    codes = coded(space, setting)
    return {each.name: _decoded(each.over, codes[each.name]) for each in space if each.name in codes}


def _coded(over: Range | Choices, value: Any) -> Any:
    if isinstance(over, Choices):
        return key(value)
    points = values(over)
    if points is None or over.log:
        return value
    return round((value - points[0]) / (over.step or 1))


def _decoded(over: Range | Choices, code: Any) -> Any:
    if isinstance(over, Choices):
        return next(value for value in over.values if key(value) == code)
    points = values(over)
    if points is None:
        return min(max(float(code), over.low), over.high)
    return int(code) if over.log else points[code]


def _suggested(trial: Trial, dimension: Dimension) -> Any:
    from optuna.distributions import FloatDistribution, IntDistribution

    suggested = distribution(dimension)
    if isinstance(suggested, FloatDistribution):
        return trial.suggest_float(dimension.name, suggested.low, suggested.high, log=suggested.log)
    if isinstance(suggested, IntDistribution):
        return trial.suggest_int(dimension.name, suggested.low, suggested.high, log=suggested.log)
    return trial.suggest_categorical(dimension.name, suggested.choices)
