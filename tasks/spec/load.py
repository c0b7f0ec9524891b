"""Reads YAML text as a `Spec`. Error messages say where the mistake is, what was given, and what is accepted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from tasks.errors import BadInput, Several, nearest
from tasks.spec.entries import dotted, worded
from tasks.spec.lessons import LessonSpec
from tasks.spec.models import Spec

MAX_BYTES = 200_000
MAX_ALIASES = 50
MAX_DEPTH = 30
MAX_VALUES = 20_000
"""The most values, with aliases written out. Without this limit 50 nested aliases could make millions."""

LESSON = "lesson"
"""The key that marks the spec of a lesson."""
Kind = TypeVar("Kind", Spec, LessonSpec)


class _Loader(yaml.SafeLoader):
    """Safe YAML with the scalars of YAML 1.2's core schema: `1e-3` is a number; `no` and `2024-01-31` are texts.

    ruamel.yaml is not used. The limits on aliases and depth are checked on PyYAML's events, which also give the lines;
    and ruamel.yaml's values carry comments, which would have to be removed.
    """


def _whole_number(loader: _Loader, node: yaml.ScalarNode) -> int:
    text = node.value
    return int(text, 0) if text.startswith(("0o", "0x")) else int(text)


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", list("-+.")),
    ("merge", "<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first)
_Loader.add_constructor("tag:yaml.org,2002:int", _whole_number)


def read_yaml(text: str, name: str) -> tuple[Any, dict[str, int]]:
    """The value of a YAML document and the line (from 1) of each path in it.

    Raises:
        BadInput: the text is not YAML, is too large or too deep, or has too many aliases, a tag, a repeated key or
            several documents.
    """
    if len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        raise BadInput("the file is too large for a spec", where=name, accepted=f"at most {MAX_BYTES:,} bytes")
    try:
        _look_through(text, name)
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            raise BadInput("the file is empty", where=name, remedy="the shortest spec has data: {source: digits}")
        lines: dict[str, int] = {}
        _walk(node, "", lines, name, 0)
        return loader.construct_document(node), lines
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        context = getattr(error, "context", None)
        raise BadInput(f"not valid YAML: {what}" + (f" ({context})" if context else ""), where=where) from None
    except ValueError as error:  # a whole number of thousands of digits
        raise BadInput(f"not valid YAML: {error}", where=name) from None


def _look_through(text: str, name: str) -> None:
    """Refuses tags, deep nesting and many aliases, which no spec needs, before anything is built."""
    aliases = depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        tag = getattr(event, "tag", None)
        if tag not in (None, "!"):
            raise BadInput(
                "YAML tags are not accepted",
                where=f"{name}:{event.start_mark.line + 1}" if event.start_mark else name,
                got=tag,
                remedy="write the value without its tag",
            )
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:  # checked here, since PyYAML's time grows with the square of the depth
            raise BadInput("nested too deeply", where=name, accepted=f"at most {MAX_DEPTH} levels")
        aliases += isinstance(event, yaml.AliasEvent)
    if aliases > MAX_ALIASES:
        raise BadInput("too many YAML aliases", where=name, got=str(aliases), accepted=f"at most {MAX_ALIASES}")


def _walk(node: yaml.Node, path: str, lines: dict[str, int], name: str, depth: int) -> None:
    """Records each path's line. Refuses repeated keys, which YAML loaders would drop silently."""
    if depth > MAX_DEPTH:
        raise BadInput("nested too deeply", where=name, accepted=f"at most {MAX_DEPTH} levels")
    if len(lines) > MAX_VALUES:
        raise BadInput("too many values for a spec", where=name, accepted=f"at most {MAX_VALUES:,}")
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.ScalarNode):
        _refuse_half_characters(node, name)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, f"{path}[{index}]", lines, name, depth + 1)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, item in node.value:
            _refuse_half_characters(key, name)
            child = f"{path}.{key.value}" if path else str(key.value)
            if str(key.value) in seen:
                raise BadInput(
                    "the key stands twice",
                    where=f"{name}:{key.start_mark.line + 1}: {child}",
                    remedy="keep one of them",
                )
            seen.add(str(key.value))
            lines[child] = key.start_mark.line + 1
            _walk(item, child, lines, name, depth + 1)


def _refuse_half_characters(node: yaml.Node, name: str) -> None:
    """Raises BadInput for half of a surrogate pair: no file can hold such a text."""
    half = isinstance(node.value, str) and next((each for each in node.value if "\ud800" <= each <= "\udfff"), None)
    if half:
        raise BadInput(
            "holds half of a character",
            where=f"{name.encode('utf-8', 'backslashreplace').decode()}:{node.start_mark.line + 1}",
            got=f"\\u{ord(half):04x}",
            accepted="text in Unicode",
            remedy='write the whole character, such as "é" or "\\U0001F600"',
        )


