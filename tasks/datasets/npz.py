"""NumPy archives (.npz) as Keras ships its data sets: x_train, y_train, x_test, y_test; or x and y."""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from tasks.dataset import TEST, TRAIN, VAL
from tasks.datasets.unpacking import most_bytes, too_large
from tasks.errors import BadInput
from tasks.memory import gigabytes

_BROKEN = (
    *(OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError),
    *(ValueError, TypeError, AttributeError, SyntaxError, tokenize.TokenError, RecursionError, OverflowError),
)
"""What numpy and zipfile raise for damaged files; headers are Python literals."""
_PARTS = {"train": TRAIN, "val": VAL, "test": TEST}
ACCEPTED = "x and y, or x_train, y_train, x_test and y_test (and x_val, y_val)"


def read_npz(path: Path, shown: str) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Inputs, labels and given parts of an archive.

    Returns:
        Images uint8 or float32 `[rows, height, width, channels]`, or columns float64 `[rows, columns]`; labels
        `[rows]`, numbers or texts; `train`, `val` or `test` of each row, or None.

    Raises:
        BadInput: it can't be read, holds other arrays or Python objects, or shapes don't belong together.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            _check_sizes(archive.zip, shown)
            arrays = {name: _array(archive, name, shown) for name in archive.files}
    except _BROKEN as error:
        got = str(error).splitlines()[0] if str(error) else None
        raise BadInput("is no .npz archive that can be read", where=shown, got=got) from error
    if arrays.keys() == {"x", "y"}:
        return *_pair(arrays["x"], arrays["y"], shown, ""), None
    named = {f"{axis}_{part}" for axis in "xy" for part in ("train", "test")}
    if not (named <= arrays.keys() <= named | {"x_val", "y_val"}) or ("x_val" in arrays) != ("y_val" in arrays):
        raise BadInput("holds other arrays", where=shown, got=", ".join(sorted(arrays)), accepted=ACCEPTED)
    pairs = {
        part: _pair(arrays[f"x_{name}"], arrays[f"y_{name}"], shown, f"_{name}")
        for name, part in _PARTS.items()
        if f"x_{name}" in arrays
    }
    x, y = ([pair[axis] for pair in pairs.values()] for axis in (0, 1))
    if len({(each.shape[1:], each.dtype) for each in x}) > 1:
        got = ", ".join(f"{' x '.join(map(str, each.shape[1:]))} {each.dtype}" for each in x)
        raise BadInput("the parts' inputs have different shapes or types", where=shown, got=got)
    parts = np.repeat(np.array(list(pairs)), [len(each) for each in y])
    return np.concatenate(x), np.concatenate(y), parts


def _check_sizes(archive: zipfile.ZipFile, shown: str) -> None:
    """Whether the arrays are as large as their headers say, and fit in memory together: numpy makes room for what the
    header claims before it reads a value.

    Raises:
        BadInput: they are not, or do not.
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


def _pair(x: np.ndarray, y: np.ndarray, shown: str, suffix: str) -> tuple[np.ndarray, np.ndarray]:
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or len(x.shape) < 2 or len(y) != len(x) or y.dtype.kind not in "buifU":
        raise BadInput(
            f"x{suffix} and y{suffix} don't belong together",
            where=shown,
            got=f"{list(x.shape)} {x.dtype} and {list(y.shape)} {y.dtype}",
            accepted="as many labels as rows, one label (a number or a text) for each row",
        )
    if x.ndim not in (2, 3, 4) or x.dtype.kind not in "buif" or not x.size:
        raise BadInput(
            f"x{suffix} holds neither images nor columns",
            where=shown,
            got=f"{list(x.shape)} {x.dtype}",
            accepted="numbers: [rows, height, width], [rows, height, width, channels] or [rows, columns]",
        )
    if x.ndim == 2:
        return x.astype(np.float64), y
    x = x.reshape(*x.shape[:3], -1)
    whole = x.dtype.kind in "bui" and x.min() >= 0 and x.max() <= 255
    return x.astype(np.uint8 if whole else np.float32, copy=False), y
