"""What `bakeoff list` prints: one line for each thing there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tasks.errors import BadInput
from tasks.records.verdict import Verdict
from tasks.run_state import state_of


def lines(kind: str, home: Path) -> Iterator[str]:
    """The lines of one kind: its name, then what it is."""
    return {
        "runs": lambda: _runs(home),
        "experiments": _experiments,
        "datasets": _datasets,
        "models": lambda: _factories(_table("models")),
        "optimizers": _optimizers,
        "augmenters": lambda: _factories(_table("augmenters")),
        "schedules": lambda: _factories(_table("schedules")),
        "searchers": _searchers,
        "metrics": _metrics,
        "keys": _keys,
    }[kind]()


def _runs(home: Path) -> Iterator[str]:
    for folder in sorted((home / "runs").glob("*")) if (home / "runs").is_dir() else []:
        yield f"{folder}  {_ended(folder)}"


def _ended(folder: Path) -> str:
    """The verdict of a run in a sentence, or why there is none."""
    try:
        verdict = Verdict.read_if_there(folder)
    except BadInput:
        return "its verdict can't be read"
    return verdict.sentence if verdict else state_of(folder).phrase


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


def _keys() -> Iterator[str]:
    from tasks.spec.reference import keys

    for key in keys():
        default = "required" if key.default is None else f"default {key.default}"
        yield f"{key.path:<38} {key.description} [{key.accepted}; {default}]"


def _table(name: str) -> dict[str, Callable[..., Any]]:
    from tasks.augmentation.mixup import MIXERS
    from tasks.augmentation.table import AUGMENTERS
    from tasks.training.models import MODELS
    from tasks.training.optimizers import OPTIMIZERS
    from tasks.training.schedules import SCHEDULES

    tables: dict[str, dict[str, Callable[..., Any]]] = {
        "models": {**MODELS},
        "optimizers": {**OPTIMIZERS},
        "schedules": {**SCHEDULES},
        "augmenters": {**AUGMENTERS, **MIXERS},
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
