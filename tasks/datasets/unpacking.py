"""Reads files as bytes: only regular files, and compressed ones only if they fit in memory once unpacked."""

from __future__ import annotations

import gzip
import os
import stat
from pathlib import Path

from tasks.datasets.faults import Unusable
from tasks.errors import BadInput
from tasks.memory import gigabytes, memory_bytes


def check_regular(path: Path, shown: str, where: str | None = None) -> None:
    """Checks that a path leads to a file or a folder, since a pipe or a device may never end.

    Raises:
        BadInput: it does not.
    """
    if not (os.path.isfile(path) or os.path.isdir(path)):  # noqa: PTH112, PTH113 - False where the name can't be one
        accepted = "a file or a folder"
        raise BadInput(
            "is neither a file nor a folder", where=where or shown, got=shown if where else None, accepted=accepted
        )


def read_regular(path: Path) -> bytes:
    """The content of a file in a folder of many.

    Raises:
        Unusable: it can't be read, or is a pipe or a device.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise Unusable("is no file: a pipe or a device")
        return path.read_bytes()
    except OSError as error:
        raise Unusable(f"can't be read: {error.strerror}") from None


def read_unpacked(path: Path, shown: str) -> bytes:
    """The content of a file, unpacked if its name ends in `.gz`.

    Raises:
        BadInput: unpacked it would not fit in memory.
        OSError, EOFError, zlib.error: it can't be read.
    """
    if path.suffix.lower() != ".gz":
        return path.read_bytes()
    most = most_bytes()
    with gzip.open(path) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise too_large(shown, f"more than {gigabytes(most)} unpacked")
    return content


def most_bytes() -> int:
    """The most bytes that one source may hold when unpacked: a quarter of the memory, since data are held in several
    forms."""
    return memory_bytes() // 4


def too_large(shown: str, got: str) -> BadInput:
    """The error for a source that would not fit in memory."""
    return BadInput(
        "is too large for the memory of this machine",
        where=shown,
        got=got,
        accepted=f"at most {gigabytes(most_bytes())}",
        remedy="take fewer or smaller files, or write a table as Parquet: it is streamed",
    )
