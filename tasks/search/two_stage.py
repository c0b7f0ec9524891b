"""Two stages: the whole space at random, then a narrowed one by TPE."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tasks.search import sequences, tpe
from tasks.search.method import Method, Observation, even_batches
from tasks.search.points import key, possible, values
from tasks.search.space import Choices, Dimension, Range, Setting, Space

EDGE = 0.05
"""An end of a range is kept where the best setting is this near to it, as a share of the range."""


def first_stage(space: Space, trials: int) -> int:
    """How many settings are drawn from the whole space: half of them, rounded up."""
    return math.ceil(possible(space, trials) / 2)


def batches(space: Space, trials: int) -> list[int]:
    first = first_stage(space, trials)
    rest = possible(space, trials) - first
    return [*even_batches(first, sequences.LARGEST), *even_batches(rest, tpe.BATCH)]


def suggest(space: Space, observations: Sequence[Observation], count: int, trials: int, seed: int) -> list[Setting]:
    first = first_stage(space, trials)
    if len(observations) < first:
        return sequences.RANDOM.suggest(space, observations, count, trials, seed)
    return tpe.settings(space, narrowed(space, observations[:first]), observations, count, seed)


def narrowed(space: Space, observations: Sequence[Observation]) -> Space:
    """The part of a space where the best settings lie.

    A range is cut to the span of the best settings, widened on both sides by a quarter of that span and at least a
    twentieth of the range, all on the range's own scale; choices keep the values that the best settings have.

    The best settings are the best quarter, but two at least and five at most (of a hundred settings a quarter spans
    nearly everything), and all that are as good as the last of these; a diverged one is never among them. An end of
    a range stays where the very best setting is within a twentieth of it. A dimension stays as it is where fewer than
    two of the best settings have a value for it.
    """
    finished = sorted((each for each in observations if each.score is not None), key=_badness)
    if len(finished) < 2:
        return space
    last = finished[min(max(2, math.ceil(len(finished) / 4)), 5) - 1]
    best = [each.setting for each in finished if _badness(each) <= _badness(last)]
    return tuple(_cut(each, [setting[each.name] for setting in best if each.name in setting]) for each in space)


def _badness(observations: Observation) -> float:
    return math.inf if observations.score is None else -observations.score


def _cut(dimension: Dimension, best: list[Any]) -> Dimension:
    """Narrows a dimension to its values in the best settings; the very best setting's value comes first."""
    if len(best) < 2:
        return dimension
    over = dimension.over
    if isinstance(over, Choices):
        kept = {key(value) for value in best}
        return replace(dimension, over=Choices(tuple(value for value in over.values if key(value) in kept)))
    return replace(dimension, over=_cut_range(over, best))


def _cut_range(over: Range, best: list[float]) -> Range:
    places = [over.place(value) for value in best]
    margin = max((max(places) - min(places)) / 4, EDGE)
    low, high = min(places) - margin, max(places) + margin
    low = 0.0 if places[0] <= EDGE else max(low, 0.0)
    high = 1.0 if places[0] >= 1 - EDGE else min(high, 1.0)
    points = values(over)
    if points is None:
        return replace(over, low=_at(over, low), high=_at(over, high))
    first = bisect_left(points, low - 1e-9, key=over.place)
    last = bisect_right(points, high + 1e-9, key=over.place) - 1
    return replace(over, low=points[first], high=points[last])


def _at(over: Range, place: float) -> float:
    """The value at a place of the range's scale, 0 at `low` and 1 at `high`."""
    if place in (0.0, 1.0):
        return over.high if place else over.low
    if over.log:
        return over.low * (over.high / over.low) ** place
    return over.low + place * (over.high - over.low)


TWO_STAGE = Method(
    "random search, then TPE around the best (two-stage)",
    "half at random, then TPE in the part of the space where the best of those lie",
    batches,
    suggest,
    adapts=True,
)
