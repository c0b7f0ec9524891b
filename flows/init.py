"""`bakeoff init`: a first spec for a data file, which `bakeoff check` and `bakeoff run` take as it is."""

from __future__ import annotations

import io
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table

from flows.check import scratch_folder, show_columns, summary
from flows.console import Bar, marked
from flows.environment import load_tensorflow
from flows.first_spec import FirstSpec, quoted
from tasks.errors import BadInput, nearest, plain
from tasks.evaluation.metrics import deciding_metric, default_metrics
from tasks.evaluation.wording import written
from tasks.records.plan import Plan
from tasks.spec.data import Data, Read, Split

if TYPE_CHECKING:
    from tasks.dataset import Dataset
    from tasks.datasets.sources import Source

_SECONDS, _SECONDS_OF_MEDIA = 8, 3
"""Seconds of training, as the plan estimates them, that a first run may take: for tables; and for texts, images and
sounds, whose time the plan underestimates. Starting, testing and the report come on top."""
_EFFORTS: Sequence[tuple[dict[str, int], int | None]] = (
    ({"epochs": 20, "seeds": 5}, None),
    ({"epochs": 10, "seeds": 5}, None),
    ({"epochs": 10, "seeds": 3}, 10_000),
    ({"epochs": 10, "seeds": 3}, 5_000),
    ({"epochs": 10, "seeds": 3}, 2_000),
    ({"epochs": 5, "seeds": 2}, 1_000),
)
"""Epochs, seeds and rows (None: all) of a first run, from most to least work. The first that fits the time is taken."""
_MOST_CLASSES = 50
"""Most classes that a first spec lists."""
_WORDS = 3
"""Mean number of words in a column's texts from which the column counts as free text."""
_WIDTH = 110


def write_first_spec(file: Path, target: str | None, output: Path | None, home: Path) -> None:
    """Writes the spec and prints its path and what to do next.

    Raises:
        BadInput: there is no such file, it can't be read, the spec is there already, or the target is not named; then
            nothing is written.
    """
    stem = re.sub(r"(\.(csv|tsv|tar))?\.\w+$", "", file.name, flags=re.IGNORECASE) or file.name
    output = output or Path(f"{stem}.yaml")
    _check_paths(file, output)
    command = shlex.join(["bakeoff", "init", str(file), *(["--target", target] if target else [])])
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_")[:64] or "experiment"
    found = _found_out(FirstSpec(command, name, _source(file, output), target), output, home)
    _write(found.spec.written(shlex.quote(str(output)), found.remarks), output)
    for column, why in found.spec.drop.items():
        typer.echo(plain(f"note: {column} is left out: {why}"), err=True)
    typer.echo(str(output))
    for call in ("check", "run"):
        typer.echo(f"next: bakeoff {call} {shlex.quote(str(output))}")


def _check_paths(file: Path, output: Path) -> None:
    if not os.path.exists(file):  # noqa: PTH110 - unlike Path.exists, False for an impossible name too
        beside = [each.name for each in file.parent.iterdir()] if os.path.isdir(file.parent) else []  # noqa: PTH112
        raise BadInput("no such file or folder", where="FILE", got=str(file), accepted=nearest(file.name, beside))
    if os.path.lexists(output):
        raise BadInput("is there already, and is not overwritten", where=str(output), remedy="name another: --output")
    if not output.absolute().parent.is_dir():
        raise BadInput("its folder is not there", where=str(output), remedy="make the folder first")


def _source(file: Path, output: Path) -> str:
    """Returns the file's path as the spec names it. A relative path starts at the spec's folder; `./` tells it from a
    name in the catalogue."""
    if file.is_absolute():
        return str(file)
    path = os.path.relpath(file, output.absolute().parent)
    return path if "/" in path or "." in path else f"./{path}"


@dataclass(frozen=True)
class _Found:
    spec: FirstSpec
    remarks: Mapping[str, Sequence[str]]


