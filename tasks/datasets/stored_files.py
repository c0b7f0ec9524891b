"""Files below a folder or in an archive: their names, and their contents one after the other."""

from __future__ import annotations

import os
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from tasks.errors import BadInput

ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")
_BROKEN = (OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile, RuntimeError, NotImplementedError)


def list_files(root: Path, shown: str) -> list[str]:
    """Paths of all files below a folder or in an archive, sorted; hidden ones (`.DS_Store`, `__MACOSX`) are not.

    Raises:
        BadInput: it can't be read.
    """
    try:
        if root.is_dir():
            walked = (Path(folder, name).relative_to(root) for folder, _, names in os.walk(root) for name in names)
            names = [path.as_posix() for path in walked]
        elif zipfile.is_zipfile(root):
            with zipfile.ZipFile(root) as archive:
                names = [info.filename for info in archive.infolist() if not info.is_dir()]
        else:
            with tarfile.open(root) as archive:
                names = [member.name for member in archive if member.isfile()]
    except _BROKEN as error:
        raise _unreadable(error, shown) from error
    return sorted({name for name in names if not _hidden(name)})


def read_files(root: Path, wanted: Collection[str], shown: str) -> Iterator[tuple[str, bytes]]:
    """Path and content of the `wanted` files, in no particular order; nothing is unpacked onto the disk.

    Raises:
        BadInput: an archive or a file can't be read.
    """
    try:
        if root.is_dir():
            for name in wanted:
                yield name, (root / name).read_bytes()
        elif zipfile.is_zipfile(root):
            with zipfile.ZipFile(root) as archive:
                for name in wanted:
                    yield name, archive.read(name)
        else:
            with tarfile.open(root) as archive:
                for member in archive:
                    if member.isfile() and member.name in wanted:
                        stream = archive.extractfile(member)
                        yield member.name, stream.read() if stream else b""
    except _BROKEN as error:
        raise _unreadable(error, shown) from error


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts if part != ".")


def _unreadable(error: Exception, shown: str) -> BadInput:
    name = getattr(error, "filename", None)
    got = getattr(error, "strerror", None) or str(error)
    return BadInput("can't be read", where=shown, got=f"{Path(name).name}: {got}" if name else got)
