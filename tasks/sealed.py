"""Files of a cache: the SHA-256 of the content, then the content. What does not match its digest is not there."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

_DIGEST = 32


def read_sealed(path: Path) -> bytes | None:
    """The file's content, or None where it isn't there or isn't whole."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    payload = content[_DIGEST:]
    return payload if hashlib.sha256(payload).digest() == content[:_DIGEST] else None


def write_sealed(path: Path, payload: bytes) -> None:
    """Under a temporary name, then renamed: whoever reads sees all of it or nothing, however many write it at once.

    Raises:
        OSError: it can't be written.
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
