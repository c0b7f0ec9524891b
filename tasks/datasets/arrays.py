"""Arrays of a NumPy archive (.npz), as a model takes them: images or columns."""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from tasks.datasets.unpacking import most_bytes, too_large
from tasks.errors import BadInput
from tasks.memory import gigabytes

_BROKEN = (
    *(OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError),
    *(ValueError, TypeError, AttributeError, SyntaxError, tokenize.TokenError, RecursionError, OverflowError),
)
"""What numpy and zipfile raise for damaged files. An array's header is a Python literal, so its parsing errors count
too."""


def read_arrays(path: Path, shown: str) -> dict[str, np.ndarray]:
    """All arrays of an archive, by name.

    Raises:
        BadInput: it can't be read, or holds Python objects.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            _check_sizes(archive.zip, shown)
            return {name: _array(archive, name, shown) for name in archive.files}
    except _BROKEN as error:
        got = str(error).splitlines()[0] if str(error) else None
        raise BadInput("is no .npz archive that can be read", where=shown, got=got) from error


def read_inputs(path: Path, shown: str) -> np.ndarray:
    """Reads array `x`, or `x_train`, `x_val` and `x_test` concatenated, in the forms of `as_inputs`. Labels are
    ignored.

    Raises:
        BadInput: as in `read_arrays` and `as_inputs`; or the archive has no inputs, or their shapes differ.
    """
    arrays = read_arrays(path, shown)
    found = ["x"] if "x" in arrays else [f"x_{part}" for part in ("train", "val", "test") if f"x_{part}" in arrays]
    if not found:
        raise BadInput("holds no inputs", where=shown, got=", ".join(arrays), accepted="an array x")
    inputs = [as_inputs(arrays[name], shown, name) for name in found]
    if len({each.shape[1:] for each in inputs}) > 1:
        got = ", ".join(f"{name} {list(each.shape)}" for name, each in zip(found, inputs, strict=True))
        raise BadInput("its arrays have different shapes", where=shown, got=got)
    return np.concatenate(inputs)


def as_inputs(x: np.ndarray, shown: str, name: str) -> np.ndarray:
    """Returns images, uint8 (for integers and booleans in [0, 255]) or float32 `[rows, height, width, channels]`, or
    columns, float64 `[rows, columns]`.

    Args:
        name: The array's name, for messages.

    Raises:
        BadInput: the array holds neither.
    """
    if x.ndim not in (2, 3, 4) or x.dtype.kind not in "buif" or not x.size:
        raise BadInput(
            f"{name} holds neither images nor columns",
            where=shown,
            got=f"{list(x.shape)} {x.dtype}",
            accepted="numbers: [rows, height, width], [rows, height, width, channels] or [rows, columns]",
        )
    if x.ndim == 2:
        return x.astype(np.float64)
    x = x.reshape(*x.shape[:3], -1)
    whole = x.dtype.kind in "bui" and x.min() >= 0 and x.max() <= 255
    return x.astype(np.uint8 if whole else np.float32, copy=False)


def _check_sizes(archive: zipfile.ZipFile, shown: str) -> None:
    """Checks that the arrays are as large as their headers say and fit in memory together. It is needed because numpy
    allocates what the header claims before it reads a value.

    Raises:
        BadInput: a size differs from its header, or the arrays don't fit.
    """
    unpacked = sum(info.file_size for info in archive.infolist())
    if unpacked > most_bytes():
        raise too_large(shown, f"{gigabytes(unpacked)} unpacked")
    for info in archive.infolist():
        if not info.filename.endswith(".npy"):
            continue
        with archive.open(info) as stream:
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(stream)
            held = info.file_size - stream.tell()
        if not dtype.hasobject and math.prod(shape) * dtype.itemsize != held:
            raise BadInput(
                "is damaged: an array's header does not fit its values",
                where=f"{shown}, array {info.filename.removesuffix('.npy')}",
                got=f"{held:,} bytes of values",
                accepted=f"{' x '.join(map(str, shape))} values of {dtype.itemsize} bytes, as the header says",
            )


def _array(archive: np.lib.npyio.NpzFile, name: str, shown: str) -> np.ndarray:
    try:
        return archive[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise BadInput(
            "holds Python objects, which are not read: they can carry code",
            where=f"{shown}, array {name}",
            accepted="numbers, or texts of fixed length",
        ) from None
