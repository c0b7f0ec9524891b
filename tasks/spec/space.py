"""From the spec's `tune.space` to each recipe's search space. Mistakes are reported with their path."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from tasks.errors import BadInput, nearest
from tasks.evaluation.wording import listing, written
from tasks.records.search_plan import SearchedChoices, SearchedDimension, SearchedRange
from tasks.records.settings import RecipeSettings
from tasks.search.points import values
from tasks.search.space import Choices, Dimension, Range, Space
from tasks.spec.entries import schema_of
from tasks.spec.places import (
    HIDDEN,
    TABLES,
    WHOLE,
    Place,
    check_settings,
    place_of,
    refused,
    takes_integers,
    whole_value,
    with_setting,
)
from tasks.spec.train import Clipping, Regularisation
from tasks.spec.tune import RANGE_TEST, Searched, Tune
from tasks.training.optimizers import LEARNING_RATES

_SHAPES = ("accumulation", "batch_size", "epochs", "augmentation", "imbalance", "model")
"""Trials that differ in these can't share a stack."""


def spaces(tune: Tune, recipes: Sequence[tuple[str, RecipeSettings]], compared: Iterable[str]) -> list[Space]:
    """The search space of each recipe.

    Args:
        recipes: Label and settings of each recipe.
        compared: The axes that make the recipes differ: they can't be searched as well.

    Raises:
        BadInput: the space is wrong; the message has the path under `tune.space`.
    """
    searched = dict(tune.space) or {"learning_rate": Searched()}
    for name in searched:
        _check_name(name, recipes, compared, searched)
    order = _in_order(searched, [settings for _, settings in recipes])
    _check_conditions(order, searched)
    result = [_space({name: searched[name] for name in order}, settings) for _, settings in recipes]
    for (label, _), space in zip(recipes, result, strict=True):
        if not space:
            raise BadInput(
                "nothing is searched in a recipe that is compared",
                where="tune.space",
                got=label,
                remedy="add something that it has, such as learning_rate",
            )
    return result


def _where(name: str, part: str = "") -> str:
    return f"tune.space.{name}" + (f".{part}" if part else "")


def _check_name(
    name: str, recipes: Sequence[tuple[str, RecipeSettings]], compared: Iterable[str], searched: Mapping[str, Searched]
) -> None:
    head = name.split(".")[0]
    if head in ("optimizer", "model") and "." not in name:
        raise BadInput(
            f"the {head} is compared, not searched",
            where=_where(name),
            remedy=f"list the {head}s under compare: each then gets a search of its own",
        )
    if name in compared or (name == "learning_rate" and "learning_rate" in compared):
        raise BadInput("is compared and searched at once", where=_where(name), remedy=f"take it or compare.{name} out")
    if not any(place_of(name, each) for _, settings in recipes for each in _alternatives(searched, settings)):
        raise BadInput(
            "no recipe has it",
            where=_where(name),
            got=name,
            accepted=nearest(name, _names(recipes)),
            remedy=_owned_by_others(name),
        )


def _owned_by_others(name: str) -> str | None:
    """The remedy for a parameter that no recipe has: which optimizer, schedule or model has it. None if none has."""
    *owner, parameter = name.split(".")
    for part, table in TABLES.items():
        having = [
            entry
            for entry, factory in table.items()
            if owner in ([], [part], [entry])
            and ("hidden" if parameter in HIDDEN else parameter) in schema_of(factory).model_fields
        ]
        if having:
            return f"use one that has it ({part} {listing(having, most=8, last='or')}), or take {name} out"
    return None


def _names(recipes: Sequence[tuple[str, RecipeSettings]]) -> set[str]:
    """The shortest names of what may be searched in the recipes."""
    names = {"accumulation", "batch_size", "epochs", "schedule", "averaging", *Regularisation.model_fields}
    names |= {f"clipping.{field}" for field in Clipping.model_fields}
    for _, settings in recipes:
        for part in TABLES:
            parameters = settings.named(part).parameters
            names |= parameters.keys()
            if "hidden" in parameters:
                names |= set(HIDDEN)
    return names


def _alternatives(searched: Mapping[str, Searched], settings: RecipeSettings) -> list[RecipeSettings]:
    """A recipe's settings, as they are and with each choice of the parts that are searched as a whole."""
    result = [settings]
    for axis in WHOLE:
        for choice in (searched[axis].choices or []) if axis in searched else []:
            plain = whole_value(axis, choice, _where(axis))
            result += [each.replaced(**{axis: plain}) for each in list(result)]
    return result


