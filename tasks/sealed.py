"""Cache files: the SHA-256 of the content, then the content. A file that does not match its digest counts as
missing."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

_DIGEST = 32


def read_sealed(path: Path) -> bytes | None:
    """The file's content, or None where the file is missing or incomplete."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    payload = content[_DIGEST:]
    return payload if hashlib.sha256(payload).digest() == content[:_DIGEST] else None


def write_sealed(path: Path, payload: bytes) -> None:
    """Writes to a temporary name, then renames: readers see the whole file or none, even if several processes write it.

    Raises:
        OSError: the file can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(payload).digest())
            file.write(payload)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