def _found_out(spec: FirstSpec, output: Path, home: Path) -> _Found:
    """Tries the spec on the data, up to its plan. Returns the spec and its comments."""
    base = output.absolute().parent
    with Bar(Console(stderr=True)) as bar:
        bar.hear("look", "reading the data", None)
        spec, source = _read(spec, base, home)
        if spec.target is None and source.media is None and source.entry.target is None:
            raise _no_target(source, spec)
        readings = _columns(source, spec.target)
        spec = replace(spec, drop=readings.refused)
        if not readings.inputs and readings.texts and source.media is None:
            spec = replace(spec, text=readings.texts[0], drop={})
        load_tensorflow()
        dataset = _load(spec, base, home)
        if (classed := _without_small_classes(spec, dataset)) is not spec:
            spec, dataset = classed, _load(classed, base, home)
        tried = _tried(_without_leaks(spec, dataset), dataset, base, home)
        bar.hear("look", "done", 1.0)
    return _Found(tried.spec, _remarks(tried, readings))


def _read(spec: FirstSpec, base: Path, home: Path) -> tuple[FirstSpec, Source]:
    """Reads the source. Returns the spec, with the `read` options that the file needs, and the source."""
    from tasks.datasets.guess import guessed_read
    from tasks.datasets.sources import delimited, read_source

    path = base / spec.source
    read = guessed_read(path, spec.source) if delimited(path) else Read()
    try:
        source = read_source(Data(source=spec.source, read=read), home, None, base)
    except BadInput as first:
        # Unbalanced quotes may be ordinary characters.
        read = read.model_copy(update={"quoting": "none"})
        try:
            if not delimited(path):
                raise
            source = read_source(Data(source=spec.source, read=read), home, None, base)
        except BadInput:
            raise first from None
    return replace(spec, read=read.model_dump(exclude_defaults=True)), source


def _no_target(source: Source, spec: FirstSpec) -> BadInput:
    """Prints the columns that could be the target. Returns the error that says what to do."""
    from tasks.datasets.candidates import candidates

    found = candidates(source.frame)
    if not found:
        return BadInput("no column could be the target", where=source.shown, got=", ".join(source.frame.columns))
    table = Table(box=box.SIMPLE_HEAD, title="Columns that could be the target, likely ones first")
    table.title_justify = "left"
    for head in ("--target", "task", "values"):
        table.add_column(head, overflow="fold")
    for each in found[:_CANDIDATES]:
        table.add_row(marked(each.name), each.task, marked(each.values))
    if len(found) > _CANDIDATES:
        table.add_row(f"and {len(found) - _CANDIDATES} more", "", "")
    Console(stderr=True, highlight=False).print(table)
    return BadInput(
        "what is to be predicted must be named; nothing was written",
        where="--target",
        accepted=nearest("", [each.name for each in found]),
        remedy=f"{spec.command} --target {shlex.quote(found[0].name)}, if that is it",
    )


_CANDIDATES = 30
"""Most possible targets that are shown."""


@dataclass(frozen=True)
class _Columns:
    """How a file's columns can be used.

    Args:
        inputs: Columns that a model could use.
        refused: Columns that are left out, with the reason and the choices: identifiers, and columns that can't be read
            without a decision of the user.
        texts: Columns of free text, the longest first.
        dates: Columns of dates, which are inputs too.
    """

    inputs: Sequence[str]
    refused: Mapping[str, str]
    texts: Sequence[str]
    dates: Sequence[str]


def _columns(source: Source, target: str | None) -> _Columns:
    from tasks.datasets.candidates import names_rows
    from tasks.datasets.columns import as_input
    from tasks.preprocessing.tables import MAX_CATEGORIES

    inputs, refused, dates, identifiers = [], {}, [], []
    words: dict[str, float] = {}
    others = {target, source.entry.target} if source.media is None else set(source.frame.columns)
    for name in source.frame.columns:
        if name in others:
            continue
        column = source.frame[name].rename(name)
        try:
            values, reading = as_input(column, name)
        except BadInput as error:
            said = "; ".join(filter(None, (error.got, error.remedy)))
            refused[name] = f"it {error.problem} ({said})"
            continue
        if reading.kind == "category" and column.nunique() > MAX_CATEGORIES:
            refused[name] = f"it has too many categories: {column.nunique():,}, and at most {MAX_CATEGORIES:,} are used"
        elif values is not None and reading.kind == "number" and names_rows(values.dropna(), name):
            identifiers.append(name)
        elif reading.kind != "ignore":
            inputs.append(name)
            dates += [name] if reading.kind == "date" else []
        elif column.notna().any():
            words[name] = float(np.mean([len(str(text).split()) for text in column.dropna()]))
    if inputs or words:
        refused |= dict.fromkeys(identifiers, "it holds another whole number in every row, as an identifier does")
    else:
        inputs = identifiers
    texts = sorted((name for name in words if words[name] >= _WORDS or not inputs), key=lambda name: -words[name])
    return _Columns(inputs, refused, texts, dates)


