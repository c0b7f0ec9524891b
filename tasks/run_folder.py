"""A run's folder: atomic writes, and the lock."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

from tasks.errors import BadInput, Locked

Stage = Literal["load", "split", "validate", "plan", "search", "train", "stabilise", "evaluate", "judge", "report"]
STAGES: tuple[Stage, ...] = get_args(Stage)
"""A run's stages, in order."""


def make_folder(folder: Path) -> Path:
    """Makes a folder that the user named, with its parents. An existing folder is left as it is.

    Raises:
        BadInput: the folder can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput("the folder can't be made", where=str(folder), got=error.strerror) from None
    return folder


def private_folder(folder: Path) -> Path:
    """Makes a folder that only its owner may enter (mode 0700), with its parents. An existing folder is left as it
    is."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def write_text(path: Path, text: str) -> Path:
    """As `write_bytes`, in UTF-8."""
    return write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> Path:
    """Writes to a temporary name, then renames: readers see the whole new file, or the old one."""
    with replacing(path) as file:
        file.write(content)
    return path


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Opens a file to write to, atomically as `write_bytes`: it replaces `path` when the block ends without an
    error."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            yield file
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> Path:
    """Writes strict JSON atomically. NaN and infinity raise `ValueError`: use None instead."""
    return write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the run folder's `lock` for this process. The system frees the lock when the process ends in any way.

    Raises:
        Locked: another process holds it.
    """
    with open(folder / "lock", "a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise Locked(
                "the run is locked by another process",
                where=str(folder),
                got=lock.read().strip() or "no note of who holds it",
                remedy="wait until it ends, or choose another folder with --run-dir",
            ) from None
        lock.truncate(0)
        lock.write(f"process {os.getpid()} since {time.strftime('%Y-%m-%d %H:%M:%S')}\n")
        lock.flush()
        yield


def held_by_another(folder: Path) -> bool:
    """Whether another process holds the run folder's lock."""
    try:
        with (folder / "lock").open(encoding="utf-8") as lock:
            note = lock.read()
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return not note.startswith(f"process {os.getpid()} ")
    except OSError:
        return False
    return False


def sweep(folder: Path) -> None:
    """Removes incomplete files and folders of killed processes from a run's folder. They are named `.NAME.PROCESS`
    until they are complete. Only the process that holds the lock may call this.
    """
    for path in [*folder.glob(".*"), *folder.glob("*/.*")]:
        if is_half_written(path):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def is_half_written(path: Path) -> bool:
    """Whether a file or folder is an incomplete one, and the process that wrote it has ended."""
    found = _HALF_WRITTEN.fullmatch(path.name)
    return found is not None and not _runs(int(found["process"]))


_HALF_WRITTEN = re.compile(r"\..+\.(?P<process>\d+)(\.[a-z]\w*)?")
"""Pattern of the names of incomplete files: the name, the process number, and perhaps a suffix."""


def _runs(process: int) -> bool:
    """Whether this process exists, whichever user owns it."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
