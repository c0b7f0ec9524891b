"""JSON documents of a run as frozen dataclasses, with one way to write them and one way to read them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from tasks.errors import BadInput
from tasks.run_folder import write_json

Document = TypeVar("Document")

Number = int | float
"""A number as it was written: 1 stays 1, and 1.0 stays 1.0."""

OMITTED: Any = Field(exclude_if=lambda value: value is None)
"""For a field, in `Annotated`: where the field is None, the document has no such key."""


def as_json(document: Any) -> dict[str, Any]:
    """A document as plain values, its keys in the order of the fields."""
    plain: dict[str, Any] = _adapter(type(document)).dump_python(document, mode="json", by_alias=True)
    return plain


def write_document(path: Path, document: Any) -> Path:
    """Writes a document atomically.

    Raises:
        ValueError: it holds a number that is not finite.
    """
    return write_json(path, as_json(document))


def read_document(path: Path, kind: type[Document]) -> Document:
    """Reads what `write_document` wrote. Ignores keys that this version does not know.

    Raises:
        BadInput: the file is not JSON, or its content does not fit `kind`.
    """
    return _read(kind, path.read_bytes(), str(path))


class RunDocument:
    """A document with a fixed file name in a run's folder. Its subclasses are frozen dataclasses."""

    FILE: ClassVar[str]

    def write(self, folder: Path) -> Path:
        """Writes the document into a run's folder, as `write_document` does."""
        return write_document(folder / self.FILE, self)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads the document of a run's folder.

        Raises:
            BadInput: the content is not what this version writes.
        """
        return read_document(folder / cls.FILE, cls)

    @classmethod
    def read_if_there(cls, folder: Path) -> Self | None:
        """As `read`; None where the run did not get so far as to write it."""
        return cls.read(folder) if (folder / cls.FILE).is_file() else None


def document_of(value: Any, kind: type[Document]) -> Document:
    """Makes a document from plain values.

    Raises:
        BadInput: the values do not fit `kind`.
    """
    return _read(kind, json.dumps(value).encode(), kind.__name__)


def _read(kind: type[Document], text: bytes, where: str) -> Document:
    try:
        document: Document = _adapter(kind).validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise BadInput(
            "this file of the run can't be read",
            where=f"{where}: {place}" if place else where,
            got=first["msg"],
            accepted="what `bakeoff run` of this version writes",
            remedy="let bakeoff write it again, or read it with the version that wrote it (see environment.json)",
        ) from None
    return document


_adapter: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)
"""Makes an adapter only once for each kind, since that takes milliseconds."""