def _in_order(searched: Mapping[str, Searched], recipes: Sequence[RecipeSettings]) -> list[str]:
    """The names as written, but each after those it depends on: the names in its `when`, and the searched schedule,
    averaging or augmentation that has it as a parameter.

    Raises:
        BadInput: the names depend on each other in a circle.
    """
    order: list[str] = []

    def visit(name: str, way: tuple[str, ...]) -> None:
        if name in way:
            circle = " -> ".join([*way[way.index(name) :], name])
            raise BadInput("the conditions go in a circle", where=_where(name, "when"), got=circle)
        brought = {axis: None for settings in recipes for axis in _brought(name, searched, settings)}
        for parent in [*searched[name].when, *brought]:
            if parent in searched:
                visit(parent, (*way, name))
        if name not in order:
            order.append(name)

    for name in searched:
        visit(name, ())
    return order


def _accepted(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list) else (value,)


def _check_conditions(order: Sequence[str], searched: Mapping[str, Searched]) -> None:
    """Refuses conditions that can't hold.

    Raises:
        BadInput: a condition names something that is not searched or a value that it never has, or conditions
            contradict each other.
    """
    must: dict[str, dict[str, list[Any]]] = {}
    for name in order:
        own: dict[str, list[Any]] = {}
        for parent, value in searched[name].when.items():
            where = _where(name, f"when.{parent}")
            if parent not in (*searched, *TABLES):
                others = [other for other in (*searched, *TABLES) if other != name]
                raise BadInput("is not searched", where=where, got=parent, accepted=nearest(parent, others))
            wanted = list(_accepted(value))
            if not wanted:
                raise BadInput("has no values", where=where, got="[]", accepted="a value, or a list of values")
            for each in wanted:
                _check_possible(parent, each, searched, where)
            for key, allowed in [(parent, wanted), *must.get(parent, {}).items()]:
                both = [each for each in own.get(key, allowed) if each in allowed]
                if not both:
                    raise BadInput(
                        "the conditions contradict each other: it would never be searched",
                        where=_where(name, "when"),
                        got=f"{key} must be {_or(own[key])} and {_or(allowed)}",
                        remedy="change one of them",
                    )
                own[key] = both
        must[name] = own


def _or(values: Sequence[Any]) -> str:
    return " or ".join(map(str, values))


def _check_possible(parent: str, value: Any, searched: Mapping[str, Searched], where: str) -> None:
    if parent not in searched:  # a part that is compared or held still: it depends on the recipe
        if not isinstance(value, str) or value not in TABLES[parent]:
            raise BadInput(
                f"unknown {parent}", where=where, got=repr(value), accepted=nearest(str(value), TABLES[parent])
            )
        return
    over = searched[parent]
    if over.choices is not None:
        names = [
            *over.choices,
            *(next(iter(each)) for each in over.choices if isinstance(each, dict) and len(each) == 1),
        ]
        if value not in names:
            raise BadInput("is not among the choices", where=where, got=repr(value), accepted=_or(over.choices))
    elif over.low is None or over.high is None:
        raise BadInput(
            "has no values to name: its range is the optimizer's own",
            where=where,
            got=repr(value),
            accepted="a hyperparameter with choices, or with low and high",
        )
    elif not isinstance(value, int | float) or not over.low <= value <= over.high:
        raise BadInput("lies outside the range", where=where, got=repr(value), accepted=f"{over.low} to {over.high}")


def _space(searched: Mapping[str, Searched], settings: RecipeSettings) -> Space:
    """The search space of one recipe: the searched names that it has, with the conditions that depend only on the
    search."""
    dimensions: list[Dimension] = []
    optimizer = settings.optimizer.name
    for name, over in searched.items():
        if _shadowed(name, searched, settings):
            continue
        when = _conditions(over, searched, settings)
        present = {each.name: searched[each.name] for each in dimensions}
        having = [each for each in _alternatives(present, settings) if place_of(name, each)]
        if when is None or not having:
            continue
        when = _with_it(name, when, _brought(name, present, settings))
        if any(parent not in present for parent in when):
            continue
        _check_drawn(name, when, dimensions)
        place = place_of(name, having[0])
        assert place is not None
        dimension = Dimension(
            name=name,
            over=_over(name, over, place, having[0], optimizer),
            when=when,
            shapes=place[0] in _SHAPES and not _kept_in_shape(place),
            owned=over.own,
            tested=over.range_test,
        )
        _check_values(dimension, having[0])
        dimensions.append(dimension)
    _check_hidden(dimensions, settings)
    return tuple(dimensions)


