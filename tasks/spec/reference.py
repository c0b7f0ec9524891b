"""A reference of the spec's keys, made from the models: what each key accepts, its default, and its description."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from tasks.spec.entries import Check, Entry
from tasks.spec.lessons import LessonSpec
from tasks.spec.models import Spec
from tasks.spec.train import Augmentation

_BOUNDS: tuple[tuple[type, str, str], ...] = (
    (Ge, "ge", "at least"),
    (Gt, "gt", "above"),
    (Le, "le", "at most"),
    (Lt, "lt", "below"),
)
_NAMED = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


@dataclass(frozen=True)
class Key:
    """One key of the spec.

    Args:
        path: As `--set` takes it, with `[]` for each element of a list or mapping.
        accepted: Accepted values, in words.
        default: As YAML would have it; None where the key is required.
        description: What the key is for.
    """

    path: str
    accepted: str
    default: str | None
    description: str


def keys(model: type[BaseModel] = Spec, path: str = "") -> Iterator[Key]:
    """Yields every key, a mapping before the keys in it. Keys inside `compare`'s values are left out: see those of
    `train`."""
    for name, field in model.model_fields.items():
        default = None if field.is_required() else _default(field)
        yield Key(path + name, _accepted(field.annotation, field.metadata), default, field.description or "")
        inner = _model(field.annotation)
        if inner is not None and model.__name__ != "Compare":
            yield from keys(inner, f"{path}{name}{'' if inner is field.annotation or _optional(field) else '[]'}.")


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "see below"
    return "none" if value is None else value if isinstance(value, str) and value else json.dumps(value)


def _optional(field: FieldInfo) -> bool:
    """Whether a field holds a mapping or nothing, not a list of mappings."""
    return get_origin(field.annotation) in (Union, types.UnionType) and any(
        isinstance(each, type) and issubclass(each, BaseModel) for each in get_args(field.annotation)
    )


def _model(annotation: Any) -> type[BaseModel] | None:
    """The part of the spec that a field holds, perhaps in a list; None for a value or an entry of a table."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return None if annotation in (Entry, Check) else annotation
    return next((found for each in get_args(annotation) if (found := _model(each)) is not None), None)


def _accepted(annotation: Any, metadata: Any = ()) -> str:
    """What a field takes, in words."""
    kind = next((each.func.keywords["kind"] for each in metadata if _looks_up(each)), None)
    if kind:
        return f"{_article(kind)} (bakeoff list {kind}{'es' if kind.endswith('s') else 's'})"
    if annotation in (Augmentation, Check):
        return "augmenters (bakeoff list augmenters)" if annotation is Augmentation else "a check"
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " | ".join(str(each) for each in arguments)
    if origin in (Union, types.UnionType):
        return " | ".join(_accepted(each) for each in arguments if each is not type(None))
    if origin is list:
        return f"a list of: {_accepted(arguments[0])}"
    if origin is dict:
        return f"a mapping of names to: {_accepted(arguments[1])}"
    if hasattr(annotation, "__metadata__"):
        return _accepted(arguments[0], _flat(annotation.__metadata__))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "a mapping"
    bounds = [
        f"{word} {getattr(each, name):,.12g}" for each in metadata for kind, name, word in _BOUNDS if type(each) is kind
    ]
    return ", ".join([_NAMED.get(annotation, "any value"), *bounds])


def _looks_up(validator: Any) -> bool:
    """Whether a validator looks a name up in a table."""
    return (
        isinstance(validator, BeforeValidator)
        and isinstance(validator.func, partial)
        and "kind" in validator.func.keywords
    )


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _flat(metadata: Any) -> list[Any]:
    """Flattens metadata, since a `Field` keeps constraints in metadata of its own."""
    return [inner for each in metadata for inner in (each.metadata if isinstance(each, FieldInfo) else [each])]


_HEAD = """\
# The keys of a spec

Made from the models by `python -m tasks.spec.reference`; `bakeoff list keys` prints the same on a terminal. Of what is
always there only `data.source` is required. An entry is a name, or a name with its parameters, such as
`{momentum: {momentum: 0.9}}`; `bakeoff list optimizers` and the like print them. `[]` stands for each element of a list
or mapping, `none` for a key that is left out.

| key | accepted | default | what it is |
|---|---|---|---|
"""


def every_key() -> Iterator[Key]:
    """Yields the keys of a spec with data, then the key that takes the place of `data` in a lesson."""
    yield from keys()
    yield next(key for key in keys(LessonSpec) if key.path == "lesson")


def markdown() -> str:
    """The reference as a document."""
    rows = []
    for key in every_key():
        default = "required" if key.default is None else f"`{key.default}`"
        cells = (f"`{key.path}`", key.accepted, default, key.description)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    sys.stdout.write(markdown())
