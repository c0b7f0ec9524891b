"""Finds and reads what `data.source` names: a frame of its values, and images or sounds if it holds those."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from tasks.datasets import excel, images, made, sounds
from tasks.datasets.bundled import read_bundled
from tasks.datasets.catalogue import CATALOGUE, SAME_TEXT, Entry
from tasks.datasets.class_files import ClassFile, class_files
from tasks.datasets.columns import seconds
from tasks.datasets.delimited import read_delimited, undecodable
from tasks.datasets.faults import Fault, settle
from tasks.datasets.fetch import Progress, fetch
from tasks.datasets.idx import find_idx, read_idx_files
from tasks.datasets.npz import read_npz
from tasks.datasets.parquet import ParquetTable, holds_parquet, open_parquet
from tasks.datasets.stored_files import ARCHIVES, list_files, read_files
from tasks.datasets.unpacking import check_regular
from tasks.errors import BadInput, nearest
from tasks.spec.data import Data, Read

LABEL = "label"
"""The target's column beside images and sounds."""

_KINDS = (
    "a file in .csv, .tsv, .csv.gz, .tsv.gz, .xlsx, .xls, .parquet or .npz; a folder (or .tar.gz, .zip) with one "
    "folder of images or WAV files for each class; or a folder of Parquet files or of the four IDX files"
)
_TEXT_ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz")


@dataclass(frozen=True)
class Source:
    """What was read, before any column is interpreted. The frame's index counts the source's rows from 0.

    Args:
        shown: The source's name as the user writes it, for messages.
        frame: All columns; beside images or sounds `label` and what is known of each file.
        images, sounds, rate, given_part: As in `Dataset`.
        labels: Whether the target's values are class labels even if they look like numbers: folder names, IDX labels.
        notes: What the reader noticed.
    """

    name: str
    shown: str
    entry: Entry
    address: str
    frame: pd.DataFrame | ParquetTable
    images: np.ndarray | None = None
    sounds: np.ndarray | None = None
    rate: int | None = None
    given_part: np.ndarray | None = None
    labels: bool = False
    notes: tuple[str, ...] = ()

    @property
    def media(self) -> str | None:
        """`images` or `sounds` where these are the inputs, else None."""
        return "images" if self.images is not None else "sounds" if self.sounds is not None else None

    def of_rows(self, rows: np.ndarray) -> Self:
        """These rows only: positions int64, ascending, or a mask."""
        return replace(
            self,
            frame=self.frame.take(np.flatnonzero(rows) if rows.dtype == bool else rows),
            images=None if self.images is None else self.images[rows],
            sounds=None if self.sounds is None else self.sounds[rows],
            given_part=None if self.given_part is None else self.given_part[rows],
        )


def read_source(data: Data, home: Path, progress: Progress | None, base: Path | None) -> Source:
    """Reads the catalogue's data set, file or folder that `data.source` names; arguments as in `load_dataset`.

    Raises:
        BadInput: there is no such source, it can't be read, or `data` asks for what does not apply to it.
    """
    if data.source in CATALOGUE:
        source = _read_entry(data, CATALOGUE[data.source], home, progress)
    else:
        source = _read_path(data, _path(data.source, base))
    if data.seconds is not None and source.sounds is None:
        raise BadInput("has no effect: these data are no sounds", where="data.seconds", remedy="take it out")
    return source


def check_source(data: Data, base: Path | None) -> None:
    """Checks that the source exists: as a name of the catalogue, or as a path.

    Raises:
        BadInput: it is neither.
    """
    if data.source not in CATALOGUE:
        _path(data.source, base)