def override(value: Any, assignment: str) -> None:
    """Carries out one `--set path=value` in place. `path` is dotted, with list positions as numbers; the value is YAML.

    Raises:
        BadInput: there is no `=`, or the path leads into something that is neither a mapping nor a list.
    """
    path, equals, text = assignment.partition("=")
    where = f"--set {assignment}"
    parts = re.findall(r"[^.\[\]]+", path)
    if not equals or not parts:
        raise BadInput("an override has the form path=value", where=where, accepted="such as train.epochs=5")
    new, _ = read_yaml(text, where) if text.strip() else (None, {})
    *parents, last = parts
    for part, following in pairwise(parts):
        holder, value = value, _child(value, part, where)
        if isinstance(holder, list) and parents[0] == "compare":
            value = _parameters(value, following)
    if isinstance(value, list):
        value[_position(value, last, where)] = new
    elif isinstance(value, dict):
        value[last] = new
    else:
        raise BadInput(f"{'.'.join(parents)} takes no keys", where=where, got=repr(value))


def _child(value: Any, part: str, where: str) -> Any:
    """The value at `part`. If there is none, or an entry written as a bare name, a mapping takes its place."""
    key: Any = part
    if isinstance(value, list):
        key = _position(value, part, where)
    elif not isinstance(value, dict):
        raise BadInput(f"there is nothing to set at {part}", where=where, got=repr(value))
    elif value.get(part) is None:
        value[part] = {}
    if isinstance(value[key], str):
        value[key] = {value[key]: {}}
    return value[key]


def _parameters(entry: Any, following: str) -> Any:
    """The parameters of an entry (a name with its parameters), if the path does not go on with the name:
    `compare.optimizer.0.learning_rate`. Else the entry itself."""
    if isinstance(entry, dict) and len(entry) == 1 and following not in entry:
        ((name, parameters),) = entry.items()
        if parameters is None:
            parameters = entry[name] = {}
        if isinstance(parameters, dict):
            return parameters
    return entry


def _position(value: list[Any], part: str, where: str) -> int:
    if not part.isdecimal() or int(part) >= len(value):
        accepted = f"0 to {len(value) - 1}" if value else "nothing: the list is empty"
        raise BadInput("no such position in the list", where=where, got=part, accepted=accepted)
    return int(part)


def load_spec(path: Path, overrides: list[str] | None = None) -> tuple[Spec, str]:
    """As `load_experiment`, for a spec with data.

    Raises:
        BadInput: as in `load_experiment`, or the spec is a lesson's.
    """
    found, text = load_experiment(path, overrides)
    return on_data(found, path.name), text


def load_experiment(path: Path, overrides: list[str] | None = None) -> tuple[Spec | LessonSpec, str]:
    """Reads a spec file, of an experiment on data or of a lesson. Returns the spec and its text as written.

    Raises:
        BadInput: the file can't be read, or the spec is wrong (all mistakes that can be seen at once are reported).
    """
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_BYTES + 1)  # no more is read, in case it is a large data file
    except UnicodeDecodeError as error:
        raise BadInput("the spec is not UTF-8 text", where=f"{path.name}, byte {error.start}") from None
    except OSError as error:
        raise BadInput("the spec can't be read", where=str(path), got=error.strerror or str(error)) from None
    return read_experiment(text, path.name, overrides), text


def on_data(found: Spec | LessonSpec, name: str) -> Spec:
    """The spec of an experiment on data.

    Raises:
        BadInput: the spec is a lesson's.
    """
    if isinstance(found, LessonSpec):
        raise BadInput("this is a lesson, which has no recipes", where=name, accepted="a spec with data")
    return found


def read_experiment(text: str, name: str, overrides: list[str] | None = None) -> Spec | LessonSpec:
    """As `load_experiment`, for a text; `name` is its file's name."""
    value, lines = read_yaml(text, name)
    if not isinstance(value, dict):
        raise BadInput(
            "a spec is a mapping",
            where=name,
            got=type(value).__name__,
            accepted=", ".join(Spec.model_fields),
        )
    for assignment in overrides or []:
        override(value, assignment)
    if "name" not in value:
        value["name"] = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(name).stem).strip("-_")[:64] or "experiment"
    if LESSON in value:
        return _checked(LessonSpec, value, name, lines)
    return _checked(Spec, value, name, lines)


