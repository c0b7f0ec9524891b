"""The stages as Prefect tasks: what a flow calls. The only file under `tasks` that imports Prefect.

A task is a stage, never an epoch: each task costs Prefect milliseconds and makes its database larger. Prefect does not
store the results; the run folder holds them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
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

from reports import artifacts
from reports.kernel import Kernel
from reports.numbers import duration
from reports.render import Rendered
from tasks import stages
from tasks.dataset import Dataset
from tasks.history import MONITORING
from tasks.inputs.prepared import Prepared
from tasks.lessons import teaching
from tasks.memory import give_back
from tasks.records.lesson import Lesson
from tasks.records.plan import Plan, reuse_sentence
from tasks.records.repairs import Repairs
from tasks.records.validation import Validation
from tasks.records.verdict import Verdict
from tasks.runs import LessonRun, Run
from tasks.stages import Searching

Listener = Callable[[str, str, float | None], None]
"""Called with (stage, what is being done, share done in `[0, 1]` or None). A text that begins with `note:` stays in
sight."""

listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
"""A listener for progress beside Prefect: the command sets it to a progress bar on the terminal."""

REPORTS = "BAKEOFF_REPORTS"
"""The environment variable with the address where the home folder's reports are served, if they are served."""
_SECONDS_BETWEEN_UPDATES = 2.0
_stage = task(cache_policy=NO_CACHE, persist_result=False)


def address(report: Path, home: Path) -> str:
    """The address at which a browser opens the report of a run or a monitoring. Browsers refuse `file://` links on
    Prefect's pages."""
    served, path = os.environ.get(REPORTS), report.resolve()
    for folder in ("runs", MONITORING) if served else ():
        if path.is_relative_to(inside := (home / folder).resolve()):
            return f"{served}/{folder}/{path.relative_to(inside).as_posix()}"
    return path.as_uri()


@contextmanager
def _running(run: Run | LessonRun, name: str) -> Iterator[Callable[[str, float | None], None]]:
    """Records the stage and reports its progress to the listener."""
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
    """A Prefect progress artifact that is written only every few seconds, since each write is a request to the API."""

    def __init__(self, key: str, description: str) -> None:
        created = create_progress_artifact(0.0, key=key, description=description)
        assert isinstance(created, UUID)
        self._id, self._begun = created, time.monotonic()
        self._written, self._description = self._begun, description

    def update(self, what: str, share: float) -> None:
        now = time.monotonic()
        if share >= 1.0 or now - self._written > _SECONDS_BETWEEN_UPDATES:
            left = f", about {duration((now - self._begun) * (1 - share) / share)} left" if 0 < share < 1 else ""
            with suppress(Exception):  # a server that does not answer must not end the training
                update_progress_artifact(self._id, round(100 * share, 1), f"{self._description}: {what}{left}")
            self._written = now


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
def validate(run: Run, dataset: Dataset, splits: pd.DataFrame) -> Validation:
    with _running(run, "validate"):
        try:
            return stages.validate(run, dataset, splits)
        finally:
            if (validation := Validation.read_if_there(run.folder)) is not None:
                _show_validation(validation)


def _show_validation(validation: Validation) -> None:
    from tasks.validation.validate import outcome_table

    create_table_artifact(
        outcome_table(validation.results),
        key="validation",
        description=f"Data validation: {validation.outcome}",
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
            artifact.update(what, done / total)

        found = stages.search(run, laid_out, prepared, searched, report)
        if found.search and (said := reuse_sentence(found.search.stacks)):
            say(f"note: search: {said}", None)
        return found


@_stage
def train(run: Run, laid_out: Plan, prepared: Prepared) -> None:
    with _running(run, "train") as say:
        if laid_out.reuse:
            say(f"note: {laid_out.reuse}", None)
        artifact = _ProgressArtifact("training", f"{laid_out.cost.trials} trials of {laid_out.experiment}")

        def report(what: str, done: int, total: int) -> None:
            say(what, done / total)
            artifact.update(what, done / total)

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
        _show_verdict(verdict, laid_out.experiment, address(run.folder / "report.html", run.home))
        return verdict


def _show_verdict(verdict: Verdict, experiment: str, report: str) -> None:
    summary = artifacts.summary(verdict, report)
    create_markdown_artifact(summary, key="verdict", description=f"{experiment}: {verdict.decision.sentence}")
    create_table_artifact(artifacts.comparison(verdict), key="comparison", description=verdict.sentence)
    if verdict.gates:
        create_table_artifact(artifacts.gates(verdict), key="gates", description=f"Gates of {experiment}")


@_stage
def teach(run: LessonRun) -> Lesson:
    with _running(run, "train") as say:
        spec = run.spec
        written = spec.model_dump(mode="json")
        found = teaching.teach(spec.bound, spec.lesson.name, spec.name, spec.description, written, say)
        found.write(run.folder)
        return found


@_stage
def report(run: Run | LessonRun, made_ready: Kernel | None = None) -> Rendered:
    with _running(run, "report") as say:
        rendered = stages.report(run, made_ready)
        for warning in rendered.warnings:
            say(f"note: {warning}", None)
        path = rendered.path.resolve()
        create_link_artifact(
            address(path, run.home), link_text="Open the report", key="report", description=f"One HTML file: {path}"
        )
        rendered.check()
        return rendered
