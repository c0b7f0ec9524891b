"""Files in one folder for each class, in a folder or an archive: `root/class/file`, or `root/train/class/file` and
`root/test/class/file` where the parts are given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from tasks.dataset import TEST, TRAIN, VAL
from tasks.errors import BadInput

_PARTS = {"train": TRAIN, "val": VAL, "valid": VAL, "validation": VAL, "test": TEST}


@dataclass(frozen=True)
class ClassFile:
    """One file: its path below the root, the class that its folder names, and its part where parts are given."""

    path: str
    label: str
    part: str | None


def class_files(paths: list[str], shown: str) -> list[ClassFile]:
    """Class and part of each file, from the folders it lies in. A single folder around all others is ignored.

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
