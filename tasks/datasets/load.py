"""From the spec's `data` to a data set: read the source, tell inputs from the target."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.dataset import Dataset, Input
from tasks.datasets.columns import Reading, as_input, as_quantity, as_written, inputs_of, reading_of
from tasks.datasets.dates import instants
from tasks.datasets.digest import ContentDigest
from tasks.datasets.facts import of_input, of_other, of_text
from tasks.datasets.faults import Fault, settle
from tasks.datasets.fetch import Progress
from tasks.datasets.named_rows import MISSING_TEXTS
from tasks.datasets.parquet import ParquetTable
from tasks.datasets.positive import named
from tasks.datasets.sources import LABEL, Source, read_source
from tasks.datasets.streamed import decide, stream
from tasks.datasets.targets import Target, as_target, few_whole_numbers, joined
from tasks.errors import BadInput, nearest
from tasks.evaluation.metrics import CLASSIFICATION, REGRESSION
from tasks.kinds import KINDS, kinds_of
from tasks.preprocessing.tables import IMAGE as IMAGE_INPUT
from tasks.preprocessing.tables import SOUND as SOUND_INPUT
from tasks.preprocessing.texts import WORDS
from tasks.spec.data import Column, Data


def load_dataset(
    data: Data,
    *,
    home: Path,
    progress: Progress | None = None,
    base: Path | None = None,
    implied_task: str | None = None,
) -> Dataset:
    """Loads the data set that a spec describes. It is held in memory; Parquet that needs more than `data.memory` is
    streamed.

    The source is a name of the catalogue, else a path relative to `base`, else to the current folder.

    Args:
        data: The spec's part about data.
        home: The home folder; downloads are kept in `cache/datasets/NAME` below it.
        progress: Called with how far a download is.
        base: The folder of the spec.
        implied_task: The task of the spec's metrics. It decides where the target's values could be classes or a
            quantity.

    Raises:
        BadInput: the source, or what the spec says of it, is wrong; the message says where.
    """
    source = _sampled(read_source(data, home, progress, base), data)
    target_name, steering = _target_name(data, source), _steering(data, source)
    _check_names(data, source, target_name)
    texts = _texts(data, source)
    chosen = _chosen(source.frame.columns, data, target_name, steering)
    text = texts[0] if len(texts) == 1 and _alone(texts[0], source, data, chosen) else None
    _check_texts(data, texts)
    source, notes = _usable(source, data, target_name, text)
    source, labels, of_others = _labelled(source, data, target_name)
    notes += of_others

    entry, frame = source.entry, source.frame
    target, of_target = _target(labels, data, source, target_name, implied_task)
    dataset = Dataset(
        name=source.name,
        table=pd.DataFrame(index=range(len(target.values))),
        target=target.values,
        target_name=target_name,
        classes=target.classes,
        digest="",
        medium=_medium(source, text, data),
        given_part=source.given_part,
        extras=pd.DataFrame(
            {name: _steering_values(frame[name], data, source, name) for name in steering}, index=frame.index
        ).reset_index(drop=True),
        group=entry.group if entry.group in steering else None,
        source=source.address,
        licence=entry.licence,
        positive=named(target.classes, data.positive),
        notes=(*notes, *of_target),
    )
    if dataset.medium is not None:
        described, of_left_out = _beside_text(source, text, chosen, data, target_name, steering) if text else ([], [])
        said = (*dataset.notes, *of_left_out, *entry.notes)
        return replace(dataset, columns=described, notes=said, digest=ContentDigest().finish(dataset))

    return _with_columns(dataset, source, data, chosen, texts, steering, home)


def _with_columns(
    dataset: Dataset,
    source: Source,
    data: Data,
    chosen: list[str],
    texts: Sequence[str],
    steering: list[str],
    home: Path,
) -> Dataset:
    """Adds the input columns to the data set, in memory or streamed."""
    frame = source.frame
    sampling = decide(dataset, frame, chosen, data) if isinstance(frame, ParquetTable) and not texts else None
    digest = ContentDigest()
    table, readings, described, input_notes = _inputs(
        frame, chosen, texts, data, source, digest, None if sampling is None else sampling.rows
    )
    dataset = replace(
        dataset,
        table=table,
        kinds=kinds_of(table)
        | {name: KINDS["unscaled"] for name in table.columns if _unscaled(data, str(name))}
        | dict.fromkeys(texts, KINDS[data.tokens or WORDS]),
        columns=[*described, *_others(frame, chosen, dataset.target_name, steering)],
        written=frame.reset_index(drop=True) if isinstance(frame, pd.DataFrame) else pd.DataFrame(),
        digest=digest.finish(dataset),
        notes=(*dataset.notes, *input_notes, *source.entry.notes),
    )
    if sampling is not None and isinstance(frame, ParquetTable):
        return stream(dataset, frame, readings, sampling, home / "cache" / "streamed")
    return dataset


def _target(
    labels: pd.Series, data: Data, source: Source, target_name: str, implied_task: str | None
) -> tuple[Target, list[str]]:
    """The target's values, and notes on how they were read."""
    where = f"{source.shown}, column {target_name}"
    quantity_note = None
    if data.classes is None and data.task != CLASSIFICATION and not source.labels:
        meant, task = data.columns.get(target_name), data.task or implied_task
        numbers, quantity_note = as_quantity(labels.rename(target_name), where, meant, data.read)
        if quantity_note is None or meant is not None or task == REGRESSION or not few_whole_numbers(numbers):
            labels = numbers
        else:
            quantity_note = None  # these are classes, named as the file writes them
    target = as_target(
        labels,
        where,
        task=data.task,
        implied=implied_task,
        order=list(data.spellings) or None,
        names=None if data.classes else _class_names(source, target_name),
        labels=source.labels,
    )
    return target, [f"{target_name}: {note}" for note in (quantity_note, *target.notes) if note]


