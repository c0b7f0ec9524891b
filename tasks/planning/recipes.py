"""Recipes: every combination of what is compared, with every parameter bound. This needs no data."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from tasks.errors import BadInput
from tasks.kinds import TABLE_FORM
from tasks.records.plan import Recipe
from tasks.records.settings import RecipeSettings
from tasks.spec.entries import Entry, bind, shown
from tasks.spec.models import Spec
from tasks.spec.train import Augmentation, Clipping, Compare, EarlyStopping, GradientNoise, Regularisation
from tasks.training.losses import BEFORE
from tasks.training.models import EMBEDDED, MODELS

MAX_TRIALS = 5_000
AXES = tuple(Compare.model_fields)
"""What a recipe consists of, in the order in which labels name it."""
_HELD_STILL = ("evaluate_every", "stop_at")
"""Settings that decide a recipe's results too, and are the same for all recipes of a spec."""


def identifier(value: Any) -> str:
    """The first 12 hex digits of the SHA-256 of a value's canonical JSON.

    >>> identifier({"b": 1, "a": [2.0]}) == identifier({"a": [2.0], "b": 1})
    True
    >>> identifier({"b": 1, "a": [2.0]})
    '4066b37374c1'
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def variant_identifier(settings: RecipeSettings) -> str:
    """The identifier of a recipe's settings. Parameters of embeddings count only where there are embeddings, and a loss
    that once had no parameters counts by its name alone. So a recipe keeps the identifier that it had before there were
    such parameters."""
    name, parameters = settings.model
    if parameters.get(EMBEDDED[0]) == "none":
        parameters = {key: value for key, value in parameters.items() if key not in EMBEDDED}
    identified = {**settings.document, "model": {name: parameters}}
    for before, loss in BEFORE.items():
        if identified.get("loss") == loss:
            identified["loss"] = before
    return identifier(identified)


def variant_of(recipe: Recipe, settings: RecipeSettings) -> Recipe:
    """The recipe with other settings: a search's, a repair's, those of a range test."""
    return replace(recipe, variant_id=variant_identifier(settings), settings=settings, schedule=settings.schedule.name)


def recipes_of(spec: Spec, model: str = TABLE_FORM.model) -> list[Recipe]:
    """Every combination of what is compared, in the order written, each once.

    Args:
        model: The model to take where the spec names none.

    Raises:
        BadInput: a learning rate is given both on the optimizer and beside it, or there are too many trials.
    """
    axes = [getattr(spec.compare, axis) or [_held_still(spec, axis, model)] for axis in AXES]
    count = spec.train.seeds
    for values in axes:
        count *= len(values)
    if count > MAX_TRIALS:
        raise BadInput(
            "the comparison is too large",
            where="compare",
            got=f"{count:,} trials",
            accepted=f"at most {MAX_TRIALS:,}",
            remedy="compare fewer values or use fewer seeds",
        )
    compared = [axis for axis in AXES if len(getattr(spec.compare, axis) or []) > 1]
    recipes: dict[str, Recipe] = {}
    for values in itertools.product(*axes):
        chosen = dict(zip(AXES, values, strict=True))
        settings = _settings(chosen).replaced(**{name: _plain(getattr(spec.train, name)) for name in _HELD_STILL})
        variant_id = variant_identifier(settings)
        recipe = Recipe(
            recipe_id=variant_id,
            recipe=_label(chosen, compared),
            optimizer=chosen["optimizer"].name,
            schedule=chosen["schedule"].name,
            variant_id=variant_id,
            settings=settings,
        )
        recipes.setdefault(variant_id, recipe)
    return list(recipes.values())


def _held_still(spec: Spec, axis: str, model: str) -> Any:
    if axis == "method":
        return None
    if axis != "model":
        return getattr(spec.train, axis)
    return spec.model or Entry(name=model, parameters=bind(MODELS[model], model, {}))


def _settings(chosen: Mapping[str, Any]) -> RecipeSettings:
    """The recipe as plain values; the learning rate stands once, with the optimizer."""
    optimizer: Entry = chosen["optimizer"]
    rate = chosen["learning_rate"]
    if rate is not None:
        if "learning_rate" in optimizer.given:
            raise BadInput(
                f"{optimizer.name}'s learning rate is given twice",
                where="train.learning_rate or compare.learning_rate",
                got=f"{optimizer.parameters['learning_rate']} with the optimizer and {rate} beside it",
                remedy="keep one of them",
            )
        optimizer = optimizer.model_copy(update={"parameters": {**optimizer.parameters, "learning_rate": rate}})
    plain = {axis: _plain(value) for axis, value in chosen.items() if axis != "learning_rate"}
    return RecipeSettings({}).replaced(**{**plain, "optimizer": _plain(optimizer)})


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def _label(chosen: Mapping[str, Any], compared: Sequence[str]) -> str:
    """`adam · cosine (warmup 0.1) · batch size 64`: the optimizer, and whatever else is compared."""
    parts = [str(chosen["optimizer"])]
    for axis in compared:
        if axis != "optimizer":
            parts.append(_part(axis, chosen[axis]))
    return " · ".join(parts)


def _part(axis: str, value: Any) -> str:
    if isinstance(value, Entry | Augmentation) and str(value) != "none" and axis != "loss":
        return str(value)
    if axis == "method":
        return str(value)
    if axis == "rows":
        return "all rows" if value is None else f"{value:,} rows"
    kind = axis.replace("_", " ")
    if isinstance(value, EarlyStopping):
        said = [name for name in type(value).model_fields if name == "patience" or name in value.model_fields_set]
        return f"{kind} {_listed(value, said)}"
    if isinstance(value, GradientNoise):
        return f"{kind} {_listed(value, [*GradientNoise.model_fields])}"
    if isinstance(value, Regularisation | Clipping):
        said = [name for name, item in value if item]
        return _listed(value, said) if isinstance(value, Regularisation) and said else f"{kind} {_listed(value, said)}"
    return f"{kind} {'none' if value is None else shown(value)}"


def _listed(value: BaseModel, names: Sequence[str]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {shown(getattr(value, name))}" for name in names) or "none"
