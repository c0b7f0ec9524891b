"""Files below a folder or in an archive: their names, and their contents one after the other."""

from __future__ import annotations

import os
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from tasks.datasets.faults import Unusable
from tasks.datasets.unpacking import most_bytes, read_regular, too_large
from tasks.errors import BadInput
from tasks.memory import gigabytes

ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")
_BROKEN = (OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile, RuntimeError, NotImplementedError)


def list_files(root: Path, shown: str) -> list[str]:
    """Paths of all files below a folder or in an archive, sorted, without hidden ones (`.DS_Store`, `__MACOSX`).

    Raises:
        BadInput: the folder or archive can't be read, or a name is not UTF-8.
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
    wanted = sorted({name for name in names if not _hidden(name)})
    unreadable = next((name for name in wanted if any("\ud800" <= letter <= "\udfff" for letter in name)), None)
    if unreadable is not None:
        raise BadInput(
            "a file's or a folder's name is not UTF-8",
            where=shown,
            got=repr(unreadable.encode("utf-8", "surrogateescape"))[2:-1],
            remedy="rename it: class names are shown in the report",
        )
    return wanted


def read_files(root: Path, wanted: Collection[str], shown: str) -> Iterator[tuple[str, bytes | Unusable]]:
    """Yields path and content of the `wanted` files, in no particular order, or why a file of a folder can't be used.
    Nothing is unpacked onto the disk.

    Raises:
        BadInput: an archive can't be read, or says that it holds more than fits in memory.
    """
    try:
        if root.is_dir():
            for name in wanted:
                try:
                    yield name, read_regular(root / name)
                except Unusable as error:
                    yield name, error
        elif zipfile.is_zipfile(root):
            with zipfile.ZipFile(root) as archive:
                _refuse_too_large(sum(archive.getinfo(name).file_size for name in wanted), shown)
                for name in wanted:
                    yield name, archive.read(name)
        else:
            unpacked = 0
            with tarfile.open(root) as archive:
                for member in archive:
                    if member.isfile() and member.name in wanted:
                        unpacked += member.size
                        _refuse_too_large(unpacked, shown)
                        stream = archive.extractfile(member)
                        yield member.name, stream.read() if stream else b""
    except _BROKEN as error:
        raise _unreadable(error, shown) from error


def _refuse_too_large(unpacked: int, shown: str) -> None:
    if unpacked > most_bytes():
        raise too_large(shown, f"at least {gigabytes(unpacked)} unpacked")


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts if part != ".")


def _unreadable(error: Exception, shown: str) -> BadInput:
    name = getattr(error, "filename", None)
    got = getattr(error, "strerror", None) or str(error)
    return BadInput("can't be read", where=shown, got=f"{Path(name).name}: {got}" if name else got)
