"""Augmented copies on disk, under a key made from everything that decides their values.

A file holds an array in NumPy's format, or texts as JSON. Copies in an incomplete file are made again.
"""

from __future__ import annotations

import hashlib
import io
import json
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

from tasks.augmentation.policy import Map, Policy, Progress, copies
from tasks.dataset import Values
from tasks.sealed import read_sealed, write_sealed

PACKAGES = ("albumentations", "albucore", "opencv-python-headless", "nlpaug", "nltk", "librosa", "numpy", "scipy")


def cached_copies(
    policy: Policy,
    values: Values,
    rows: np.ndarray,
    seed: int,
    *,
    home: Path,
    digest: str,
    run: Map = map,
    progress: Progress | None = None,
) -> Values:
    """As `copies`, but made only once: later calls read them from `home/cache/augmented`.

    Args:
        policy: After `learned` on these very values.
        values: The whole training part.
        rows: Its rows in the data set.
        digest: The data set's digest.
    """
    path = home / "cache" / "augmented" / key(policy, rows, seed, digest)
    found = _read(path)
    if found is not None:
        return found
    made = copies(policy, values, rows, seed, run=run, progress=progress)
    with suppress(OSError):  # a full disk costs the reuse, not the run
        _write(path, made)
    return made


def key(policy: Policy, rows: np.ndarray, seed: int, digest: str) -> str:
    """SHA-256 (hex) of data, part, policy, seed, the libraries' versions and the text of this package's modules."""
    facts = {
        "data": digest,
        "rows": hashlib.sha256(np.ascontiguousarray(rows, "<i8").tobytes()).hexdigest(),
        "policy": policy.document,
        "seed": seed,
        "versions": {name: version(name) for name in PACKAGES},
        "code": _code(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@cache
def _code() -> str:
    modules = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"\0".join(module.read_bytes() for module in modules)).hexdigest()


def _read(path: Path) -> Values | None:
    payload = read_sealed(path)
    if payload is None:
        return None
    if payload.startswith(b"["):
        return json.loads(payload)
    return np.load(io.BytesIO(payload), allow_pickle=False)


def _write(path: Path, values: Values) -> None:
    if isinstance(values, np.ndarray):
        buffer = io.BytesIO()
        np.save(buffer, values, allow_pickle=False)
        payload = buffer.getvalue()
    else:
        payload = json.dumps(values).encode()
    write_sealed(path, payload)