def parse_spec(value: dict[str, Any], name: str = "spec", lines: dict[str, int] | None = None) -> Spec:
    """Checks the spec of an experiment on data, given as plain values.

    Raises:
        BadInput: with the path in the YAML (and its line), what was got, and what is accepted.
    """
    return _checked(Spec, value, name, lines)


def _checked(kind: type[Kind], value: dict[str, Any], name: str, lines: dict[str, int] | None) -> Kind:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        mistakes = [_mistake(dict(item), name, lines or {}, kind) for item in error.errors(include_url=False)]
        raise (mistakes[0] if len(mistakes) == 1 else Several(mistakes)) from None


@contextmanager
def at_lines(name: str, text: str) -> Iterator[None]:
    """Adds file and line to mistakes that are found after the spec was read, if their place is a path in it."""
    try:
        yield
    except BadInput as error:
        _, lines = read_yaml(text, name)
        places = (error.where or "").partition(",")[0].split(" or ")  # data.target, column y
        known = [start for path in places if _is_key(path) for start in _shorter(path) if start in lines]
        if known:
            error.where = f"{name}:{lines[known[0]]}: {error.where}"
            error.args = (error.message(),)
        raise


def _is_key(path: str) -> bool:
    """Whether a path leads to a key of the spec. The name of a file such as `data.csv` does not."""
    first, _, rest = path.partition(".")
    first = first.partition("[")[0]  # gates[0]
    return first in Spec.model_fields and (not rest or re.split(r"[.\[]", rest)[0] in _fields((first,)))


def _mistake(error: dict[str, Any], name: str, lines: dict[str, int], root: type[BaseModel]) -> BadInput:
    """One of pydantic's errors in our words."""
    context = error.get("ctx") or {}
    suffix = context.get("suffix", "") if error["type"] == "bakeoff" else ""
    path = dotted((*error["loc"], suffix) if suffix else error["loc"])
    line = next((lines[start] for start in _shorter(path) if start in lines), None)
    where = f"{name}:{line}: {path}" if line and path else f"{name}: {path}" if path else name
    got = _shown(error["input"])
    if error["type"] == "bakeoff":
        facts = {key: context[key] or None for key in ("got", "accepted", "remedy")}
        return BadInput(context["text"], where=where, **facts)
    if error["type"] == "extra_forbidden":
        accepted = nearest(str(error["loc"][-1]), _fields(error["loc"][:-1], root))
        return BadInput("unknown key", where=where, got=str(error["loc"][-1]), accepted=accepted)
    if error["type"] == "missing":
        return BadInput("is required", where=where, accepted=_described(error["loc"], root))
    if error["type"] == "dict_type":
        accepted = ": ".join(filter(None, ("a mapping", _described(error["loc"], root))))
        return BadInput("must be a mapping", where=where, got=got, accepted=accepted)
    if error["type"] in ("model_type", "model_attributes_type"):
        accepted = "a mapping with " + ", ".join(_fields(error["loc"], root))
        return BadInput("must be a mapping", where=where, got=got, accepted=accepted)
    text, accepted = worded(error)
    return BadInput(text, where=where, got=got, accepted=accepted)


def _shorter(path: str) -> list[str]:
    """`a.b[1].c`, `a.b[1]`, `a.b`, `a`: the path and its parents, the nearest first."""
    starts = [match.start() for match in re.finditer(r"[.\[]", path)]
    return [path, *(path[:start] for start in reversed(starts))]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _model_at(loc: tuple[Any, ...], root: type[BaseModel]) -> type[BaseModel] | None:
    """The spec's model at the path of a pydantic error."""
    model: Any = root
    keyed = False
    for part in loc:
        if isinstance(part, int) or keyed:  # a place in a list, or an author's own name
            keyed = False
            continue
        if not (isinstance(model, type) and issubclass(model, BaseModel)) or part not in model.model_fields:
            return None
        annotation = model.model_fields[part].annotation
        model, keyed = _model_in(annotation), get_origin(annotation) is dict
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None


def _model_in(annotation: Any) -> Any:
    """The model inside `list[Model]`, `Model | None` and the like."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inside = [_model_in(argument) for argument in getattr(annotation, "__args__", ())]
    return next((model for model in inside if model is not None), None)


def _fields(loc: tuple[Any, ...], root: type[BaseModel] = Spec) -> list[str]:
    model = _model_at(loc, root)
    return list(model.model_fields) if model else []


def _described(loc: tuple[Any, ...], root: type[BaseModel]) -> str | None:
    model = _model_at(loc[:-1], root)
    field = model.model_fields.get(str(loc[-1])) if model else None
    return field.description if field else None
