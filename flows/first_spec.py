"""The text of a first spec: the keys that matter as YAML, everything else as comments."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_PLAIN = re.compile(r"(\.{1,2}/)*[A-Za-z_][A-Za-z0-9_./-]*")
_MEANT = {"null", "true", "false"}
"""Words that YAML does not read as text."""


@dataclass(frozen=True)
class FirstSpec:
    """A spec to begin with.

    Args:
        command: The command line that wrote it.
        name, source, target, read, text, classes, checks, rows: As in the spec; None, or empty, where the spec leaves
            the key out.
        drop: The columns of `data.drop`, each with the reason.
        train: The spec's `train`.
        evaluate: The spec's `evaluate`.
    """

    command: str
    name: str
    source: str
    target: str | None = None
    read: Mapping[str, Any] = field(default_factory=dict)
    text: str | None = None
    drop: Mapping[str, str] = field(default_factory=dict)
    classes: Sequence[str] = ()
    checks: Sequence[Mapping[str, Any]] = ()
    rows: int | None = None
    train: Mapping[str, Any] = field(default_factory=dict)
    evaluate: Mapping[str, Any] = field(default_factory=dict)

    @property
    def value(self) -> dict[str, Any]:
        """The content of the YAML."""
        data = {
            "source": self.source,
            "target": self.target,
            "read": dict(self.read),
            "text": self.text,
            "classes": list(self.classes),
            "drop": list(self.drop),
            "checks": list(self.checks),
            "rows": self.rows,
        }
        said = {"train": dict(self.train), "compare": COMPARE, "evaluate": dict(self.evaluate)}
        return {
            "name": self.name,
            "data": {key: value for key, value in data.items() if value},
            **{key: value for key, value in said.items() if value},
        }

    def written(self, path: str, remarks: Mapping[str, Sequence[str]]) -> str:
        """Returns the file's text.

        Args:
            path: The spec's path, as `bakeoff run` takes it.
            remarks: Comments, by the name of the part or the key of `data` that they stand before. "head": at the top;
                "data", then "columns": after the keys of `data`; "end": at the end.
        """
        lines = [f"bakeoff run {path} | a first spec, written by: {self.command}", *remarks.get("head", ())]
        text = "".join(_comment(line) for line in lines)
        for part, value in self.value.items():
            if part != "data":
                text += "".join(_comment(line) for line in remarks.get(part, ())) + f"{part}: {quoted(value)}\n"
                continue
            text += "data:\n"
            for key, said in value.items():
                text += "".join(_comment(line, "  ") for line in remarks.get(key, ())) + f"  {key}: {quoted(said)}\n"
            text += "".join(_comment(line, "  ") for line in remarks.get("data", ()))
            text += "".join(_comment(line) for line in remarks.get("columns", ()))
        return text + "".join(_comment(line) for line in remarks.get("end", ()))


COMPARE = {"optimizer": ["momentum", "adam"], "schedule": ["constant", "cosine"]}


def _comment(text: str, indent: str = "") -> str:
    """Returns a text as one or more comment lines. A sign that can't be printed becomes U+FFFD."""
    lines = text.splitlines() or [""]
    return "".join(f"{indent}# {_printable(line)}".rstrip() + "\n" for line in lines)


def _printable(line: str) -> str:
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in line)


def quoted(value: Any) -> str:
    """Returns a value as YAML in one line. Texts that could be read as something else are in quotes.

    >>> quoted({"a": ["1e3", "x", 2, True, "null"]})
    '{a: ["1e3", x, 2, true, "null"]}'
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{quoted(key)}: {quoted(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(quoted, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _MEANT:
        return value
    return json.dumps(value, ensure_ascii=isinstance(value, str) and not value.isprintable())
