"""From the spec's `data` to a data set: find the source, read it, tell inputs from the target."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.dataset import Dataset
from tasks.datasets.bundled import read_bundled
from tasks.datasets.catalogue import CATALOGUE, Entry
from tasks.datasets.columns import as_input, as_target, seconds
from tasks.datasets.delimited import read_delimited
from tasks.datasets.digest import ContentDigest
from tasks.datasets.fetch import Progress, fetch
from tasks.datasets.idx import find_idx, read_idx_files
from tasks.datasets.parquet import ParquetTable, holds_parquet, open_parquet
from tasks.datasets.streamed import decide, stream
from tasks.errors import BadInput, nearest
from tasks.spec.models import Data, Read

_KINDS = "a file in .csv, .tsv, .csv.gz, .tsv.gz or .parquet, or a folder of Parquet files or of the four IDX files"
_TEXT_ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
_LABEL = "label"  # the only column beside images


@dataclass(frozen=True)
class _Source:
    """What was read, before any column is interpreted. The frame's index counts the source's rows from 0."""

    name: str
    shown: str
    entry: Entry
    address: str
    frame: pd.DataFrame | ParquetTable
    images: np.ndarray | None = None
    given_part: np.ndarray | None = None
    notes: tuple[str, ...] = ()


def load_dataset(data: Data, *, home: Path, progress: Progress | None = None, base: Path | None = None) -> Dataset:
    """The data set that a spec describes, in memory; Parquet that would need more of it than `data.memory` is streamed.

    The source is a name of the catalogue, else a path relative to `base`, else to the current folder.

    Args:
        data: The spec's part about data.
        home: The home folder; downloads are kept in `cache/datasets/NAME` below it.
        progress: Told how far a download is.
        base: The folder of the spec.

    Raises:
        BadInput: the source, or what the spec says of it, is wrong; the message says where.
    """
    source = _sampled(_read(data, home, progress, base), data)
    entry, notes = source.entry, list(source.notes)
    target_name = _target_name(data, source)
    steering = _steering(data, source)
    _check_names(data, source, target_name)

    frame = source.frame
    labelled = frame[target_name].notna().to_numpy()
    if not labelled.all():
        notes.append(f"{int((~labelled).sum()):,} rows without {target_name} left out")
    if not labelled.any():
        raise BadInput("the target has no value in any row", where=f"{source.shown}, column {target_name}")
    frame = frame.take(np.flatnonzero(labelled))
    own_target = target_name == (entry.target or _LABEL)
    target_where = f"{source.shown}, column {target_name}"
    target, classes = as_target(frame[target_name], target_where, data.task, entry.names if own_target else None)

    dataset = Dataset(
        name=source.name,
        table=pd.DataFrame(),
        target=target,
        target_name=target_name,
        classes=classes,
        digest="",
        images=None if source.images is None else source.images[labelled],
        given_part=None if source.given_part is None else source.given_part[labelled],
        extras=pd.DataFrame({name: frame[name] for name in steering}, index=frame.index).reset_index(drop=True),
        group=entry.group if entry.group in steering else None,
        source=source.address,
        licence=entry.licence,
    )
    chosen = _chosen(frame.columns, data, target_name, steering)
    sampling = decide(dataset, frame, chosen, data) if isinstance(frame, ParquetTable) else None
    digest = ContentDigest()
    table, input_notes = _inputs(frame, chosen, data, source, digest, None if sampling is None else sampling.rows)
    dataset = replace(
        dataset,
        table=table,
        digest=digest.finish(target, target_name, classes, dataset.images, dataset.given_part, dataset.extras),
        notes=(*notes, *input_notes, *entry.notes),
    )
    if sampling is not None and isinstance(frame, ParquetTable):
        return stream(dataset, frame, sampling, home / "cache" / "streamed")
    return dataset


def _read(data: Data, home: Path, progress: Progress | None, base: Path | None) -> _Source:
    if data.source in CATALOGUE:
        return _read_entry(data, CATALOGUE[data.source], home, progress)
    path = _path(data.source, base)
    name = data.source.rstrip("/").rpartition("/")[2]
    if path.name.lower().endswith(".parquet") or (path.is_dir() and holds_parquet(path)):
        _refuse_read(data, "Parquet")
        table, notes = open_parquet(path, data.source)
        return _Source(name, data.source, Entry(), data.source, table, notes=notes)
    _refuse_memory(data)
    if path.is_dir():
        _refuse_read(data, "a folder of IDX files")
        files = find_idx(path, data.source)
        images, labels, part = read_idx_files([(file, f"{data.source.rstrip('/')}/{file.name}") for file in files])
        return _Source(name, data.source, Entry(), data.source, pd.DataFrame({_LABEL: labels}), images, part)
    if path.name.lower().endswith(_TEXT_ENDINGS):
        frame, notes = _without_row_numbers(read_delimited(path, data.read, data.source))
        return _Source(name, data.source, Entry(), data.source, frame, notes=notes)
    raise BadInput("files of this kind are not read", where="data.source", got=data.source, accepted=_KINDS)


def _path(source: str, base: Path | None) -> Path:
    """The existing path that `source` means: beside the spec, else in the current folder."""
    paths = [folder / Path(source).expanduser() for folder in (base, Path()) if folder is not None]
    for path in paths:
        if os.path.exists(path):  # noqa: PTH110 - unlike Path.exists, also False where the name can't be one
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


def _read_entry(data: Data, entry: Entry, home: Path, progress: Progress | None) -> _Source:
    _refuse_read(data, "a data set of the catalogue: how it is read is known")
    _refuse_memory(data)
    name = data.source
    if entry.bundled:
        frame, images = read_bundled(entry.bundled, entry.target)
        return _Source(name, name, entry, f"scikit-learn: sklearn.datasets.{entry.bundled}", frame, images)
    paths = [fetch(file, home / "cache" / "datasets" / name, progress) for file in entry.files]
    address = ", ".join(file.addresses[0] for file in entry.files)
    if entry.images:
        images, labels, part = read_idx_files([(path, path.name) for path in paths])
        return _Source(name, name, entry, address, pd.DataFrame({_LABEL: labels}), images, part)
    frames = [read_delimited(path, entry.read, path.name).rename(columns=entry.rename) for path in paths]
    parts = [np.repeat(file.part or "", len(frame)) for file, frame in zip(entry.files, frames, strict=True)]
    frame = pd.concat(frames, ignore_index=True)
    changes = {column: seconds(frame[column], f"{name}, column {column}") for column in entry.clock}
    if entry.target_suffix and entry.target:
        changes[entry.target] = frame[entry.target].str.removesuffix(entry.target_suffix).astype(object)
    given_part = np.concatenate(parts) if entry.files[0].part else None
    return _Source(name, name, entry, address, frame.assign(**changes), given_part=given_part)


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


def _sampled(source: _Source, data: Data) -> _Source:
    """A seeded random sample of `data.rows` rows, in the source's order."""
    rows = len(source.frame)
    if data.rows is None or data.rows >= rows:
        return source
    chosen = np.sort(np.random.default_rng(data.split.seed).choice(rows, data.rows, replace=False))
    return replace(
        source,
        frame=source.frame.take(chosen),
        images=None if source.images is None else source.images[chosen],
        given_part=None if source.given_part is None else source.given_part[chosen],
        notes=(*source.notes, f"a random sample of {data.rows:,} of its {rows:,} rows"),
    )


