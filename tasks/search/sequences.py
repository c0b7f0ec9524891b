"""Methods that learn nothing from results: space and seed fix a sequence of settings, and a batch is its next part.

Still, a batch has at most `LARGEST` settings, so that a killed run loses little.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tasks.search.method import Method, Observation, even_batches
from tasks.search.points import Settings, key, possible, shape
from tasks.search.space import Setting, Space
from tasks.search.studies import drawn, drawn_whole, new, quiet, sampler_seed, study_of, whole_study

LARGEST = 64


def batches(space: Space, trials: int) -> list[int]:
    return even_batches(possible(space, trials), LARGEST)


def grid_settings(space: Space, number: int, trials: int, seed: int) -> list[Setting]:
    """The first `number` points of the grid: all of them in order, or a sample of `trials` without repeats, drawn
    evenly. Points of equal shape come one after the other, so that stacks are full.

    Optuna's GridSampler knows no conditions (what is inactive would be tried at every value) and no lists as values.
    Its BruteForceSampler knows conditions, but tries points in an order of its own, which would mix the shapes, and
    keeps all of them in memory.

    Raises:
        ValueError: a range has no points.
    """
    for dimension in space:
        if dimension.over.points() is None:
            raise ValueError(f"{dimension.name} has no list of points")
    settings = Settings(space)
    places = random.Random(sampler_seed(seed, 0)).sample(range(settings.number), min(trials, settings.number))
    chosen = [settings[place] for place in sorted(places)]
    shapes = {key(shape(space, setting)): None for setting in chosen}
    order = {text: place for place, text in enumerate(shapes)}
    return sorted(chosen, key=lambda setting: order[key(shape(space, setting))])[:number]


def random_settings(space: Space, number: int, trials: int, seed: int) -> list[Setting]:
    """The first `number` settings of Optuna's RandomSampler, without repeats as long as `new` can tell."""
    from optuna.samplers import RandomSampler

    with quiet():
        study, seen = study_of(space, (), RandomSampler(sampler_seed(seed, 0))), set[str]()
        return [new(lambda: drawn(study, space), space, seen, seed) for _ in range(number)]


def quasi_random_settings(space: Space, number: int, trials: int, seed: int) -> list[Setting]:
    """The first `number` settings of Optuna's QMCSampler: Sobol points, scrambled (Owen 1998), without repeats.

    QMCSampler knows no conditions, and draws the first setting of a study at random. So every dimension has a
    coordinate of its own in each point, read where the dimension is active and passed over elsewhere, and the study
    begins with a setting that shows the sampler the whole space. Choices share their coordinate evenly.
    """
    from optuna.samplers import QMCSampler

    with quiet():
        sampler = QMCSampler(qmc_type="sobol", scramble=True, seed=sampler_seed(seed, 0))
        study, seen = whole_study(space, sampler), set[str]()
        return [new(lambda: drawn_whole(study, space), space, seen, seed) for _ in range(number)]


def _suggesting(settings: Callable[[Space, int, int, int], list[Setting]]) -> Callable[..., list[Setting]]:
    def suggest(space: Space, observations: Sequence[Observation], count: int, trials: int, seed: int) -> list[Setting]:
        return settings(space, len(observations) + count, trials, seed)[len(observations) :]

    return suggest


GRID = Method(
    "grid search",
    "every combination of listed values (of a logarithmic range, its ends and powers of ten), or a sample of them",
    batches,
    _suggesting(grid_settings),
    listed=True,
)
RANDOM = Method("random search", "values drawn evenly on each range's scale", batches, _suggesting(random_settings))
QUASI_RANDOM = Method(
    "quasi-random search",
    "a scrambled Sobol sequence: like random, but spread evenly over the space",
    batches,
    _suggesting(quasi_random_settings),
)
