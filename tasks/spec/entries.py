"""Entries: a name, or a name with its parameters, looked up in a table of factories.

A factory's keyword-only signature is its schema: types, ranges and defaults are read from it, so nothing is said twice.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Collection, Mapping
from functools import cache, partial
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, create_model, model_serializer
from pydantic_core import PydanticCustomError

from tasks.augmentation import library
from tasks.augmentation.mixup import MIXERS
from tasks.augmentation.table import AUGMENTERS
from tasks.errors import nearest
from tasks.evaluation.wording import written
from tasks.lessons.table import LESSONS
from tasks.training.averaging import AVERAGINGS
from tasks.training.losses import LOSSES
from tasks.training.models import MODELS
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.schedules import SCHEDULES
from tasks.validation.checks import CHECKS
from tasks.validation.names import EXPECTATIONS


def problem(text: str, *, got: str = "", accepted: str = "", remedy: str = "", suffix: str = "") -> PydanticCustomError:
    """An error for a pydantic validator that keeps its facts separate; `suffix` is added to the path in the YAML."""
    facts = {"text": text, "got": got, "accepted": accepted, "remedy": remedy, "suffix": suffix}
    return PydanticCustomError("bakeoff", "{text}", facts)


def known(kind: str, table: Collection[str], name: str) -> str:
    """Returns the name; refuses one that is not in the table."""
    if name not in table:
        raise problem(f"unknown {kind}", got=name, accepted=nearest(name, table))
    return name


class Entry(BaseModel):
    """A name of a table with every parameter of its factory bound. Written `name` or `name: {parameters}`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    parameters: dict[str, Any]
    given: frozenset[str] = frozenset()  # the parameters that the author wrote

    @model_serializer
    def _as_written(self) -> dict[str, Any]:
        return {self.name: self.parameters}

    def __str__(self) -> str:
        """`sgd (learning rate 0.01)`: the name, and only what the author wrote."""
        said = ", ".join(
            f"{_in_words(key)} {shown(self.parameters[key])}" for key in self.parameters if key in self.given
        )
        return f"{self.name} ({said})" if said else self.name


def _in_words(key: str) -> str:
    """`learning_rate` as `learning rate`; `beta_1` is a symbol and stays."""
    return re.sub(r"_(?=[a-z])", " ", key)