def _target_name(data: Data, source: _Source) -> str:
    own = _LABEL if source.images is not None else source.entry.target
    name = data.target or own
    if name is None:
        raise BadInput(
            "says nothing about what is to be predicted",
            where="data.target",
            accepted=_nearest_column("", source.frame.columns),
            remedy="name the target's column",
        )
    if name not in source.frame.columns:
        accepted = _nearest_column(name, source.frame.columns)
        raise BadInput(f"{source.shown} has no such column", where="data.target", got=name, accepted=accepted)
    return name


def _steering(data: Data, source: _Source) -> list[str]:
    """The columns that steer the split: the spec's, else the catalogue's."""
    ways = [name for name in (data.split.group, data.split.time, data.split.given) if name is not None]
    return ways or ([source.entry.group] if source.entry.group else [])


def _check_names(data: Data, source: _Source, target_name: str) -> None:
    """Every column that the spec names exists and is used for one thing.

    Raises:
        BadInput: one does not, or the target is used as something else too.
    """
    split = data.split
    named = [("data.features", name) for name in data.features or []]
    named += [("data.drop", name) for name in data.drop]
    ways = {"group": split.group, "time": split.time, "given": split.given}
    named += [(f"data.split.{way}", name) for way, name in ways.items() if name is not None]
    for where, name in named:
        if source.images is not None:
            raise BadInput("has no effect on images: they have no columns", where=where, got=name, remedy="take it out")
        if name not in source.frame.columns:
            accepted = _nearest_column(name, source.frame.columns)
            raise BadInput(f"{source.shown} has no such column", where=where, got=name, accepted=accepted)
        if name == target_name:
            raise BadInput("names the target", where=where, got=name, remedy="take it out, or choose another target")


def _chosen(columns: Iterable[str], data: Data, target_name: str, steering: list[str]) -> list[str]:
    """The columns that are to be inputs, in the source's order."""
    others = (target_name, *data.drop, *steering)
    if data.features is not None:
        return [name for name in columns if name in data.features]
    return [name for name in columns if name not in others]


def _inputs(
    frame: pd.DataFrame | ParquetTable,
    chosen: list[str],
    data: Data,
    source: _Source,
    digest: ContentDigest,
    sample: np.ndarray | None,
) -> tuple[pd.DataFrame, list[str]]:
    """The columns a model gets, and notes on those left out or read unexpectedly.

    One column after the other is read whole, which decides how it is read, and enters the digest.

    Args:
        sample: Positions of the rows that are kept; None: all.
    """
    notes, columns = [], {}
    leave_out = source.entry.leave_out
    for name in chosen:
        if name in leave_out and data.features is None:
            notes.append(f"{name} left out: it {leave_out[name]}")
            continue
        if name in leave_out:
            notes.append(f"{name} is an input since data.features names it, but it {leave_out[name]}")
        column, note = as_input(frame[name], f"{source.shown}, column {name}")
        if column is None and data.features is not None:
            raise BadInput(f"column {name} can't be an input: it {note}", where="data.features", got=name)
        if column is not None:
            digest.add_column("input", name, column)
            columns[name] = column if sample is None else column.iloc[sample]
        if note:
            notes.append(f"{name} {note}" + (": left out" if column is None else ""))
    if not columns and source.images is None:
        raise BadInput(
            "no column is left as an input",
            where=source.shown,
            got="; ".join(notes) or f"its columns: {', '.join(frame.columns)}",
            remedy="see data.drop and data.features",
        )
    index = frame.index if sample is None else frame.index[sample]
    return pd.DataFrame(columns, index=index).reset_index(drop=True), notes


def _nearest_column(name: str, columns: Iterable[str]) -> str:
    """As `nearest`, but of a wide table only the columns with the most similar names."""
    columns = list(columns)
    if len(columns) <= 30:
        return nearest(name, columns)
    close = difflib.get_close_matches(name, columns, n=5, cutoff=0.4) or columns[:5]
    return f"one of its {len(columns)} columns, such as {', '.join(close)}"