def _load(spec: FirstSpec, base: Path, home: Path) -> Dataset:
    from tasks.datasets.load import load_dataset

    return load_dataset(Data.model_validate(spec.value["data"]), home=home, base=base)


def _without_small_classes(spec: FirstSpec, dataset: Dataset) -> FirstSpec:
    """Returns the spec; with `data.classes` if some classes have too few rows to be in every part and enough others are
    left."""
    from tasks.validation.parts import FEWEST_ROWS

    if dataset.classes is None or dataset.given_part is not None:
        return spec
    counts = np.bincount(dataset.target, minlength=len(dataset.classes))
    kept = [name for name, rows in zip(dataset.classes, counts, strict=True) if rows >= FEWEST_ROWS]
    return replace(spec, classes=kept) if 2 <= len(kept) < len(counts) <= _MOST_CLASSES else spec


def _without_leaks(spec: FirstSpec, dataset: Dataset) -> FirstSpec:
    """Returns the spec without the columns that give the target away. If no other column is left, keeps them and lets
    the check only warn."""
    from tasks.datasets.splits import split_rows
    from tasks.validation.leak import evidence

    source_of = {own: column["name"] for column in dataset.columns for own in column.get("inputs", ())}
    held, splits = dataset.in_memory(split_rows(dataset, Split()))
    told: dict[str, str] = {}
    while len(left := [own for own in held.table.columns if source_of[own] not in told]):
        found = evidence(replace(held, table=held.table[left]), splits).blocking
        if not found:
            return replace(spec, drop={**spec.drop, **told})
        for hint in found:
            why = f"{hint.sentence} gives {dataset.target_name} away; if it is known before the prediction is needed, "
            keep = "keep it and set the check to warn: data.checks: [{target_leak: {}, severity: warn}]"
            told |= {source_of[name]: why + keep for name in hint.columns}
    return replace(spec, checks=[{"target_leak": {}, "severity": "warn"}]) if told else spec


@dataclass(frozen=True)
class _Tried:
    """A spec whose training is expected to end soon, with what it was tried on."""

    spec: FirstSpec
    dataset: Dataset
    plan: Plan


def _tried(spec: FirstSpec, dataset: Dataset, base: Path, home: Path) -> _Tried:
    """Returns the spec with as much training as fits the time, or with the smallest effort if none fits.

    Args:
        dataset: All rows.

    Raises:
        BadInput: the data can't be trained on.
    """
    also = ["log_loss", "recall", "precision"] if len(dataset.classes or ()) == 2 else []
    metric = deciding_metric(dataset.task, _commonest(dataset))
    also += [] if metric in default_metrics(dataset.task) else ["accuracy", "pr_auc", "mcc"]
    most = _SECONDS if dataset.medium is None else _SECONDS_OF_MEDIA
    tried, affordable = None, float("inf")  # rows x epochs x seeds that fit the time, as the plans so far show
    efforts = [(effort, sample) for effort, sample in _EFFORTS if sample is None or sample < dataset.rows]
    for effort, sample in efforts:
        work = effort["epochs"] * effort["seeds"] * (sample or dataset.rows)
        if work > affordable and (effort, sample) != efforts[-1]:
            continue
        train = {**effort, "batch_size": _batch_size(sample or dataset.rows), "early_stopping": {"patience": 5}}
        evaluate: dict[str, Any] = {"metric": metric, **({"also": also} if also else {})}
        try:
            tried = _planned(replace(spec, rows=sample, train=train, evaluate=evaluate), base, home)
        except BadInput:  # a sample may be too small where all rows are enough
            if tried is None:
                raise
            break
        if tried.plan.cost.seconds <= most:
            break
        affordable = work * most / tried.plan.cost.seconds
    assert tried is not None
    return tried


def _batch_size(rows: int) -> int:
    return 32 if rows < 5_000 else 128 if rows < 50_000 else 512