def _medium(source: Source, text: str | None, data: Data) -> Input | None:
    """The only input if it is texts, images or sounds; None for columns."""
    if text is not None:
        texts = source.frame[text].reset_index(drop=True).rename(text)
        return Input(text, KINDS["text"], texts, tokens=data.tokens or WORDS)
    if source.images is not None:
        return Input(IMAGE_INPUT, KINDS["image"], source.images)
    if source.sounds is not None:
        return Input(SOUND_INPUT, KINDS["sound"], source.sounds, rate=source.rate)
    return None


def _usable(source: Source, data: Data, target_name: str, text: str | None) -> tuple[Source, list[str]]:
    """Keeps the rows that have a target and, where a text is the only input, a text. Returns them with all notes so
    far.

    Raises:
        BadInput: no row has a target, or texts are blank and the spec does not say to skip them.
    """
    notes = list(source.notes)
    labelled = source.frame[target_name].notna().to_numpy()
    if not labelled.any():
        raise BadInput("the target has no value in any row", where=f"{source.shown}, column {target_name}")
    if not labelled.all():
        notes.append(
            f"{int((~labelled).sum()):,} rows without {target_name} left out{_as_missing(source, target_name)}"
        )
    source = source.of_rows(labelled)
    if text is None:
        return source, notes
    where = f"{source.shown}, column {text}"
    column = source.frame[text]
    present = column.dropna()
    if not present.map(lambda value: isinstance(value, str)).all():
        raise BadInput("holds no text", where=where, got=str(present.iloc[0]), remedy="name a column of texts")
    written = column.notna().to_numpy() & column.fillna("").str.strip().ne("").to_numpy(bool)
    faults = [Fault(f"row {row + 1}", "is blank") for row in source.frame.index[~written]]
    notes += settle(faults, len(column), "texts", where, data.unreadable)
    return source.of_rows(written), notes