def _check_drawn(name: str, when: Mapping[str, tuple[Any, ...]], before: Sequence[Dimension]) -> None:
    """Refuses a condition on an earlier dimension whose range has none of the values that the condition names."""
    for dimension in before:
        over = dimension.over
        if dimension.name not in when or isinstance(over, Choices):
            continue
        drawn = values(over)
        if drawn is None or not any(each in drawn for each in when[dimension.name]):
            raise BadInput(
                "the range does not have this value: it would never be searched",
                where=_where(name, f"when.{dimension.name}"),
                got=_or(when[dimension.name]),
                accepted=f"a value of {dimension.name}, which is to be a list, whole numbers, or a range with a step",
            )


def _brought(name: str, searched: Mapping[str, Searched], settings: RecipeSettings) -> dict[str, tuple[Any, ...]]:
    """The searched schedule, averaging or augmentation on which `name` depends, each with the choices that have `name`
    as a parameter."""
    found: dict[str, tuple[Any, ...]] = {}
    for axis in ("schedule", "averaging", "augmentation"):
        if axis in searched and name not in WHOLE:
            choices = [_plain_choice(axis, each) for each in searched[axis].choices or []]
            having = _unique(each for each in choices if place_of(name, settings.replaced(**{axis: each})))
            if having and (len(having) < len(choices) or place_of(name, settings) is None):
                found[axis] = having
    return found


def _with_it(
    name: str, when: Mapping[str, tuple[Any, ...]], brought: Mapping[str, tuple[Any, ...]]
) -> dict[str, tuple[Any, ...]]:
    """The spec's conditions, and the condition that the recipe has the parameter at all.

    Raises:
        BadInput: under these conditions it never has.
    """
    both = {**brought, **when}
    for axis in brought.keys() & when.keys():
        both[axis] = tuple(each for each in when[axis] if each in brought[axis])
        if not both[axis]:
            raise BadInput(
                f"no such {axis} has {name}: it would never be searched",
                where=_where(name, f"when.{axis}"),
                got=_or(when[axis]),
                accepted=_or(brought[axis]),
            )
    return both


def _check_hidden(dimensions: Sequence[Dimension], settings: RecipeSettings) -> None:
    """Refuses `hidden` beside `layers` or `width`. Both set the hidden layers, so the values of one would be lost."""
    by_part = {place[-1]: each.name for each in dimensions if (place := place_of(each.name, settings))}
    made = [by_part[part] for part in HIDDEN if part in by_part]
    if "hidden" in by_part and made:
        raise BadInput(
            "the hidden layers are searched in two ways",
            where=_where(made[0]),
            got=f"{by_part['hidden']} and {' and '.join(made)}",
            remedy="keep layers and width (hidden layers of one width), or hidden (lists of widths)",
        )


def _kept_in_shape(place: Place) -> bool:
    """Whether trials that differ here can share a stack: initial weights and narrower layers are arguments of its
    program."""
    return place[0] == "model" and place[-1] in ("initialisation", "width")