def _planned(spec: FirstSpec, base: Path, home: Path) -> _Tried:
    """Makes the plan, as `bakeoff check` does.

    Raises:
        BadInput: as in `bakeoff check` of the spec.
    """
    from tasks import runs, stages
    from tasks.spec.load import parse_spec

    with scratch_folder(home) as folder:
        run = runs.open_run(parse_spec(spec.value), "", (), base, home, folder)
        dataset = stages.load(run)
        splits = stages.split(run, dataset)
        stages.validate(run, dataset, splits)
        plan, *_ = stages.plan(run, dataset, splits)
    return _Tried(spec, dataset, plan)


def _remarks(tried: _Tried, readings: _Columns) -> dict[str, list[str]]:
    """Returns the comments of the spec, by the key that they stand before."""
    data, spec = tried.plan.data, tried.spec
    table = io.StringIO()
    if data.source_columns:
        show_columns(Console(file=table, width=_WIDTH, highlight=False), data.source_columns)
    notes = [f"note: {note}" for note in data.notes[:_NOTES]]
    notes += [f"and {len(data.notes) - _NOTES} notes more: bakeoff check"] if len(data.notes) > _NOTES else []
    suggested = [
        f"split: {{time: {quoted(name)}}}  # if later rows are to be predicted: the latest become the test part"
        for name in readings.dates
    ]
    if not spec.text:
        dropped = [name for name in readings.texts if name in spec.drop]
        out = f"; take {', '.join(dropped)} out of drop then" if dropped else ""
        suggested += [
            f"text: {quoted(name)}  # its words as inputs beside the other columns" for name in readings.texts
        ]
        suggested += [f"several texts: text: [..., ...]{out}"] if len(readings.texts) > 1 or dropped else []
    return {
        "head": ["`bakeoff list keys` says what each key means; comments that begin with a key may be put to use."],
        "source": [summary(data, tried.plan.task)],
        "read": ["its first line holds no names; to name the columns: read: {header: false, columns: [...]}"]
        if spec.read.get("header") is False
        else ["its header repeats names, so these stand in its place"] * ("columns" in spec.read),
        "text": ["texts that hardly repeat, so their words are the input"],
        "classes": ["classes with three or more rows: smaller ones can't be in training, validation and test"],
        "drop": [f"{name}: {why}" for name, why in spec.drop.items()],
        "checks": ["its inputs give the target away; are they known before the prediction is needed?"],
        "rows": ["a random sample keeps the first run short: take it out for the real one"],
        "data": suggested,
        "columns": ["", *notes, *(line.rstrip() for line in table.getvalue().strip().splitlines()), ""],
        "train": [
            f"about {max(tried.plan.cost.seconds, 1):.0f} s on two cores (rough); seeds: trainings of each recipe"
        ],
        "compare": ["the question: every combination is a recipe"],
        "evaluate": ["the first one decides"],
        "end": _gate(tried.dataset),
    }


def _commonest(dataset: Dataset) -> float:
    """Returns the share of the most frequent class, 0 to 1; 0 for regression."""
    return float(np.bincount(dataset.target).max() / dataset.rows) if dataset.classes else 0.0


_NOTES = 20
"""Most notes of the data's reader that are listed."""


def _gate(dataset: Dataset) -> list[str]:
    """Returns a gate to begin with, as comments. Its threshold is halfway between guessing and no error."""
    if dataset.classes is None:
        guess = float(dataset.target.std())
        gate, said = f"rmse, at_most: {_rounded(guess / 2)}", f"always guessing the mean gives {_rounded(guess)}"
    else:
        metric = deciding_metric(dataset.task, _commonest(dataset))
        guess = _commonest(dataset) if metric == "accuracy" else 1 / len(dataset.classes)
        gate, said = (
            f"{metric}, at_least: {(1 + guess) / 2:.2f}",
            f"always guessing the commonest class gives {guess:.2f}",
        )
    return [f"good enough to ship? {said}", f"gates: [{{metric: {gate}, severity: block}}]"]


def _rounded(number: float) -> str:
    """Rounds to three significant digits, written as a person does."""
    return written(float(f"{number:.3g}"))


def _write(text: str, output: Path) -> None:
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise BadInput("can't be written", where=str(output), got=error.strerror or str(error)) from None
