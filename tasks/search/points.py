"""The settings of a space: whether one lies in it, how many there are, and each by its number."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from tasks.search.space import Choices, Range, Setting, Space, Steps


def key(value: Any) -> str:
    """Canonical JSON: equal for equal settings or values, and apart for `1`, `1.0` and `true`."""
    return json.dumps(value, sort_keys=True)


def values(over: Range | Choices) -> Sequence[Any] | None:
    """Every value in order, whole numbers as `int`; None where a range is continuous.

    Unlike `points`, it has the whole numbers of a logarithmic range too.
    """
    if isinstance(over, Range) and over.integer:
        low, step = math.ceil(over.low), round(over.step or 1)
        return Steps(low, step, (math.floor(over.high) - low) // step + 1)
    return over.points()


def inside(space: Space, setting: Setting) -> bool:
    """Whether a setting is a point of a space: for each active dimension a value that may be drawn, and no other."""
    active = {dimension.name: dimension for dimension in space if dimension.active(setting)}
    return active.keys() == setting.keys() and all(_holds(active[name].over, setting[name]) for name in active)


def _holds(over: Range | Choices, value: Any) -> bool:
    if isinstance(over, Choices):
        return key(value) in map(key, over.values)
    points = values(over)
    if points is None:
        return over.low <= value <= over.high
    place = round((value - points[0]) / (over.step or 1))
    return 0 <= place < len(points) and math.isclose(value, points[place], abs_tol=1e-9 * (over.step or 1))


def shape(space: Space, setting: Setting) -> Setting:
    """The part of a setting that decides whether trials fit in a stack: dimensions with `shapes`, and their parents."""
    wanted: set[str] = set()
    for dimension in reversed(space):
        if dimension.shapes or dimension.name in wanted:
            wanted |= {dimension.name, *dimension.when}
    return {name: value for name, value in setting.items() if name in wanted}


class Settings:
    """The settings of a space without continuous ranges, conditions applied, numbered from 0: the last dimension is the
    fastest.

    They are counted, never listed. Values that no condition distinguishes are counted as one span, so a space of many
    millions costs no more than a small one.

    Raises:
        ValueError: a range is continuous.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._values = [_listed(dimension.name, dimension.over) for dimension in space]
        self._watched = [{name for later in space[place:] for name in later.when} for place in range(len(space) + 1)]
        self._counts: dict[tuple[int, str], int] = {}
        self.number = self._count(0, {})

    def __getitem__(self, number: int) -> Setting:
        setting: Setting = {}
        for place, dimension in enumerate(self._space):
            if not dimension.active(setting):
                continue
            listed = self._values[place]
            for start, stop in self._alike(place):
                of_each = self._count(place + 1, {**setting, dimension.name: listed[start]})
                if number < (stop - start) * of_each:
                    chosen, number = divmod(number, of_each)
                    setting = {**setting, dimension.name: listed[start + chosen]}
                    break
                number -= (stop - start) * of_each
        return setting

    def _alike(self, place: int) -> list[tuple[int, int]]:
        """Spans of positions in a dimension's values. Each value of a span is followed by equally many settings, since
        no condition distinguishes them."""
        dimension, listed = self._space[place], self._values[place]
        named = [value for later in self._space[place:] for value in later.when.get(dimension.name, ())]
        alone = sorted({found for value in named if (found := _position(listed, value)) is not None})
        bounds = sorted({0, len(listed), *alone, *(found + 1 for found in alone)})
        return list(pairwise(bounds))

    def _count(self, place: int, setting: Setting) -> int:
        """How many settings begin with `setting`, which has values for the dimensions before `place`."""
        if place == len(self._space):
            return 1
        known = (place, key({name: setting[name] for name in setting.keys() & self._watched[place]}))
        if known not in self._counts:
            self._counts[known] = self._counted(place, setting)
        return self._counts[known]

    def _counted(self, place: int, setting: Setting) -> int:
        dimension, listed = self._space[place], self._values[place]
        if not dimension.active(setting):
            return self._count(place + 1, setting)
        return sum(
            (stop - start) * self._count(place + 1, {**setting, dimension.name: listed[start]})
            for start, stop in self._alike(place)
        )


def _position(listed: Sequence[Any], value: Any) -> int | None:
    if isinstance(listed, Steps):
        return listed.place(value)
    return next((place for place, each in enumerate(listed) if each == value), None)


def _listed(name: str, over: Range | Choices) -> Sequence[Any]:
    points = values(over)
    if points is None:
        raise ValueError(f"{name} has no list of points")
    return points


def numbered(space: Space) -> Settings | None:
    """The settings by number, or None where a range is continuous."""
    return None if any(values(dimension.over) is None for dimension in space) else Settings(space)


def possible(space: Space, trials: int) -> int:
    """`trials`, or the number of settings where there are fewer."""
    settings = numbered(space)
    return trials if settings is None else min(trials, settings.number)
