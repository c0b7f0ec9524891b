"""Reads delimited text (CSV, TSV) as a frame of texts. Checks its shape strictly; does not interpret the values."""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tasks.datasets.named_rows import frame_of, names_of
from tasks.datasets.unpacking import read_unpacked
from tasks.errors import BadInput

if TYPE_CHECKING:
    from tasks.spec.data import Read

SEPARATORS = {";": "semicolons", ",": "commas", "\t": "tabs", "|": "bars"}


def read_delimited(
    path: Path, read: Read, shown: str, *, texts: Collection[str] = (), keep_undecodable: bool = False
) -> pd.DataFrame:
    """The file's columns as stripped `str`, None where a value is missing (counted in `attrs`, see `MISSING_TEXTS`).
    dtype object.

    Quoting is that of RFC 4180, or none. Every row has as many fields as the first; blank lines are skipped.

    Args:
        path: A text file in UTF-8 (also with a byte order mark), plain, gzip, or the only file of a zip.
        read: How it is written. Without a separator: tabs for a name in .tsv or .tsv.gz, else commas.
        shown: The file's name as the user knows it, for messages.
        texts: Columns of free text: only an empty value is missing there, since "NA" may be what someone wrote.
        keep_undecodable: Keep rows that are not UTF-8; `undecodable` finds them.

    Raises:
        BadInput: the file can't be read, is not UTF-8, is empty, or its rows differ in length.
    """
    if read.sheet is not None:
        raise BadInput("has no effect: only Excel files have sheets", where="data.read.sheet", remedy="take it out")
    separator = read.separator or default_separator(path)
    if len(separator) != 1 or separator in '"\r\n':
        raise BadInput(
            "is not one character",
            where="data.read.separator",
            got=repr(separator),
            accepted='as ";" or "\\t"',
        )
    rows = _rows(text_of(path, shown, keep_undecodable), separator, read, shown)
    first = next(rows, None)
    if first is None:
        raise BadInput("the file is empty", where=shown)
    line, fields = first
    where = f"{shown}, line {line}"
    names = names_of(fields, read, where)
    _notice_other_separator(fields, separator, where)
    body = [] if read.header else [fields]
    for line, fields in rows:
        if len(fields) != len(names):
            raise _ragged(len(fields), len(names), f"{shown}, line {line}", separator)
        body.append(fields)
    if not body:
        raise BadInput("has a header but no rows", where=shown)
    return frame_of(names, body, read, texts)


def default_separator(path: Path) -> str:
    """The separator if the spec gives none: by the file's ending."""
    return "\t" if ".tsv" in path.name.lower() else ","


def undecodable(frame: pd.DataFrame) -> np.ndarray:
    """Which rows of a frame of texts were not UTF-8 in the file: bool `[rows]`."""
    return np.array([any(map(_escaped, row)) for row in frame.itertuples(index=False)], bool)


def _escaped(value: str | None) -> bool:
    """Whether a value holds bytes that could not be decoded."""
    return value is not None and not value.isascii() and any("\udc80" <= letter <= "\udcff" for letter in value)


def text_of(path: Path, shown: str, keep_undecodable: bool = False) -> str:
    """The whole file as text; arguments and errors as `read_delimited`."""
    try:
        content = _unpacked(path, shown)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise BadInput("can't be read", where=shown, got=getattr(error, "strerror", None) or str(error)) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if keep_undecodable and b"\n" in content[: error.start]:  # not in the first line: it may hold names
            return content.decode("utf-8-sig", "surrogateescape")
        line = content.count(b"\n", 0, error.start) + 1
        raise BadInput(
            "is not UTF-8 text",
            where=f"{shown}, line {line}",
            got=f"the byte 0x{content[error.start]:02x}",
            remedy="save the file as UTF-8",
        ) from None


def _unpacked(path: Path, shown: str) -> bytes:
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as archive:
            (name,) = archive.namelist()
            return archive.read(name)
    return read_unpacked(path, shown)


def _rows(text: str, separator: str, read: Read, shown: str) -> Iterator[tuple[int, list[str]]]:
    """Yields line number (of a row's last line, from 1) and fields of each row that is neither blank nor a comment."""
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        quoting=csv.QUOTE_NONE if read.quoting == "none" else csv.QUOTE_MINIMAL,
        skipinitialspace=not separator.isspace(),
        strict=True,
    )
    start = 1
    try:
        for fields in reader:
            start = reader.line_num + 1
            if fields and not (read.comment and fields[0].startswith(read.comment)):
                yield reader.line_num, [field.strip() for field in fields]
    except csv.Error as error:
        if "field limit" in str(error):
            raise BadInput(
                "a field is too long, or a quote is never closed",
                where=f"{shown}, line {start}",
                accepted=f"fields of at most {csv.field_size_limit():,} characters",
                remedy="mend the line, or set data.read.quoting: none if quotes are ordinary characters in this file",
            ) from None
        raise BadInput(
            "its quotes don't match up",
            where=f"{shown}, line {start}",
            got=str(error),
            remedy="set data.read.quoting: none if quotes are ordinary characters in this file",
        ) from None


def _notice_other_separator(fields: list[str], separator: str, where: str) -> None:
    if len(fields) > 1:
        return
    for other, name in SEPARATORS.items():
        if other != separator and other in fields[0]:
            raise BadInput(
                f"has one column only, but {name} in it",
                where=where,
                got=fields[0][:80],
                remedy=f"set data.read.separator: {other!r}".replace("'", '"'),
            )


def _ragged(got: int, expected: int, where: str, separator: str) -> BadInput:
    return BadInput(
        f"has {got} field{'s' * (got != 1)}, but the first row has {expected}",
        where=where,
        remedy=f"mend the line, or quote values that hold {SEPARATORS.get(separator, repr(separator))}",
    )