def small_table(data: Data, base: Path | None) -> bool:
    """Whether the source is a table in a text file that is read in well under a second."""
    if data.source in CATALOGUE or not data.source.lower().endswith(_TEXT_ENDINGS):
        return False
    path = _path(data.source, base)
    return delimited(path) and path.stat().st_size <= (_SMALL // 5 if path.suffix.lower() == ".gz" else _SMALL)


def delimited(path: Path) -> bool:
    """Whether a path is a file of delimited text."""
    return path.is_file() and path.name.lower().endswith(_TEXT_ENDINGS)


_SMALL = 1_000_000
"""The most bytes of a small table; a fifth of that for a compressed one."""


def _read_path(data: Data, path: Path) -> Source:
    shown = data.source.rstrip("/")
    unread = Source(shown.rpartition("/")[2], data.source, Entry(), data.source, pd.DataFrame())
    name = path.name.lower()
    if name.endswith(".parquet") or (path.is_dir() and holds_parquet(path)):
        _refuse_read(data, "Parquet")
        table, notes = open_parquet(path, data.source)
        return replace(unread, frame=table, notes=notes)
    _refuse_memory(data)
    if path.is_dir() and any("-ubyte" in file.name for file in path.iterdir()):
        _refuse_read(data, "a folder of IDX files")
        pictures, labels, part = read_idx_files([(f, f"{shown}/{f.name}") for f in find_idx(path, data.source)])
        return replace(unread, frame=pd.DataFrame({LABEL: labels}), images=pictures, given_part=part, labels=True)
    if path.is_dir() or name.endswith(ARCHIVES):
        _refuse_read(data, "a folder of images or sounds")
        return _read_class_files(data, path, unread)
    if name.endswith(".npz"):
        _refuse_read(data, "NumPy archives")
        x, labels, given = read_npz(path, data.source)
        frame = pd.DataFrame({LABEL: pd.Series(labels, dtype=object if labels.dtype.kind == "U" else labels.dtype)})
        if x.ndim == 4:
            return replace(unread, frame=frame, images=x, given_part=given)
        columns = pd.DataFrame(x, columns=[f"x{i}" for i in range(1, x.shape[1] + 1)])
        return replace(unread, entry=Entry(target=LABEL), frame=columns.join(frame), given_part=given)
    if name.endswith(excel.ENDINGS):
        frame, sheets = excel.read_excel(path, data.read, data.source, texts=data.texts)
        frame, notes = _without_row_numbers(frame)
        return replace(unread, frame=frame, notes=(*sheets, *notes))
    if name.endswith(_TEXT_ENDINGS):
        frame, skipped = _read_delimited(path, data.read, data.source, data, data.texts)
        frame, notes = _without_row_numbers(frame)
        return replace(unread, frame=frame, notes=(*skipped, *notes))
    raise BadInput("files of this kind are not read", where="data.source", got=data.source, accepted=_KINDS)


def _path(source: str, base: Path | None) -> Path:
    """The existing path that `source` means: beside the spec, else in the current folder."""
    try:
        named = Path(source).expanduser()
    except RuntimeError:
        raise BadInput("there is no such user", where="data.source", got=source, remedy="write the path out") from None
    paths = [folder / named for folder in (base, Path()) if folder is not None]
    for path in paths:
        if os.path.exists(path):  # noqa: PTH110 - unlike Path.exists, also False where the name can't be one
            check_regular(path, source, "data.source")
            return path
    if "/" not in source and "." not in source:
        accepted = f"{nearest(source, CATALOGUE)}; or {_KINDS}"
        raise BadInput("no such data set", where="data.source", got=source, accepted=accepted)
    folders = [path.parent for path in paths if os.path.isdir(path.parent)]  # noqa: PTH112
    beside = {file.name for folder in folders for file in folder.iterdir()}
    close = difflib.get_close_matches(paths[0].name, sorted(beside), n=1)
    raise BadInput(
        "no such file or folder",
        where="data.source",
        got=source,
        accepted=f"did you mean {close[0]}? {_KINDS}" if close else _KINDS,
        remedy="paths start at the spec's folder, or at the current one",
    )


def _read_entry(data: Data, entry: Entry, home: Path, progress: Progress | None) -> Source:
    _refuse_read(data, "a data set of the catalogue: how it is read is known")
    _refuse_memory(data)
    name = data.source
    unread = Source(name, name, entry, "", pd.DataFrame())
    if entry.made:
        return replace(unread, address=f"made by: tasks.datasets.made.{entry.made}", frame=getattr(made, entry.made)())
    if entry.bundled:
        frame, pictures = read_bundled(entry.bundled, entry.target)
        return replace(unread, address=f"scikit-learn: sklearn.datasets.{entry.bundled}", frame=frame, images=pictures)
    paths = [fetch(file, home / "cache" / "datasets" / name, progress) for file in entry.files]
    unread = replace(unread, address=", ".join((*file.addresses, f"made by: {file.made}")[0] for file in entry.files))
    if entry.form == "idx":
        pictures, labels, part = read_idx_files([(path, path.name) for path in paths])
        return replace(unread, frame=pd.DataFrame({LABEL: labels}), images=pictures, given_part=part, labels=True)
    if entry.form == "sprites":
        *sprites, labels_file = paths
        pictures = images.read_sprites([(path.name, path.read_bytes()) for path in sprites], side=32)
        return replace(unread, frame=pd.DataFrame({LABEL: _labels(labels_file, len(pictures))}), images=pictures)
    if entry.form == "clips":
        return _read_named_clips(data, paths[0], unread)
    frames = [
        _read_delimited(path, entry.read, path.name, data, [entry.text] if entry.text else [])[0].rename(
            columns=entry.rename
        )
        for path in paths
    ]
    parts = [np.repeat(file.part or "", len(frame)) for file, frame in zip(entry.files, frames, strict=True)]
    frame = pd.concat(frames, ignore_index=True)
    changes = {column: seconds(frame[column], f"{name}, column {column}") for column in entry.clock}
    if entry.target_suffix and entry.target:
        changes[entry.target] = frame[entry.target].str.removesuffix(entry.target_suffix).astype(object)
    if entry.text and entry.group == SAME_TEXT:
        changes[SAME_TEXT] = frame[entry.text].map(_gist).astype(object)
    given_part = np.concatenate(parts) if entry.files[0].part else None
    return replace(unread, frame=frame.assign(**changes), given_part=given_part)


def _read_delimited(
    path: Path, read: Read, shown: str, data: Data, texts: Sequence[str]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The file's rows, and a note on those that are not UTF-8, where the spec says to skip them."""
    if data.unreadable == "block":
        return read_delimited(path, read, shown, texts=texts), ()
    frame = read_delimited(path, read, shown, texts=texts, keep_undecodable=True)
    broken = undecodable(frame)
    faults = [Fault(f"row {row + 1}", "is not UTF-8") for row in np.flatnonzero(broken)]
    return frame[~broken], settle(faults, len(frame), "rows", shown, data.unreadable)


def _read_class_files(data: Data, path: Path, unread: Source) -> Source:
    """Images or WAV files, one folder for each class."""
    paths = list_files(path, data.source)
    of_kind = {
        "images": [each for each in paths if each.lower().endswith(images.ENDINGS)],
        "sounds": [each for each in paths if each.lower().endswith(sounds.ENDINGS)],
    }
    if not any(of_kind.values()):
        raise BadInput(
            "holds neither images nor sounds",
            where=data.source,
            got=", ".join(paths[:3]) or "no files",
            accepted=f"class/file in {', '.join((*images.ENDINGS, *sounds.ENDINGS))}; Parquet files; four IDX files",
        )
    if all(of_kind.values()):
        counts = " and ".join(f"{len(found):,} {kind}" for kind, found in of_kind.items())
        raise BadInput("holds images and sounds", where=data.source, got=counts, accepted="one of them")
    ((kind, found),) = ((kind, found) for kind, found in of_kind.items() if found)
    others = len(paths) - len(found)
    files = class_files(found, data.source)
    return _read_media(data, path, files, replace(unread, notes=_others(others, kind)), kind)[0]


def _others(others: int, kind: str) -> tuple[str, ...]:
    return (f"{others:,} files that are no {kind} passed over",) if others else ()


def _read_named_clips(data: Data, path: Path, unread: Source) -> Source:
    """Reads WAV files of a catalogue's archive. Their names give the columns; some values of one column make the test
    part."""
    entry = unread.entry
    pattern = re.compile(entry.clip_names)
    named = {name: match for name in list_files(path, path.name) if (match := pattern.search(name))}
    column, values = entry.test_clips
    files = [
        ClassFile(name, match[LABEL], "test" if match[column] in values else "train") for name, match in named.items()
    ]
    source, used = _read_media(data, path, files, unread, "sounds")
    columns = {group: [named[file.path][group] for file in used] for group in pattern.groupindex}
    return replace(source, frame=pd.DataFrame(columns, dtype=object))


def _read_media(
    data: Data, path: Path, files: list[ClassFile], unread: Source, kind: str
) -> tuple[Source, list[ClassFile]]:
    """Decodes files; unusable ones are refused or skipped. Returns the source, whose frame holds `label`, and each
    row's file."""
    by_path = {file.path: file for file in files}
    contents = read_files(path, set(by_path), data.source)
    if kind == "images":
        usable, pictures, faults = images.read_images(contents, shown=data.source)
        decoded = replace(unread, images=pictures, labels=True)
    else:
        usable, clips, rate, faults = sounds.read_sounds(contents)
        decoded = replace(unread, rate=rate, labels=True)
    notes = [*unread.notes, *settle(faults, len(files), kind, data.source, data.unreadable)]
    if kind == "sounds":
        samples, lengths = sounds.of_one_length(clips, rate, data.seconds, data.source)
        decoded = replace(decoded, sounds=samples)
        notes += lengths
    used = [by_path[each] for each in usable]
    parts = np.array([file.part for file in used], object)
    frame = pd.DataFrame({LABEL: [file.label for file in used]}, dtype=object)
    given = parts.astype(str) if (parts != None).all() else None  # noqa: E711 - element by element
    return replace(decoded, frame=frame, given_part=given, notes=tuple(notes)), used


def _labels(path: Path, count: int) -> list[int]:
    """The first labels of a list in brackets (JavaScript), or of a table's column `label`."""
    if path.suffix == ".csv":
        return read_delimited(path, Read(), path.name)[LABEL].astype(int).tolist()[:count]
    return [int(number) for number in re.findall(r"\d+", path.read_text())][:count]


def _gist(text: str | None) -> str | None:
    """A key shared by texts that differ only in case, punctuation and blanks: the model could not tell them apart."""
    if text is None:
        return None
    words = re.sub(r"[^\w\s]|_", "", text.casefold()).split()
    return hashlib.sha256(" ".join(words).encode()).hexdigest()[:12]


def _refuse_read(data: Data, what: str) -> None:
    if data.read != Read():
        raise BadInput(f"has no effect on {what}", where="data.read", remedy="take it out")


def _refuse_memory(data: Data) -> None:
    if data.memory is not None:
        raise BadInput(
            "has no effect here: only Parquet is streamed",
            where="data.memory",
            got=f"data.source: {data.source}",
            remedy="write the data as Parquet, or take data.memory out",
        )


def _without_row_numbers(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Drops the nameless first column that pandas and R write when they save row numbers."""
    numbers = np.arange(len(frame) + 1).astype(str)
    first = frame.columns[0]
    if first == "unnamed_1" and any(list(frame[first]) == list(numbers[i : i + len(frame)]) for i in (0, 1)):
        return frame.drop(columns=first), ("the nameless first column holds row numbers: left out",)
    return frame, ()