def _unique(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple({json.dumps(value, sort_keys=True): value for value in values}.values())


def _shadowed(name: str, searched: Mapping[str, Searched], settings: RecipeSettings) -> bool:
    """Whether a more specific searched name (`adam.beta_1` for `beta_1`) means the same place in this recipe."""
    place = place_of(name, settings)
    longer = [other for other in searched if other != name and other.count(".") > name.count(".")]
    return place is not None and any(place_of(other, settings) == place for other in longer)


def _conditions(
    over: Searched, searched: Mapping[str, Searched], settings: RecipeSettings
) -> dict[str, tuple[Any, ...]] | None:
    """The conditions on searched names, in the search's values; None if the recipe itself fails a condition."""
    when: dict[str, tuple[Any, ...]] = {}
    for parent, value in over.when.items():
        wanted = _accepted(value)
        if parent in searched:
            whole = [_plain_choice(parent, each) for each in wanted if isinstance(each, dict)]
            choices = [_plain_choice(parent, each) for each in searched[parent].choices or []]
            named = [
                each for each in choices if isinstance(each, dict) and (next(iter(each)) in wanted or each in whole)
            ]
            when[parent] = tuple(named) or wanted
        elif settings.named(parent).name not in wanted:
            return None
    return when


def _plain_choice(name: str, value: Any) -> Any:
    return whole_value(name, value, _where(name)) if name in WHOLE else value


def _over(name: str, over: Searched, place: Place, settings: RecipeSettings, optimizer: str) -> Range | Choices:
    if over.low is None and over.choices is None:
        if place[-1] != "learning_rate" or place[0] != "optimizer":
            raise BadInput(
                "has no range of its own",
                where=_where(name),
                got=RANGE_TEST if over.range_test else "auto",
                accepted="low and high, or a list of choices",
            )
        return Range(*LEARNING_RATES[optimizer], log=True)
    if over.choices is not None:
        return Choices(tuple(_plain_choice(name, value) for value in over.choices))
    assert over.low is not None and over.high is not None
    if name in ("schedule", "averaging", "imbalance", "augmentation"):
        got = f"{written(over.low)} to {written(over.high)}"
        accepted = f"a list of choices, each written as under train.{name}"
        raise BadInput("is chosen by name: it has no range", where=_where(name), got=got, accepted=accepted)
    integer = takes_integers(place, settings)
    if integer and over.step is not None and not over.step.is_integer():
        raise BadInput(
            "a range of whole numbers needs a whole step",
            where=_where(name, "step"),
            got=written(over.step),
            accepted="a whole number",
        )
    for end, value in (("low", over.low), ("high", over.high)):
        if integer and not isinstance(value, int):
            raise BadInput("is of the wrong type", where=_where(name, end), got=repr(value), accepted="a whole number")
    if (integer or over.step) and (over.high - over.low) / (over.step or 1) > _VALUES:
        raise BadInput(
            "has too many values to be told apart",
            where=_where(name, "step" if over.step else "high"),
            got=f"{written(over.low)} to {written(over.high)}" + (f" in steps of {over.step:g}" if over.step else ""),
            accepted=f"at most {_VALUES:,} values",
            remedy="take longer steps, or no step: then any number between is drawn" if over.step else None,
        )
    return Range(over.low, over.high, log=over.scale == "log", integer=integer, step=over.step)


_VALUES = 10_000_000_000
"""The most values of one dimension, since numbers are written with twelve digits."""


def _check_values(dimension: Dimension, settings: RecipeSettings) -> None:
    """Tries both ends, or each choice, in the recipe.

    Raises:
        BadInput: the recipe can't take one of these values.
    """
    over = dimension.over
    tried = (
        [(f"choices[{index}]", value) for index, value in enumerate(over.values)]
        if isinstance(over, Choices)
        else [("low", over.low), ("high", over.high)]
    )
    for part, value in tried:
        where = _where(dimension.name, part)
        most = _MOST.get(dimension.name.split(".")[-1])
        if most and (not isinstance(value, int) or not 1 <= value <= most):
            accepted = f"a whole number from 1 to {most:,}"
            raise BadInput("is out of range", where=where, got=repr(value), accepted=accepted)
        try:
            check_settings(with_setting(settings, {dimension.name: value}))
        except (PydanticCustomError, ValidationError) as error:
            raise refused(error, where) from None


_MOST = {"layers": 32, "width": 65_536}


def searched(space: Space) -> list[SearchedDimension]:
    """The space as in plan.json."""
    result: list[SearchedDimension] = []
    for dimension in space:
        over = dimension.over
        when = {name: list(values) for name, values in dimension.when.items()}
        if isinstance(over, Range):
            result.append(
                SearchedRange(
                    name=dimension.name,
                    low=over.low,
                    high=over.high,
                    log=over.log,
                    integer=over.integer,
                    step=over.step,
                    when=when,
                    owned=dimension.owned,
                    tested=dimension.tested or None,
                )
            )
        else:
            result.append(
                SearchedChoices(name=dimension.name, choices=list(over.values), when=when, owned=dimension.owned)
            )
    return result


def on_a_grid(space: Space) -> Space:
    """The space with points only. A logarithmic range becomes its ends and the powers of ten between them.

    Raises:
        BadInput: a linear range of numbers has no step.
    """
    return tuple(replace(each, over=_points(each)) for each in space)


def without_steps(space: Space) -> Space:
    """The space with ranges without steps: a search that follows derivatives may stop anywhere in a range."""
    return tuple(
        replace(each, over=replace(each.over, step=None)) if isinstance(each.over, Range) else each for each in space
    )


def _points(dimension: Dimension) -> Range | Choices:
    over = dimension.over
    if not isinstance(over, Range) or over.points() is not None:
        return over
    if not over.log:
        raise BadInput(
            "a grid needs points",
            where=_where(dimension.name),
            got=f"{over.low} to {over.high}",
            remedy="give a step, or list the choices",
        )
    values, power = {float(over.low), float(over.high)}, -30
    while power < 30:
        if over.low < 10.0**power < over.high:
            values.add(float(f"1e{power}"))
        power += 1
    points = sorted(values)
    return Choices(tuple(int(value) for value in points) if over.integer else tuple(points))
