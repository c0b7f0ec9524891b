"""The disk: checks at the start that a folder can be written to, and gives a plain message if it fills up later."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import typer

from tasks.errors import BadInput

NEEDED = 30_000_000
"""Bytes that must be free to begin: Prefect's database, a small run and its report."""
_FULL = 1_000_000
"""Bytes. With fewer left, any error is reported as a full disk, since SQLite and others raise errors of their own."""
_SAID = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "can't be read or written",
    errno.EPERM: "can't be read or written",
}
_REMEDY = "make room, or choose another folder with --home or --run-dir; bakeoff resume keeps finished stacks"


def check_writable(folder: Path) -> None:
    """Checks that a folder, which may be missing, can be created and written to. Leaves nothing there.

    Raises:
        BadInput: it can't, or there is too little free space.
    """
    there = folder.absolute()
    try:
        while not there.exists() and there != there.parent:
            there = there.parent
    except OSError as error:
        raise BadInput("the folder can't be made", where=str(folder), got=error.strerror) from None
    if not there.is_dir():
        said = f"{there} is no folder" if there != folder.absolute() else "a file"
        raise BadInput("the folder can't be made", where=str(folder), got=said)
    if os.pathconf(there, "PC_NAME_MAX") < max(len(os.fsencode(part)) for part in folder.absolute().parts):
        raise BadInput("the folder can't be made", where=str(folder), got="a name that is too long")
    try:
        with tempfile.TemporaryFile(dir=there) as tried:
            tried.write(b"tried")
    except OSError as error:
        remedy = "make it writable, or choose another folder with --home or --run-dir"
        got = error.strerror if there == folder.absolute() else f"{there}: {error.strerror}"
        raise BadInput("the folder can't be written to", where=str(folder), got=got, remedy=remedy) from None
    usage = shutil.disk_usage(there)
    if usage.total and usage.free < NEEDED:
        raise BadInput(
            "the disk is full",
            where=str(folder),
            got=f"{usage.free / 1e6:,.1f} MB free",
            accepted=f"at least {NEEDED / 1e6:,.0f} MB to begin",
            remedy="make room, or choose another folder with --home or --run-dir",
        )


@contextmanager
def disk_faults(*folders: Path) -> Iterator[None]:
    """Turns an error of the block into BadInput if the disk caused it.

    Raises:
        BadInput: the disk is full, read-only or not accessible, or almost nothing is free where one of `folders` lies.
    """
    try:
        yield
    except (BadInput, typer.Exit):
        raise
    except Exception as error:
        fault = _fault(error, folders)
        if fault is None:
            raise
        raise fault from error


def _fault(error: BaseException, folders: tuple[Path, ...]) -> BadInput | None:
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.errno in _SAID:
            named = Path(found.filename).parent if isinstance(found.filename, str) else folders[-1]
            return BadInput(_SAID[found.errno], where=str(named), remedy=_REMEDY)
        found = found.__cause__ or found.__context__
    for folder in folders:
        with suppress(OSError):  # the folder is not there yet
            usage = shutil.disk_usage(folder)
            if usage.total and usage.free < _FULL:
                return BadInput(_SAID[errno.ENOSPC], where=str(folder), remedy=_REMEDY)
    return None
