"""The stages as Prefect tasks: what a flow calls. The only file under `tasks` that imports Prefect.

A task is a stage, never an epoch: Prefect's own cost a task is milliseconds, and its database grows with each.
Results are not persisted by Prefect; the run folder holds them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any
from uuid import UUID

import pandas as pd
from prefect import task
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE

from reports.render import Rendered
from tasks import stages
from tasks.dataset import Dataset
from tasks.inputs.prepared import Prepared
from tasks.memory import give_back
from tasks.records.plan import Plan
from tasks.records.repairs import Repairs
from tasks.records.verdict import Verdict
from tasks.run_folder import read_json
from tasks.runs import Run
from tasks.stages import Searching

Listener = Callable[[str, str, float | None], None]
"""Told (stage, what is being done, share done in `[0, 1]` or None). What begins with `note:` is to stay in sight."""

listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
"""Who shows progress beside Prefect: the command sets it to a terminal's bar."""

_SECONDS_BETWEEN_UPDATES = 2.0
_stage = task(cache_policy=NO_CACHE, persist_result=False)


@contextmanager
def _running(run: Run, name: str) -> Iterator[Callable[[str, float | None], None]]:
    """Records the stage and passes its progress on to the listener."""
    hear = listener.get()

    def say(what: str, share: float | None = None) -> None:
        if hear:
            hear(name, what, share)

    say("", None)
    with run.stages.running(name):
        yield say
    give_back()
    say("done", 1.0)


class _ProgressArtifact:
    """A Prefect progress artifact that is written now and then, since each write is a request to the API."""

    def __init__(self, key: str, description: str) -> None:
        created = create_progress_artifact(0.0, key=key, description=description)
        assert isinstance(created, UUID)
        self._id, self._written = created, time.monotonic()

    def update(self, share: float) -> None:
        if share >= 1.0 or time.monotonic() - self._written > _SECONDS_BETWEEN_UPDATES:
            with suppress(Exception):  # a server that does not answer must not end the training
                update_progress_artifact(self._id, round(100 * share, 1))
            self._written = time.monotonic()


@_stage
def load(run: Run) -> Dataset:
    with _running(run, "load") as say:

        def report(done: int, total: int | None) -> None:
            say(f"downloading {done / 1e6:.1f} MB", done / total if total else None)

        return stages.load(run, report)


@_stage
def split(run: Run, dataset: Dataset) -> pd.DataFrame:
    with _running(run, "split"):
        return stages.split(run, dataset)


@_stage
def validate(run: Run, dataset: Dataset, splits: pd.DataFrame) -> dict[str, Any]:
    with _running(run, "validate"):
        try:
            return stages.validate(run, dataset, splits)
        finally:
            path = run.folder / "validation.json"
            if path.exists():
                _show_validation(read_json(path))


def _show_validation(validation: dict[str, Any]) -> None:
    from tasks.validation.validate import outcome_table

    create_table_artifact(
        outcome_table(validation["results"]),
        key="validation",
        description=f"Data validation: {validation['outcome']}",
    )


@_stage
def plan(run: Run, dataset: Dataset, splits: pd.DataFrame) -> tuple[Plan, Prepared, Searching | None]:
    with _running(run, "plan"):
        return stages.plan(run, dataset, splits)


@_stage
def search(run: Run, laid_out: Plan, prepared: Prepared, searched: Searching) -> Plan:
    with _running(run, "search") as say:
        trials = searched.tuning.trials
        artifact = _ProgressArtifact("search", f"{trials} trials of {laid_out.experiment}")

        def report(what: str, done: int, total: int) -> None:
            say(what, done / total)
            artifact.update(done / total)

        return stages.search(run, laid_out, prepared, searched, report)


@_stage
def train(run: Run, laid_out: Plan, prepared: Prepared) -> None:
    with _running(run, "train") as say:
        artifact = _ProgressArtifact("training", f"{laid_out.cost.trials} trials of {laid_out.experiment}")

        def report(what: str, done: int, total: int) -> None:
            say(what, done / total)
            artifact.update(done / total)

        stages.train(run, laid_out, prepared, report)


@_stage
def stabilise(run: Run, laid_out: Plan, prepared: Prepared) -> Repairs:
    with _running(run, "stabilise") as say:

        def report(what: str, done: int, total: int) -> None:
            say(what, done / total)

        return stages.stabilise(run, laid_out, prepared, report)


@_stage
def evaluate(run: Run, laid_out: Plan, prepared: Prepared) -> dict[str, pd.DataFrame]:
    with _running(run, "evaluate"):
        return stages.evaluate(run, laid_out, prepared)


@_stage
def judge(
    run: Run, laid_out: Plan, prepared: Prepared, tables: dict[str, pd.DataFrame], splits: pd.DataFrame
) -> Verdict:
    with _running(run, "judge"):
        verdict = stages.judge(run, laid_out, prepared, tables, splits)
        create_markdown_artifact(_summary(verdict), key="verdict", description=f"Verdict of {laid_out.experiment}")
        return verdict


def _summary(verdict: Verdict) -> str:
    gates = [f"- **{gate.answer}**: {gate.sentence}" for gate in verdict.gates]
    return "\n".join([verdict.sentence, "", *gates, *(f"- {warning}" for warning in verdict.warnings)])


@_stage
def report(run: Run) -> Rendered:
    with _running(run, "report") as say:
        rendered = stages.report(run)
        for warning in rendered.warnings:
            say(f"note: {warning}", None)
        path = rendered.path.resolve()
        create_link_artifact(path.as_uri(), link_text=str(path), key="report", description=f"One HTML file: {path}")
        rendered.check()
        return rendered
