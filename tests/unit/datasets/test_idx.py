from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from tasks.datasets.idx import find_idx, read_idx, read_idx_files
from tasks.errors import BadInput


def write_idx(path: Path, values: np.ndarray) -> Path:
    content = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["a-ubyte", "a-ubyte.gz"])
@pytest.mark.parametrize("shape", [(4,), (2, 3, 5), (2, 3, 5, 3), (0,)])
def test_reads_what_was_written(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    read = read_idx(write_idx(tmp_path / name, values), name)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, values)


@pytest.mark.parametrize("dots", [False, True])
def test_four_files_of_either_naming_become_images_labels_and_parts(tmp_path: Path, dots: bool) -> None:
    rng = np.random.default_rng(0)
    for part, rows in (("train", 5), ("t10k", 3)):
        names = [f"{part}-{role}-ubyte" for role in ("images-idx3", "labels-idx1")]
        of_images, of_labels = (name.replace("-idx", ".idx") if dots else name for name in names)
        write_idx(tmp_path / of_images, rng.integers(0, 256, (rows, 4, 6)).astype(np.uint8))
        write_idx(tmp_path / f"{of_labels}.gz", np.arange(rows, dtype=np.uint8))
    images, labels, parts = read_idx_files([(path, path.name) for path in find_idx(tmp_path, "pictures")])
    assert images.shape == (8, 4, 6, 1) and images.dtype == np.uint8
    assert list(labels) == [0, 1, 2, 3, 4, 0, 1, 2] and list(parts) == ["train"] * 5 + ["test"] * 3


@pytest.mark.parametrize("keep", [0, 3, 7, 15, 20])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, keep: int) -> None:
    path = write_idx(tmp_path / "cut", np.ones((2, 3, 5), np.uint8))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BadInput, match=r"^cut: is (not an IDX file|cut short or damaged)"):
        read_idx(path, "cut")
