"""Prints what `bakeoff list` lists: one line for each thing there is, and a table of runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from flows.console import marked
from reports.index import outcome
from tasks.evaluation.rounding import interval
from tasks.evaluation.wording import inside


def lines(kind: str) -> Iterator[str]:
    """Returns the lines of one kind (any but runs). Each gives a thing's name, then what it is."""
    return {
        "experiments": _experiments,
        "datasets": _datasets,
        "models": lambda: _factories(_table("models")),
        "optimizers": _optimizers,
        "augmenters": lambda: _factories(_table("augmenters")),
        "schedules": lambda: _factories(_table("schedules")),
        "averagings": lambda: _factories(_table("averagings")),
        "losses": lambda: _factories(_table("losses")),
        "searchers": _searchers,
        "metrics": _metrics,
        "lessons": lambda: _factories(_table("lessons")),
        "explainers": _explainers,
        "keys": _keys,
    }[kind]()


def show_runs(home: Path) -> None:
    """Prints a table of the runs, the latest last; nothing if there are none."""
    folders = sorted(path for path in (home / "runs").glob("*") if path.is_dir())
    if not folders:
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PIPED)
    table = Table(box=box.SIMPLE_HEAD)
    for head in ("run", "decision", "winner", "decided by", "gates"):
        table.add_column(head, overflow="fold")
    for folder in folders:
        table.add_row(marked(folder.name), *map(marked, _ended(folder)))
    console.print(Padding(table, (0, 0, 0, 2)))


_PIPED = 200
"""Table width, in characters, for output that does not go to a terminal."""


def _ended(folder: Path) -> list[str]:
    """Returns a run's outcome: its decision, the winner, the shipped model's deciding metric, the gates. A run without
    a verdict has only its state."""
    verdict = outcome(folder)
    if isinstance(verdict, str):
        return [verdict]
    shipped = verdict.shipped.metrics.get(verdict.metric) if verdict.shipped else None
    counts = Counter(gate.answer for gate in verdict.gates)
    return [
        verdict.decision.sentence,
        verdict.name_of(verdict.winner) if verdict.winner else "none",
        f"{inside(verdict.titles.get(verdict.metric, verdict.metric))} {interval(shipped)}",
        ", ".join(f"{count} {answer}" for answer, count in counts.items()) or "none",
    ]


def _experiments() -> Iterator[str]:
    from flows.experiments import shipped

    for name, path in shipped().items():
        yield f"{name:<22} {path.read_text(encoding='utf-8').splitlines()[0].lstrip('# ')}"


def _datasets() -> Iterator[str]:
    from tasks.datasets.catalogue import CATALOGUE

    for name, entry in CATALOGUE.items():
        yield f"{name:<20} {entry.summary} (licence: {entry.licence})"


def _optimizers() -> Iterator[str]:
    from tasks.training.optimizers import MISSING

    yield from _factories(_table("optimizers"))
    for name, reason in MISSING.items():
        yield f"{name:<16} missing: {reason}"


def _searchers() -> Iterator[str]:
    from tasks.search.methods import METHODS

    for name, method in METHODS.items():
        yield f"{name:<18} {method.summary}"


def _metrics() -> Iterator[str]:
    from tasks.evaluation.metrics import METRICS

    for name, metric in METRICS.items():
        better = "greater" if metric.greater_is_better else "smaller"
        yield f"{name:<18} {' and '.join(sorted(metric.tasks))}; {metric.range}; {better} is better"


def _explainers() -> Iterator[str]:
    from tasks.explanations.explainers import EXPLAINERS

    for name, explainer in EXPLAINERS.items():
        yield f"{name:<16} {explainer.summary} (bakeoff run {explainer.lesson})"


def _keys() -> Iterator[str]:
    from tasks.spec.reference import every_key

    for key in every_key():
        default = "required" if key.default is None else f"default {key.default}"
        yield f"{key.path:<38} {key.description} [{key.accepted}; {default}]"


def _table(name: str) -> dict[str, Callable[..., Any]]:
    from tasks.augmentation.mixup import MIXERS
    from tasks.augmentation.table import AUGMENTERS
    from tasks.lessons.table import LESSONS
    from tasks.training.averaging import AVERAGINGS
    from tasks.training.losses import LOSSES
    from tasks.training.models import MODELS
    from tasks.training.optimizers import OPTIMIZERS
    from tasks.training.schedules import SCHEDULES

    tables: dict[str, dict[str, Callable[..., Any]]] = {
        "models": {**MODELS},
        "optimizers": {**OPTIMIZERS},
        "schedules": {**SCHEDULES},
        "averagings": {**AVERAGINGS},
        "losses": {**LOSSES},
        "augmenters": {**AUGMENTERS, **MIXERS},
        "lessons": {**LESSONS},
    }
    return tables[name]


def _factories(table: dict[str, Callable[..., Any]]) -> Iterator[str]:
    from tasks.spec.entries import bind, schema_of

    for name, factory in table.items():
        summary = (factory.__doc__ or "").split("\n\n")[0].replace("\n", " ").strip()
        defaults = bind(factory, name, {}) if not _required(schema_of(factory)) else {}
        said = ", ".join(f"{key} {value}" for key, value in defaults.items())
        yield f"{name:<16} {' '.join(summary.split())} [{said or 'no parameters'}]"


def _required(schema: Any) -> bool:
    return any(field.is_required() for field in schema.model_fields.values())
