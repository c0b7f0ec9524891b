"""Files in one folder for each class, in a folder or an archive: `root/class/file`, or `root/train/class/file` and
`root/test/class/file` where the parts are given."""

from __future__ import annotations

import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tasks.dataset import TEST, TRAIN, VAL
from tasks.datasets.faults import Unusable
from tasks.datasets.unpacking import most_bytes, read_regular, too_large
from tasks.errors import BadInput
from tasks.memory import gigabytes

ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")
_PARTS = {"train": TRAIN, "val": VAL, "valid": VAL, "validation": VAL, "test": TEST}
_BROKEN = (OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile, RuntimeError, NotImplementedError)


@dataclass(frozen=True)
class ClassFile:
    """One file: its path below the root, the class that its folder names, and its part where parts are given."""

    path: str
    label: str
    part: str | None


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


def read_files(root: Path, wanted: set[str], shown: str) -> Iterator[tuple[str, bytes | Unusable]]:
    """Path and content of the `wanted` files, in no particular order, or why a file of a folder can't be used; nothing
    is unpacked onto the disk.

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


def class_files(paths: list[str], shown: str) -> list[ClassFile]:
    """Class and part of each file, from the folders it lies in. A single folder around all others does not count.

    Raises:
        BadInput: a file lies in no class's folder, or there is a test folder but none to train on.
    """
    folders = [PurePosixPath(path).parts for path in paths]
    start = 0
    while len({parts[start] for parts in folders}) == 1 and all(len(parts) > start + 2 for parts in folders):
        start += 1
    divided = all(parts[start].lower() in _PARTS and len(parts) > start + 2 for parts in folders)
    depth = start + divided
    alone = [path for path, parts in zip(paths, folders, strict=True) if len(parts) < depth + 2]
    if alone:
        raise BadInput(
            "a file lies in no class's folder",
            where=shown,
            got=f"{alone[0]} ({len(alone):,} of {len(paths):,} files)",
            accepted="class/file, or train/class/file and test/class/file",
        )
    files = [
        ClassFile(path, parts[depth], _PARTS[parts[start].lower()] if divided else None)
        for path, parts in zip(paths, folders, strict=True)
    ]
    if divided and TRAIN not in {file.part for file in files}:
        raise BadInput("no folder to train on", where=shown, got=", ".join(sorted({p[start] for p in folders})))
    return files


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts if part != ".")


def _unreadable(error: Exception, shown: str) -> BadInput:
    name = getattr(error, "filename", None)
    got = getattr(error, "strerror", None) or str(error)
    return BadInput("can't be read", where=shown, got=f"{Path(name).name}: {got}" if name else got)