class Check(BaseModel):
    """A validation check of the spec: a Great Expectation or one of this project's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    parameters: dict[str, Any]
    severity: Literal["block", "warn"]

    @model_serializer
    def _as_written(self) -> dict[str, Any]:
        return {self.name: self.parameters, "severity": self.severity}


def shown(value: Any) -> str:
    """A parameter as its author wrote it: `0.000001`, not `1e-06`."""
    return written(value) if isinstance(value, float) else str(value)


@cache
def schema_of(factory: Callable[..., Any]) -> type[BaseModel]:
    """The pydantic model of a factory's keyword-only parameters, made from its signature."""
    fields: dict[str, Any] = {
        name: (parameter.annotation, ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in inspect.signature(factory, eval_str=True).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    return create_model(factory.__name__, __config__=ConfigDict(extra="forbid", strict=True), **fields)


def bind(factory: Callable[..., Any], name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Returns every parameter of `factory`: the given ones checked, the others at their defaults.

    Raises:
        PydanticCustomError: a parameter is unknown, of the wrong type, or out of range.
    """
    schema = schema_of(factory)
    try:
        return schema.model_validate(dict(parameters)).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors()[0]
        suffix = dotted(first["loc"])
        if first["type"] == "extra_forbidden":
            raise problem(
                f"{name} has no parameter {suffix}",
                got=f"{suffix}: {first['input']!r}",
                accepted=nearest(suffix, schema.model_fields),
                suffix=suffix,
            ) from None
        text, accepted = worded(first)
        raise problem(text, got=repr(first["input"]), accepted=accepted, suffix=suffix) from None


_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "string": "a text",
    "list": "a list",
    "bool": "true or false",
    "finite_number": "a finite number",
}
_BOUNDS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")


def worded(error: Mapping[str, Any]) -> tuple[str, str]:
    """What is wrong and what is accepted, from one of pydantic's errors."""
    kind, said = error["type"], error["msg"].removeprefix("Input should be ")
    if kind in _BOUNDS:
        return "is out of range", said
    for start, accepted in _TYPES.items():
        if kind in (f"{start}_type", f"{start}_parsing", f"{start}_from_float", start):
            return "is of the wrong type", accepted
    if kind == "too_short":
        return "has too few items", f"at least {error['ctx']['min_length']}"
    if kind == "too_long":
        return "has too many items", f"at most {error['ctx']['max_length']}"
    if kind == "literal_error":
        names = {name.lower(): name for name in re.findall(r"'([^']+)'", said)}
        close = difflib.get_close_matches(str(error["input"]).lower(), names, n=1)
        return "is not one of the choices", (f"did you mean {names[close[0]]}? " if close else "") + said
    return "is not accepted", said


def dotted(loc: tuple[Any, ...]) -> str:
    """A path as it reads in the YAML: `compare.optimizer[1].beta_1`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")


def _name_and_parameters(value: Any, kind: str, table: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Takes apart `name`, `{name: {parameters}}` and `{kind: name, **parameters}`."""
    if isinstance(value, str):
        name, parameters = value, {}
    elif isinstance(value, dict) and "kind" in value:
        name, parameters = value["kind"], {key: item for key, item in value.items() if key != "kind"}
    elif isinstance(value, dict) and len(value) == 1:
        name, parameters = next(iter(value.items()))
        parameters = {} if parameters is None else parameters
    else:
        raise problem(
            f"must be one {kind}",
            got=repr(value),
            accepted=f"a name, or a name with its parameters; {nearest('', table)}",
        )
    if not isinstance(name, str) or name not in table:
        raise problem(f"unknown {kind}", got=repr(name), accepted=nearest(str(name), table))
    if not isinstance(parameters, dict):
        raise problem(
            f"{name}'s parameters must be a mapping", got=repr(parameters), accepted=f"{name}: {{parameter: value}}"
        )
    return name, parameters


def _entry(value: Any, *, kind: str, table: Mapping[str, Callable[..., Any]]) -> Entry:
    if isinstance(value, Entry):
        return value
    name, parameters = _name_and_parameters(value, kind, table)
    bound = bind(table[name], name, parameters)
    return Entry(name=name, parameters=bound, given=frozenset(str(key) for key in parameters))


def _check(value: Any) -> Check:
    if isinstance(value, Check):
        return value
    if isinstance(value, str):
        value = {value: {}}
    severity = value.get("severity") if isinstance(value, dict) else None
    if severity not in (None, "block", "warn"):
        raise problem("unknown severity", got=repr(severity), accepted="block or warn", suffix="severity")
    if isinstance(value, dict):
        value = {key: item for key, item in value.items() if key != "severity"}
    accepted = {**CHECKS, **EXPECTATIONS}
    name, parameters = _name_and_parameters(value, "check", accepted)
    if name in CHECKS:
        parameters = bind(CHECKS[name].function, name, parameters)
        return Check(name=name, parameters=parameters, severity=severity or CHECKS[name].severity)
    unknown = [key for key in parameters if key not in EXPECTATIONS[name]]
    if unknown:
        raise problem(
            f"{name} has no parameter {unknown[0]}",
            got=f"{unknown[0]}: {parameters[unknown[0]]!r}",
            accepted=nearest(str(unknown[0]), EXPECTATIONS[name]),
            suffix=str(unknown[0]),
        )
    missing = [each for each, required in EXPECTATIONS[name].items() if required and each not in parameters]
    if missing:
        raise problem(f"{name} lacks {missing[0]}", accepted=", ".join(EXPECTATIONS[name]), suffix=missing[0])
    return Check(name=name, parameters=parameters, severity=severity or "warn")


def _augmenter(value: Any) -> Entry:
    """An entry for an augmenter of this project, or for an Albumentations transform with its own arguments."""
    own = {**AUGMENTERS, **MIXERS}
    named = value.get("kind", next(iter(value), None)) if isinstance(value, dict) else value
    if isinstance(value, Entry) or (isinstance(named, str) and named in own):
        return _entry(value, kind="augmenter", table=own)
    # Only here, since Albumentations takes half a second to load.
    name, parameters = _name_and_parameters(value, "augmenter", {**own, **dict.fromkeys(library.names())})
    defaults = library.defaults(name)
    unknown = [key for key in parameters if key not in defaults]
    if unknown:
        raise problem(
            f"{name} has no parameter {unknown[0]}",
            got=f"{unknown[0]}: {parameters[unknown[0]]!r}",
            accepted=nearest(str(unknown[0]), defaults),
            suffix=str(unknown[0]),
        )
    missing = [key for key, default in defaults.items() if default is inspect.Parameter.empty and key not in parameters]
    if missing:
        raise problem(f"{name} lacks {missing[0]}", accepted=", ".join(defaults), suffix=missing[0])
    try:
        bound = library.transform(name, parameters).parameters
    except ValueError as error:
        raise _refused(name, error) from None
    return Entry(name=name, parameters=bound, given=frozenset(parameters))


def augmenters(value: Any) -> list[Entry]:
    """Reads the short forms of an augmentation: an augmenter's name, or a mapping from names to parameters, in
    order."""
    if not isinstance(value, dict) or "kind" in value:
        return [_augmenter(value)]
    return [_augmenter_under(name, given) for name, given in value.items()]


def _augmenter_under(name: str, given: Any) -> Entry:
    try:
        return _augmenter({name: given})
    except PydanticCustomError as error:
        facts = dict(error.context or {})
        suffix = ".".join(part for part in (str(name), facts.pop("suffix")) if part)
        raise problem(suffix=suffix, **facts) from None


def _refused(name: str, error: ValueError) -> PydanticCustomError:
    """Albumentations' error about a wrong argument, as a `problem`."""
    if not isinstance(error.__cause__, ValidationError):
        return problem(f"{name} refuses its parameters: {' '.join(str(error).split())[:200]}")
    first = error.__cause__.errors()[0]
    suffix = dotted(first["loc"][:1])
    text, accepted = worded(first)
    accepted = accepted.removeprefix("Value error, ")
    if not suffix:
        return problem(f"{name} refuses its parameters: {accepted}")
    return problem(text, got=repr(first["input"]), accepted=accepted, suffix=suffix)


OptimizerEntry = Annotated[Entry, BeforeValidator(partial(_entry, kind="optimizer", table=OPTIMIZERS))]
ScheduleEntry = Annotated[Entry, BeforeValidator(partial(_entry, kind="schedule", table=SCHEDULES))]
AveragingEntry = Annotated[Entry, BeforeValidator(partial(_entry, kind="averaging", table=AVERAGINGS))]
LossEntry = Annotated[Entry, BeforeValidator(partial(_entry, kind="loss", table=LOSSES))]
ModelEntry = Annotated[Entry, BeforeValidator(partial(_entry, kind="model", table=MODELS))]
LessonEntry = Annotated[Entry, BeforeValidator(partial(_entry, kind="lesson", table=LESSONS))]
AugmenterEntry = Annotated[Entry, BeforeValidator(_augmenter)]
CheckEntry = Annotated[Check, BeforeValidator(_check)]
