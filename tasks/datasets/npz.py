"""NumPy archives (.npz) as Keras ships its data sets: x_train, y_train, x_test, y_test; or x and y."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tasks.dataset import TEST, TRAIN, VAL
from tasks.datasets.arrays import as_inputs, read_arrays
from tasks.errors import BadInput

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
    arrays = read_arrays(path, shown)
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
    return as_inputs(x, shown, f"x{suffix}"), y
