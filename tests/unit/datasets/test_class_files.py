"""Images and sounds in folders, NumPy archives, and texts in a column, as data sets."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tarfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import soundfile

from tasks.dataset import Dataset
from tasks.datasets import images
from tasks.datasets.faults import Unusable
from tasks.datasets.headers import image_size
from tasks.datasets.idx import read_idx
from tasks.datasets.images import decode_image
from tasks.datasets.load import load_dataset
from tasks.datasets.sounds import decode_sound
from tasks.errors import BadInput
from tasks.spec.data import Data
from tests.datasets import array_of, texts_of

BAD = Path(__file__).parents[2] / "bad_specs"


def load(source: Path, **data: object) -> Dataset:
    return load_dataset(Data(source=str(source), **data), home=source.parent)


def write_image(path: Path, value: int, size: tuple[int, int] = (4, 5)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.zeros((*size, 3), np.uint8)
    image[..., 2] = value  # OpenCV's last channel is red
    cv2.imwrite(str(path), image)


def pictures(root: Path, *above: str) -> Path:
    for number in range(4):
        for kind in ("cat", "dog"):
            write_image(root.joinpath(*above, kind, f"{number}.png"), 10 * number + len(above))
    return root


def write_sound(path: Path, samples: int, rate: int = 8_000, subtype: str = "PCM_16") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.linspace(-0.5, 0.5, samples), rate, subtype=subtype)


def clips(root: Path) -> Path:
    for number, samples in enumerate((80, 100, 120)):
        for word in ("no", "yes"):
            write_sound(root / word / f"{number}.wav", samples)
    return root


def test_a_folder_for_each_class_of_images(tmp_path: Path) -> None:
    dataset = load(pictures(tmp_path / "pictures"))
    assert dataset.form.name == "image" and dataset.classes == ("cat", "dog") and dataset.given_part is None
    assert array_of(dataset).shape == (8, 4, 5, 3) and array_of(dataset).dtype == np.uint8
    assert list(dataset.target) == [0] * 4 + [1] * 4
    assert list(array_of(dataset)[:4, 0, 0, 0]) == [0, 10, 20, 30], "red comes first"
    assert dataset.name == "pictures" and not dataset.notes


def test_given_parts_are_taken(tmp_path: Path) -> None:
    root = pictures(pictures(tmp_path / "pictures", "train"), "test")
    dataset = load(root)
    assert dataset.given_part is not None and dataset.classes == ("cat", "dog")
    assert dict(zip(*np.unique(dataset.given_part, return_counts=True), strict=True)) == {"train": 8, "test": 8}


def test_an_archive_is_the_same_data_as_its_folder(tmp_path: Path) -> None:
    root = clips(tmp_path / "clips")
    (root / ".DS_Store").write_bytes(b"hidden")
    with tarfile.open(tmp_path / "clips.tar.gz", "w:gz") as archive:
        archive.add(root, "around/clips")
    with zipfile.ZipFile(tmp_path / "clips.zip", "w") as packed:
        for file in sorted(root.rglob("*.wav")):
            packed.write(file, file.relative_to(tmp_path))
    digests = {load(tmp_path / name).digest for name in ("clips", "clips.tar.gz", "clips.zip")}
    assert len(digests) == 1


def test_sounds_get_one_length(tmp_path: Path) -> None:
    root = clips(tmp_path / "clips")
    dataset = load(root)
    assert dataset.form.name == "audio" and dataset.medium.rate == 8_000 and dataset.classes == ("no", "yes")
    assert array_of(dataset).shape == (6, 120) and array_of(dataset).dtype == np.float32
    assert (array_of(dataset)[0, 80:] == 0).all() and array_of(dataset)[0, 79] == pytest.approx(0.5, abs=1e-4)
    assert "4 padded with silence to the longest" in dataset.notes[0]
    cut = load(root, seconds=0.0125)
    assert array_of(cut).shape == (6, 100)
    assert "2 cut to 0.0125 s, 2 padded" in cut.notes[0]
    assert cut.digest != dataset.digest
    with pytest.raises(BadInput, match="less than one sample"):
        load(root, seconds=1e-5)


@pytest.mark.parametrize(("subtype", "error"), [("PCM_U8", 1e-2), ("PCM_16", 1e-4), ("PCM_24", 1e-6), ("FLOAT", 0)])
def test_every_precision_of_a_wav_file_is_a_fraction_of_full_scale(subtype: str, error: float, tmp_path: Path) -> None:
    write_sound(tmp_path / "a.wav", 50, 16_000, subtype)
    samples, rate = decode_sound((tmp_path / "a.wav").read_bytes())
    assert rate == 16_000 and samples.dtype == np.float32
    np.testing.assert_allclose(samples, np.linspace(-0.5, 0.5, 50), atol=error + 1e-7)


@pytest.mark.parametrize(
    ("case", "folder", "usable"), [("images-that-differ", "pictures", 6), ("sounds-that-differ", "clips", 6)]
)
def test_what_cant_be_used_is_skipped_with_a_note(case: str, folder: str, usable: int) -> None:
    dataset = load(BAD / case / folder, unreadable="skip")
    assert dataset.rows == usable
    left_out = next(note for note in dataset.notes if "left out" in note)
    assert left_out.startswith("5 of 11 ") and "empty" in left_out


def test_nothing_usable_is_an_error_even_where_it_may_be_skipped(tmp_path: Path) -> None:
    for kind in "ab":
        (tmp_path / "pictures" / kind).mkdir(parents=True)
        (tmp_path / "pictures" / kind / "1.png").write_bytes(b"")
    with pytest.raises(BadInput, match="2 of 2 images can't be used"):
        load(tmp_path / "pictures", unreadable="skip")


def test_keras_archives_of_images(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 255, (9, 4, 4), np.uint8), np.arange(9) % 3
    np.savez(tmp_path / "a.npz", x_train=x[:6], y_train=y[:6, None], x_test=x[6:], y_test=y[6:, None])
    dataset = load(tmp_path / "a.npz")
    assert array_of(dataset).shape == (9, 4, 4, 1) and dataset.classes == ("0", "1", "2")
    assert list(dataset.given_part) == ["train"] * 6 + ["test"] * 3


def test_archives_of_columns_and_of_wide_numbers(tmp_path: Path) -> None:
    labels = np.array(["no", "yes"] * 4)
    np.savez(tmp_path / "a.npz", x=np.arange(16.0).reshape(8, 2), y=labels)
    dataset = load(tmp_path / "a.npz")
    assert dataset.form.name == "table" and dataset.numbers == ["x1", "x2"] and dataset.classes == ("no", "yes")
    np.savez(tmp_path / "b.npz", x=np.linspace(0, 1, 8 * 4).reshape(8, 2, 2), y=labels)
    assert array_of(load(tmp_path / "b.npz")).dtype == np.float32


MESSAGES = "label,message\n" + "".join(f"{('ham', 'spam')[i % 2]},message number {i}\n" for i in range(10))


def test_a_column_of_text_is_the_only_input(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(MESSAGES.replace("message number 3", "NA"))
    dataset = load(tmp_path / "m.csv", target="label", text="message")
    assert dataset.form.name == "text" and texts_of(dataset).name == "message"
    assert texts_of(dataset)[3] == "NA", "what someone wrote is no missing value"
    assert not len(dataset.table.columns) and list(dataset.raw.columns) == ["message"]
    trigrams = load(tmp_path / "m.csv", target="label", text="message", tokens="trigrams")
    assert trigrams.digest != dataset.digest


def test_texts_in_parquet_are_those_of_the_same_csv(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(MESSAGES + ",no label\n")
    frame = pd.DataFrame({"label": ["ham", "spam"] * 5, "message": [f"message number {row}" for row in range(10)]})
    frame.to_parquet(tmp_path / "whole.parquet")
    (tmp_path / "parts").mkdir()
    for part in range(2):
        frame[5 * part :][:5].to_parquet(tmp_path / "parts" / f"{part}.parquet")
    asked = {"target": "label", "text": "message", "rows": 6}
    whole = load(tmp_path / "whole.parquet", **asked)
    assert whole.form.name == "text" and load(tmp_path / "parts", **asked).digest == whole.digest
    del asked["rows"]
    assert load(tmp_path / "m.csv", **asked).digest == load(tmp_path / "parts", **asked).digest
    frame.loc[3, "message"] = " "
    frame.loc[4, "message"] = None
    frame.to_parquet(tmp_path / "whole.parquet")
    with pytest.raises(BadInput, match="row 4 is blank"):
        load(tmp_path / "whole.parquet", **asked)
    assert load(tmp_path / "whole.parquet", **asked, unreadable="skip").rows == 8


def test_blank_texts_and_rows_that_are_no_utf8_are_skipped_with_their_rows(tmp_path: Path) -> None:
    content = MESSAGES.replace("message number 3", "").encode().replace(b"message number 6", b"m\xf6")
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(BadInput, match="line 8: is not UTF-8"):
        load(tmp_path / "m.csv", target="label", text="message")
    dataset = load(tmp_path / "m.csv", target="label", text="message", unreadable="skip")
    assert dataset.rows == 8
    assert any("row 7 is not UTF-8" in note for note in dataset.notes)
    assert any("row 4 is blank" in note for note in dataset.notes)


def test_a_sample_of_rows_keeps_sounds_and_labels_together(tmp_path: Path) -> None:
    dataset = load(clips(tmp_path / "clips"), rows=4)
    assert len(array_of(dataset)) == dataset.rows == 4


def test_a_broken_archive_among_images_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(io.BytesIO(b"PK").getvalue())
    with pytest.raises(BadInput, match=r"a\.zip: can't be read"):
        load(tmp_path / "a.zip")


def test_pipes_links_to_nothing_and_files_cut_short_are_skipped_one_by_one(tmp_path: Path) -> None:
    root = clips(tmp_path / "clips")
    whole = (root / "no" / "0.wav").read_bytes()
    os.mkfifo(root / "no" / "pipe.wav")
    (root / "yes" / "gone.wav").symlink_to(tmp_path / "nowhere")
    (root / "yes" / "cut.wav").write_bytes(whole[:100])
    dataset = load(root, unreadable="skip")
    assert dataset.rows == 6
    (note,) = [note for note in dataset.notes if "left out" in note]
    assert "no/pipe.wav is no file: a pipe or a device" in note
    assert "yes/gone.wav can't be read: No such file or directory" in note
    assert "yes/cut.wav is cut short: 104 bytes of sound are missing" in note


def test_a_wav_file_of_unknown_length_is_read(tmp_path: Path) -> None:
    root = clips(tmp_path / "clips")
    file = root / "no" / "0.wav"
    content = bytearray(file.read_bytes())
    struct.pack_into("<I", content, content.index(b"data") + 4, 0xFFFFFFFF)
    file.write_bytes(content)
    assert load(root).rows == 6


@pytest.mark.parametrize("kind", ["png", "bmp", "jpg"])
def test_an_image_that_claims_to_be_huge_is_not_decoded(kind: str) -> None:
    _, encoded = cv2.imencode(f".{kind}", np.zeros((3, 5, 3), np.uint8))
    content = bytearray(encoded.tobytes())
    assert image_size(bytes(content)) == (5, 3)
    place, form = {"png": (16, ">II"), "bmp": (18, "<ii"), "jpg": (content.find(b"\xff\xc0") + 5, ">HH")}[kind]
    struct.pack_into(form, content, place, 60_000, 60_000)
    with pytest.raises(Unusable, match="60,000 x 60,000 pixels"):
        decode_image(bytes(content))


def test_what_would_not_fit_in_memory_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.datasets.unpacking.memory_bytes", lambda: 4_000)
    table, idx = tmp_path / "a.csv.gz", tmp_path / "b.gz"
    for path in (table, idx):
        path.write_bytes(gzip.compress(b"a,b\n" * 1_000))
    np.savez_compressed(tmp_path / "c.npz", x=np.zeros((100, 10)), y=np.zeros(100))
    with zipfile.ZipFile(tmp_path / "d.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("no/0.wav", bytes(10_000))
    with tarfile.open(tmp_path / "e.tar.gz", "w:gz") as archive_of_tape:
        member = tarfile.TarInfo("no/0.wav")
        member.size = 10_000
        archive_of_tape.addfile(member, io.BytesIO(bytes(10_000)))
    for path in (table, tmp_path / "c.npz", tmp_path / "d.zip", tmp_path / "e.tar.gz"):
        with pytest.raises(BadInput, match="too large for the memory"):
            load(path, **({"target": "a"} if path == table else {}))
    with pytest.raises(BadInput, match="too large for the memory"):
        read_idx(idx, "b.gz")


def test_names_that_are_no_utf8_and_pipes_for_a_source_are_refused(tmp_path: Path) -> None:
    root = clips(tmp_path / "clips")
    (root / "no").rename(os.fsdecode(os.fsencode(root) + b"/n\xff"))
    with pytest.raises(BadInput, match="is not UTF-8") as refused:
        load(root)
    assert "n\\xff/0.wav" in (refused.value.got or "")
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(BadInput, match="neither a file nor a folder"):
        load(tmp_path / "pipe.csv", target="y")


@pytest.mark.parametrize(
    "header", ["{'descr': '|u1', 'fortran_order': False, 'shape': (10000000000, 100), }", "{'descr'"]
)
def test_a_numpy_header_that_lies_or_can_not_be_read(header: str, tmp_path: Path) -> None:
    line = header.encode().ljust(117) + b"\n"
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(line)) + line + bytes(10)
    with zipfile.ZipFile(tmp_path / "lie.npz", "w") as archive:
        archive.writestr("x.npy", array)
        archive.writestr("y.npy", array)
    with pytest.raises(BadInput):
        load(tmp_path / "lie.npz")


def test_images_that_do_not_fit_in_memory_together_are_refused_before_all_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = pictures(tmp_path / "pictures")  # 8 images of 4 x 5 x 3 = 60 bytes
    decoded: list[int] = []
    decode = images.decode_image

    def counted(content: bytes) -> np.ndarray:
        decoded.append(len(content))
        return decode(content)

    monkeypatch.setattr(images, "decode_image", counted)
    monkeypatch.setattr(images, "memory_bytes", lambda: 9 * 60 * 8)
    assert load(root).rows == 8
    decoded.clear()
    monkeypatch.setattr(images, "memory_bytes", lambda: 9 * 60 * 5)
    with pytest.raises(BadInput, match="the images take more memory than there is") as refused:
        load(root)
    assert len(decoded) == 6 and str(refused.value.where) == str(root)
