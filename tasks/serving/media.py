"""Rows that are images or sounds, from a file, a folder, an archive, or arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.datasets.arrays import read_inputs
from tasks.datasets.idx import find_idx, read_idx
from tasks.datasets.images import ENDINGS as IMAGE_ENDINGS
from tasks.datasets.images import read_images
from tasks.datasets.sounds import ENDINGS as SOUND_ENDINGS
from tasks.datasets.sounds import of_one_length, read_sounds
from tasks.datasets.stored_files import ARCHIVES, list_files, read_files
from tasks.errors import BadInput
from tasks.serving.rows import Rows

FILE = "file"
_AT_ONCE = 2**27
"""Bytes of decoded files that are held in memory at a time."""
_ENDINGS = {"image": IMAGE_ENDINGS, "sound": SOUND_ENDINGS}


def media_rows(path: Path, taken: Mapping[str, Any]) -> tuple[Iterator[Rows], list[str]]:
    """Returns images or sounds in the order of their files' paths, a piece at a time, and notes about the other files.

    A file that can't be decoded, or has another size or sample rate than the model takes, is not usable.

    Args:
        path: A file, a folder with files at any depth, an archive of files, a .npz archive, an IDX file or a folder of
            IDX files.
        taken: The entry of the model's input in its signature.

    Raises:
        BadInput: there is no file of this kind, or an array has another shape.
    """
    arrays = _arrays(path) if taken["kind"] == "image" else None
    if arrays is not None:
        return iter([_of_array(arrays, path, taken)]), []
    endings = _ENDINGS[taken["kind"]]
    stored = path.is_dir() or path.name.lower().endswith(ARCHIVES)
    root, names = (path, list_files(path, str(path))) if stored else (path.parent, [path.name])
    found = [name for name in names if name.lower().endswith(endings)]
    if not found:
        raise BadInput(
            f"the model takes {taken['kind']}s",
            where=str(path),
            got=", ".join(names[:3]) or "no files",
            accepted=f"files in {', '.join(endings)}: one, a folder or an archive of them"
            + (", or .npz" if taken["kind"] == "image" else ""),
        )
    if taken["kind"] == "image" and taken["dtype"] != "uint8":
        raise BadInput("the model takes images of another dtype than files hold", where=str(path), accepted=".npz")
    others = len(names) - len(found)
    notes = [f"{others:,} files that are no {taken['kind']}s passed over"] if others else []
    return _of_files(root, found, path, taken), notes


def _of_files(root: Path, names: Sequence[str], path: Path, taken: Mapping[str, Any]) -> Iterator[Rows]:
    step = max(1, _AT_ONCE // (int(np.prod(taken["shape"])) * np.dtype(taken["dtype"]).itemsize))
    for start in range(0, len(names), step):
        some = names[start : start + step]
        contents = read_files(root, set(some), str(path))
        if taken["kind"] == "image":
            usable, inputs, faults = read_images(contents, taken["shape"])
        else:
            usable, clips, _, faults = read_sounds(contents, taken["rate"])
            length = taken["shape"][0]
            none = np.zeros((0, length), np.float32)
            inputs = of_one_length(clips, taken["rate"], length / taken["rate"], str(path))[0] if clips else none
        why = {fault.name: fault.why for fault in faults}
        there = set(usable)
        yield Rows(
            pd.DataFrame({FILE: some}),
            inputs,
            np.array([name in there for name in some], bool),
            [why.get(name, "") for name in some],
        )


def _arrays(path: Path) -> np.ndarray | None:
    """Reads the images of a .npz archive, of an IDX file, or of a folder of IDX files; None where `path` is none of
    these."""
    if path.name.lower().endswith(".npz"):
        return read_inputs(path, str(path))
    if path.is_dir() and any("-ubyte" in file.name for file in path.iterdir()):
        files = find_idx(path, str(path))[::2]
    elif "-ubyte" in path.name:
        files = [path]
    else:
        return None
    arrays = [read_idx(file, str(file)) for file in files]
    return np.concatenate([array.reshape(*array.shape[:3], -1) for array in arrays])


def _of_array(array: np.ndarray, path: Path, taken: Mapping[str, Any]) -> Rows:
    exact = np.can_cast(array.dtype, taken["dtype"])
    if list(array.shape[1:]) != taken["shape"] or not exact:
        raise BadInput(
            "holds images of another shape or other numbers than the model takes",
            where=str(path),
            got=f"{tuple(array.shape[1:])}, {array.dtype}",
            accepted=f"{tuple(taken['shape'])}, {taken['dtype']}",
        )
    rows = len(array)
    inputs = array.astype(taken["dtype"], copy=False)
    return Rows(pd.DataFrame(index=range(rows)), inputs, np.ones(rows, bool), [""] * rows)
