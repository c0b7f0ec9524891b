"""Where a searched hyperparameter stands in a recipe's settings, and how a value is put there.

A name means a place:

- `batch_size`, `epochs` and `accumulation` mean themselves.
- A parameter of an optimizer, a schedule, a model or `regularisation` has its own name if only one of them has it
  (`beta_1`, `dropout`, `activation`). Else the part comes before it (`schedule.decay_rate`, `clipping.norm`,
  `gradient_noise.eta`). `weight_decay` is the optimizer's if that has its own.
- With an entry's name before it (`adam.beta_1`, `focal.gamma`, `rotation.degrees`) a name has a place only in recipes
  that use this entry.
- `layers` and `width` make hidden layers of one width.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from tasks.errors import BadInput
from tasks.records.settings import RecipeSettings
from tasks.search.space import Setting
from tasks.spec.entries import AveragingEntry, ScheduleEntry, bind, schema_of, worded
from tasks.spec.train import (
    Accumulation,
    AugmentationEntry,
    BatchSize,
    Clipping,
    EarlyStopping,
    Epochs,
    GradientNoise,
    Imbalance,
    Regularisation,
)
from tasks.training.averaging import AVERAGINGS
from tasks.training.losses import LOSSES
from tasks.training.models import MODELS
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.schedules import SCHEDULES

Place = tuple[str | int, ...]

TABLES: dict[str, Mapping[str, Callable[..., Any]]] = {
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "averaging": AVERAGINGS,
    "loss": LOSSES,
    "model": MODELS,
}
GROUPS: dict[str, type[BaseModel]] = {
    "regularisation": Regularisation,
    "clipping": Clipping,
    "gradient_noise": GradientNoise,
    "early_stopping": EarlyStopping,
}
WHOLE = ("schedule", "averaging", "imbalance", "augmentation", "accumulation", "batch_size", "epochs")
"""Parts that may be searched as a whole. Optimizers and models are compared instead: each gets a search of its own."""
HIDDEN = ("layers", "width")


def place_of(name: str, settings: RecipeSettings) -> Place | None:
    """Where `name` stands in a recipe's settings, or None where the recipe lacks it."""
    first, *rest = name.split(".")
    used = {part: settings.named(part) for part in TABLES}
    optimizer, model = used["optimizer"], used["model"]
    if not rest:
        if first in WHOLE:
            return (first,)
        if first in HIDDEN and "hidden" in model.parameters:
            return ("model", model.name, first)
        if first in Regularisation.model_fields and first not in optimizer.parameters:
            return ("regularisation", first) if first != "dropout" or drops(model.parameters) else None
        owners = [(part, entry.name) for part, entry in used.items() if first in entry.parameters]
        return (*owners[0], first) if owners else None
    if first == "regularisation" and len(rest) == 1:
        place = place_of(rest[0], settings)
        return place if place and place[0] == first else None
    if len(rest) == 1 and first in GROUPS:
        held = settings.part(first)
        return (first, rest[0]) if held is not None and rest[0] in GROUPS[first].model_fields else None
    part = next((part for part, entry in used.items() if first in (part, entry.name)), None)
    if part and len(rest) == 1:
        if part == "model" and rest[0] in HIDDEN and "hidden" in model.parameters:
            return ("model", model.name, rest[0])
        return (part, used[part].name, rest[0]) if rest[0] in used[part].parameters else None
    return _augmenters_place(rest if first == "augmentation" else [first, *rest], settings.augmentation)


def drops(model: Mapping[str, Any]) -> bool:
    """Whether a model with these parameters has hidden layers, which dropout needs."""
    return bool(model.get("hidden") or model.get("blocks"))


def _augmenters_place(path: Sequence[str], augmentation: Mapping[str, Any] | None) -> Place | None:
    if augmentation is None:
        return None
    if len(path) == 1 and path[0] in ("times",):
        return ("augmentation", path[0])
    for index, step in enumerate(augmentation["steps"]):
        ((kind, parameters),) = step.items()
        if len(path) == 2 and kind == path[0] and path[1] in parameters:
            return ("augmentation", "steps", index, kind, path[1])
    return None


def with_setting(settings: RecipeSettings, setting: Setting) -> RecipeSettings:
    """A recipe's settings with the values of a setting in their places; whole parts first, then values inside them."""
    result = settings
    # A width is the width of all layers, so the layers must be set first.
    for name in sorted(setting, key=lambda name: (name not in WHOLE, name.split(".")[-1] == "width")):
        place = place_of(name, result)
        if place is None:
            raise ValueError(f"{name} is not in {sorted(result.document)}")
        result = _put(result, place, copy.deepcopy(setting[name]))
    return result


def _put(settings: RecipeSettings, place: Place, value: Any) -> RecipeSettings:
    first, *way = place
    if not way:
        return settings.replaced(**{str(first): value})
    changed = held = copy.deepcopy(settings.part(str(first)))
    *way, last = way
    for part in way:
        held = held[part]
    if last in HIDDEN and place[0] == "model":
        hidden = held["hidden"]
        layers, width = (value, (hidden or [1])[0]) if last == "layers" else (len(hidden), value)
        held["hidden"] = [width] * layers
    else:
        held[last] = value
    return settings.replaced(**{str(first): changed})


def check_settings(settings: RecipeSettings) -> None:
    """Checks values that a search put into a recipe's settings.

    Raises:
        PydanticCustomError, ValidationError: a value is out of its range, of the wrong type, or excluded by another.
    """
    for part, table in TABLES.items():
        name, parameters = settings.named(part)
        bind(table[name], name, parameters)
    for part, model in GROUPS.items():
        if settings.part(part) is not None:
            model.model_validate(settings.part(part))
    for part in ("accumulation", "batch_size", "epochs", "augmentation"):
        if part in settings.document:
            _ITEMS[part].validate_python(settings.part(part), strict=part != "augmentation")


_ITEMS: dict[str, TypeAdapter] = {
    "accumulation": TypeAdapter(Accumulation),
    "batch_size": TypeAdapter(BatchSize),
    "epochs": TypeAdapter(Epochs),
    "schedule": TypeAdapter(ScheduleEntry),
    "averaging": TypeAdapter(AveragingEntry),
    "imbalance": TypeAdapter(Imbalance),
    "augmentation": TypeAdapter(AugmentationEntry),
}


def whole_value(axis: str, value: Any, where: str) -> Any:
    """Checks a choice of a whole part, and returns it as plain JSON."""
    try:
        found = _ITEMS[axis].validate_python(value, strict=axis not in ("schedule", "averaging", "augmentation"))
    except ValidationError as error:
        raise refused(error, where) from None
    return found.model_dump(mode="json") if hasattr(found, "model_dump") else found


def refused(error: ValidationError | PydanticCustomError, where: str) -> BadInput:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        if first["type"] == "bakeoff":
            facts = first["ctx"]
        else:
            text, accepted = worded(first)
            facts = {"text": text, "got": repr(first["input"]), "accepted": accepted, "remedy": ""}
    else:
        facts = dict(error.context or {})
    named = {key: facts.get(key) or None for key in ("got", "accepted", "remedy")}
    return BadInput(facts["text"], where=where, **named)


def takes_integers(place: Place, settings: RecipeSettings) -> bool:
    """Whether the values at a place are whole numbers."""
    if place[-1] in (*HIDDEN, "accumulation", "batch_size", "epochs", "times", "patience"):
        return True
    if place[0] not in TABLES:
        return False
    field = schema_of(TABLES[str(place[0])][str(place[1])]).model_fields[str(place[2])]
    kinds = [field.annotation, *get_args(field.annotation)]
    return int in kinds and float not in kinds