def _beside_text(
    source: Source, text: str, chosen: Sequence[str], data: Data, target_name: str, steering: list[str]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Entries of `Dataset.columns` where a text is the only input, and notes on the columns that no model could use."""
    frame, leave_out = source.frame, source.entry.leave_out
    described, notes = [of_text(frame[text], text, frame)], []
    for name in chosen:
        if name == text or name in leave_out:
            continue
        raw = frame[name].rename(name)
        reading = reading_of(raw, f"{source.shown}, column {name}", data.columns.get(name), data.read)
        described.append(of_input(raw, name, reading, [], frame))
        notes.append(f"{name} {reading.note}: left out")
    read = [name for name in chosen if name not in leave_out]
    return [*described, *_others(frame, read, target_name, steering)], notes


def _others(
    frame: pd.DataFrame | ParquetTable, read: list[str], target_name: str, steering: list[str]
) -> list[dict[str, Any]]:
    """Entries of `Dataset.columns` for the columns that were not `read` as inputs; those of a Parquet file are listed
    without being read."""
    found, used = [], set(read)
    for name in frame.columns:
        if name in used and name not in (target_name, *steering):
            continue
        column = frame[name] if isinstance(frame, pd.DataFrame) else None
        if name == target_name:
            found.append(
                of_other(column, name, "target", "data.target, or the catalogue's", "what is predicted", frame)
            )
        elif name in steering:
            found.append(of_other(column, name, "split", "data.split, or the catalogue's", "divides the rows", frame))
        elif name not in used:
            found.append(of_other(column, name, "ignore", "not among the inputs", "no input", frame))
    return found


def _steering_values(column: pd.Series, data: Data, source: Source, name: str) -> pd.Series:
    """A column that steers the split: unchanged, or in ISO 8601 where the spec says that it holds dates."""
    meant = data.columns.get(name)
    if meant is None or meant.kind != "date":
        return column
    reading = reading_of(column.rename(name), f"{source.shown}, column {name}", meant, data.read)
    written = instants(as_written(column), reading.form).dt.strftime("%Y-%m-%dT%H:%M:%S")
    return written.astype(object).where(column.notna(), None)


def _as_missing(source: Source, name: str) -> str:
    """Says which texts of a column were taken as missing; "" if only empty ones were."""
    texts = source.frame.attrs.get(MISSING_TEXTS, {}).get(name, {}) if isinstance(source.frame, pd.DataFrame) else {}
    words = [f"{text!r} in {count:,}" for text, count in texts.items() if text]
    if not words:
        return ""
    return f": {', '.join(words)} of them is taken as no value (if it is a class: data.read.missing: [''])"


def _class_names(source: Source, target_name: str) -> Mapping[str, str] | None:
    """The catalogue's class names for its own target, if it has some."""
    return source.entry.names if target_name == (source.entry.target or LABEL) else None


def _labelled(source: Source, data: Data, target_name: str) -> tuple[Source, pd.Series, tuple[str, ...]]:
    """Keeps the rows of the classes that the spec lists (all rows if it has no list). Returns them, their labels under
    the names that the catalogue and the spec give, and a note on the other rows."""
    column = source.frame[target_name]
    if data.classes is None:
        return source, column, ()
    labels, names = as_written(column), _class_names(source, target_name)
    labels = labels.map(names).fillna(labels) if names else labels
    joint, kept, notes = joined(labels, data.spellings, f"{source.shown}, column {target_name}")
    return source.of_rows(kept), joint[kept], notes


def _check_texts(data: Data, texts: Sequence[str]) -> None:
    """Refuses keys without effect: `data.tokens` if no column is a text, and `data.memory` if one is."""
    if not texts and data.tokens is not None:
        raise BadInput("has no effect: no column is read as text", where="data.tokens", remedy="name it in data.text")
    if texts and data.memory is not None:
        raise BadInput(
            "has no effect on texts: they are held in memory",
            where="data.memory",
            got=f"data.text: {', '.join(texts)}",
            remedy="take it out; data.rows uses a sample",
        )


def _texts(data: Data, source: Source) -> list[str]:
    """The columns of free text: the spec's, else the catalogue's unless the spec chooses or drops inputs."""
    if data.texts and source.media is not None:
        got = ", ".join(data.texts)
        raise BadInput(f"has no effect on {source.media}", where="data.text", got=got, remedy="take it out")
    for name in data.texts:
        if name not in source.frame.columns:
            accepted = _nearest_column(name, source.frame.columns)
            raise BadInput(f"{source.shown} has no such column", where="data.text", got=name, accepted=accepted)
    if data.texts or source.entry.text is None or data.features is not None or source.entry.text in data.drop:
        return data.texts
    return [source.entry.text]


def _alone(text: str, source: Source, data: Data, chosen: Sequence[str]) -> bool:
    """Whether a text is the only input, because no model could use any other column."""
    leave_out = source.entry.leave_out if data.features is None else {}
    others = [name for name in chosen if name != text and name not in leave_out]
    return all(
        reading_of(
            source.frame[name].rename(name), f"{source.shown}, column {name}", data.columns.get(name), data.read
        ).kind
        == "ignore"
        for name in others
    )


def _sampled(source: Source, data: Data) -> Source:
    """A seeded random sample of `data.rows` rows, in the source's order."""
    rows = len(source.frame)
    if data.rows is None or data.rows >= rows:
        return source
    chosen = np.sort(np.random.default_rng(data.split.seed).choice(rows, data.rows, replace=False))
    sampled = source.of_rows(chosen)
    return replace(sampled, notes=(*source.notes, f"a random sample of {data.rows:,} of its {rows:,} rows"))


def _target_name(data: Data, source: Source) -> str:
    own = LABEL if source.media is not None else source.entry.target
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


def _steering(data: Data, source: Source) -> list[str]:
    """The columns that steer the split: the spec's, else the catalogue's."""
    ways = [name for name in (data.split.group, data.split.time, data.split.given) if name is not None]
    return ways or ([source.entry.group] if source.entry.group else [])


def _check_names(data: Data, source: Source, target_name: str) -> None:
    """Checks that every column that the spec names exists and is used for one thing.

    Raises:
        BadInput: a column does not exist, or the target is used as something else too.
    """
    split = data.split
    named = [("data.features", name) for name in data.features or []]
    named += [("data.drop", name) for name in data.drop]
    named += [(f"data.columns.{name}", name) for name in data.columns]
    ways = {"group": split.group, "time": split.time, "given": split.given}
    named += [(f"data.split.{way}", name) for way, name in ways.items() if name is not None]
    for where, name in named:
        inputs = where in ("data.features", "data.drop") or where.startswith("data.columns.")
        if source.media is not None and (inputs or list(source.frame.columns) == [LABEL]):
            problem = f"has no effect on {source.media}: they have no columns"
            raise BadInput(problem, where=where, got=name, remedy="take it out")
        if name not in source.frame.columns:
            accepted = _nearest_column(name, source.frame.columns)
            raise BadInput(f"{source.shown} has no such column", where=where, got=name, accepted=accepted)
        if name == target_name and not where.startswith("data.columns."):
            raise BadInput("names the target", where=where, got=name, remedy="take it out, or choose another target")


def _chosen(columns: Iterable[str], data: Data, target_name: str, steering: list[str]) -> list[str]:
    """The columns that are to be inputs, in the source's order."""
    ignored = [name for name, meant in data.columns.items() if meant.kind == "ignore"]
    others = (target_name, *data.drop, *ignored, *steering)
    if data.features is not None:
        return [name for name in columns if name in data.features]
    return [name for name in columns if name not in others]


def _inputs(
    frame: pd.DataFrame | ParquetTable,
    chosen: list[str],
    texts: Sequence[str],
    data: Data,
    source: Source,
    digest: ContentDigest,
    sample: np.ndarray | None,
) -> tuple[pd.DataFrame, dict[str, tuple[str, Reading]], list[dict[str, Any]], list[str]]:
    """Reads the chosen columns one by one, each whole, since all values decide how a column is read. Adds them to the
    digest.

    Returns the columns that a model gets; for each of them its column in the source and how that is read; the entries
    of `Dataset.columns`; and notes on columns left out or read unexpectedly.

    Args:
        sample: Positions of the rows that are kept; None: all.
    """
    notes: list[str] = []
    columns: dict[str, pd.Series] = {}
    readings: dict[str, tuple[str, Reading]] = {}
    described: list[dict[str, Any]] = []
    leave_out = source.entry.leave_out
    for name in chosen:
        if name in leave_out and data.features is None:
            notes.append(f"{name} left out: it {leave_out[name]}")
            described.append(of_other(None, name, "ignore", f"it {leave_out[name]}", "no input", frame))
            continue
        if name in leave_out:
            notes.append(f"{name} is an input since data.features names it, but it {leave_out[name]}")
        where = f"{source.shown}, column {name}"
        raw = frame[name].rename(name)
        meant = Column(kind="text") if name in texts else data.columns.get(name)
        column, reading = as_input(raw, where, meant, data.read)
        if column is None and data.features is not None:
            raise BadInput(f"column {name} can't be an input: it {reading.note}", where="data.features", got=name)
        became: list[str] = []
        for own, values in inputs_of(name, reading, column).items() if column is not None else ():
            if own != name and values.nunique() < 2:  # a part of a date that does not vary
                continue
            if own in columns or (own != name and own in frame.columns):
                raise BadInput(f"{name}'s dates become a column that there is", where=where, got=own)
            digest.add_column(_digested(data, name, texts), own, values)
            columns[own] = values if sample is None else values.iloc[sample]
            readings[own] = (name, reading)
            became.append(own)
        described.append(of_input(raw, name, reading, became, frame, scaled=not _unscaled(data, name)))
        if reading.note:
            notes.append(f"{name} {reading.note}" + (": left out" if column is None else ""))
    if not columns:
        raise BadInput(
            "no column is left as an input",
            where=source.shown,
            got="; ".join(notes) or f"its columns: {', '.join(frame.columns)}",
            remedy="see data.drop and data.features",
        )
    index = frame.index if sample is None else frame.index[sample]
    return pd.DataFrame(columns, index=index).reset_index(drop=True), readings, described, notes


def _digested(data: Data, name: str, texts: Sequence[str]) -> str:
    """The kind under which a column is added to the digest."""
    if name in texts:
        return f"text {data.tokens or WORDS}"
    return "unscaled input" if _unscaled(data, name) else "input"


def _unscaled(data: Data, name: str) -> bool:
    """Whether the spec says that a column's numbers reach the network as they are."""
    return name in data.columns and data.columns[name].scale == "none"


def _nearest_column(name: str, columns: Iterable[str]) -> str:
    """As `nearest`, but for a wide table it lists only the columns with the most similar names."""
    columns = list(columns)
    if len(columns) <= 30:
        return nearest(name, columns)
    close = difflib.get_close_matches(name, columns, n=5, cutoff=0.4) or columns[:5]
    return f"one of its {len(columns)} columns, such as {', '.join(close)}"
