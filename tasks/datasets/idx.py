"""IDX: the format of the MNIST files (yann.lecun.com/exdb/mnist). Big-endian magic, sizes, then bytes."""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path

import numpy as np

from tasks.datasets.unpacking import read_unpacked
from tasks.errors import BadInput

_UNSIGNED_BYTES = 0x08
_PARTS = {"train": "train", "t10k": "test"}
_ROLES = {"images": "idx3", "labels": "idx1"}


def read_idx(path: Path, shown: str) -> np.ndarray:
    """One IDX file of unsigned bytes, plain or gzip, in the shape that its header says. dtype uint8.

    Raises:
        BadInput: it can't be read, is no such file, or holds fewer or more bytes than its header says.
    """
    try:
        content = read_unpacked(path, shown)
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput("can't be read", where=shown, got=getattr(error, "strerror", None) or str(error)) from error
    if len(content) < 4 or content[:3] != bytes((0, 0, _UNSIGNED_BYTES)) or not 1 <= content[3] <= 4:
        raise BadInput(
            "is not an IDX file",
            where=shown,
            got=f"it begins with {content[:4].hex(' ') or 'nothing'}",
            accepted="00 00 08 and the number of dimensions (unsigned bytes)",
        )
    start = 4 + 4 * content[3]
    sizes = content[4:start].ljust(start - 4, b"\0")  # a header cut short fails below, as its values are missing
    shape = struct.unpack(f">{content[3]}I", sizes)
    if len(content) < start or math.prod(shape) != len(content) - start:
        raise BadInput(
            "is cut short or damaged",
            where=shown,
            got=f"{max(len(content) - start, 0):,} bytes of values",
            accepted="as many as its header says: " + " x ".join(map(str, shape)),
            remedy="copy or download the file again",
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def find_idx(folder: Path, shown: str) -> list[Path]:
    """The four files of `folder` in the order train images, train labels, test images, test labels.

    Raises:
        BadInput: one is missing.
    """
    return [_find(folder, f"{part}-{role}", kind, shown) for part in _PARTS for role, kind in _ROLES.items()]


def read_idx_files(files: list[tuple[Path, str]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images `[n, height, width, channels]` uint8, labels `[n]` int64, and the part (train, test) of each.

    Args:
        files: Path and shown name of the images and labels of train, then of test.

    Raises:
        BadInput: a file is bad, or images and labels, or train and test, don't belong together.
    """
    (train_images, train_labels), (test_images, test_labels) = (_pair(files[i : i + 2]) for i in (0, 2))
    if train_images.shape[1:] != test_images.shape[1:]:
        raise BadInput(
            "test images have another shape than training images",
            where=files[2][1],
            got=" x ".join(map(str, test_images.shape[1:])),
            accepted=" x ".join(map(str, train_images.shape[1:])),
        )
    part = np.repeat(np.array(["train", "test"]), [len(train_labels), len(test_labels)])
    return np.concatenate([train_images, test_images]), np.concatenate([train_labels, test_labels]), part


def _pair(files: list[tuple[Path, str]]) -> tuple[np.ndarray, np.ndarray]:
    images, labels = (read_idx(*file) for file in files)
    images_shown, labels_shown = (shown for _, shown in files)
    if images.ndim not in (3, 4) or not images.size:
        got = " x ".join(map(str, images.shape))
        raise BadInput("holds no images", where=images_shown, got=got, accepted="3 or 4 dimensions, none of them 0")
    if labels.ndim != 1 or len(labels) != len(images):
        raise BadInput(
            "holds another number of labels than there are images",
            where=labels_shown,
            got=f"{len(labels):,} labels for {len(images):,} images",
        )
    return images.reshape(*images.shape[:3], -1), labels.astype(np.int64)


def _find(folder: Path, stem: str, kind: str, shown: str) -> Path:
    names = [f"{stem}{dot}{kind}-ubyte{end}" for end in ("", ".gz") for dot in "-."]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise BadInput(
        "the folder does not hold the four IDX files",
        where=shown,
        got=f"no {names[0]}",
        accepted="{train,t10k}-{images-idx3,labels-idx1}-ubyte, each plain or .gz",
    )
