"""Trials outside the comparison: trained and recorded below a run's folder, but in none of its tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.augmentation.imbalance import resampled_rows
from tasks.dataset import TRAIN
from tasks.execution.archive import Archive
from tasks.execution.board import StackProgress
from tasks.execution.executors import LOCAL, Executor
from tasks.execution.runner import train
from tasks.inputs.prepared import Prepared
from tasks.planning.cost_model import AS_MODELLED
from tasks.planning.groups import RowCounts
from tasks.planning.jobs import Job
from tasks.planning.stacks import PlanContext
from tasks.planning.trials import planned
from tasks.records.decisions import Decides
from tasks.records.documents import document_of
from tasks.records.plan import Plan, PlannedTrial, Recipe
from tasks.records.stacks import PlannedStack
from tasks.records.tables import Table
from tasks.records.weights import folder_of
from tasks.run_folder import read_json, write_json

Train = Callable[[Job, StackProgress | None], None]
"""Trains the stacks of a job that have no results yet."""


@dataclass(frozen=True)
class Aside:
    """Trials of some variants, each variant under each seed.

    Args:
        name: Name of the file below `checkpoints/` that stores how the trials were divided into stacks. A run that goes
            on after a kill, perhaps on another number of cores, keeps this division.
        stage: The stage of the trials.
        context: The rows to plan on: those of one fold, or the run's own parts.
        key: The key of the data, used in the trials' ids.
    """

    name: str
    variants: Sequence[Recipe]
    seeds: Sequence[int]
    stage: str
    context: PlanContext
    key: str

    @property
    def trials(self) -> list[PlannedTrial]:
        (fold,) = self.context.rows
        return [
            planned(variant, seed, self.key, stage=self.stage, fold=fold)
            for variant in self.variants
            for seed in self.seeds
        ]

    def divide(self) -> tuple[list[PlannedStack], float]:
        """Returns the stacks and the expected seconds. Uses no probe of the machine's speed, so the division is the
        same on any machine with as many cores."""
        stacks, seconds, _ = self.context.stacks(self.trials, self.variants, AS_MODELLED)
        return stacks, seconds

    def train(self, run: Path, train: Train, progress: StackProgress | None = None) -> Job:
        """Trains the trials that are not recorded yet."""
        path, trials, metrics = run / "checkpoints" / f"{self.name}.json", self.trials, self.context.metrics
        wanted: dict[str, Any] = {"trials": [each.trial_id for each in trials], "metrics": list(metrics)}
        written = read_json(path) if path.exists() else {}
        if any(written.get(name) != value for name, value in wanted.items()):
            written = wanted | {"stacks": [asdict(each) for each in self.divide()[0]]}
            write_json(path, written)
        stacks = [document_of(each, PlannedStack) for each in written["stacks"]]
        job = Job(self.variants, trials, stacks, metrics)
        train(job, progress)
        return job


def recorded(job: Job, run: Path, table: Table) -> pd.DataFrame:
    """One table of records, with the rows of all trials of a job."""
    return pd.concat([table.read(folder_of(run, stack.stack_id)) for stack in job.stacks], ignore_index=True)


def row_counts(prepared: Prepared) -> RowCounts:
    """The number of rows of each part, and the shape of a row."""
    parts = {part: len(rows) for part, rows in prepared.rows.items()}
    return RowCounts.of(
        prepared.dataset, parts, prepared.features.shape[1:], resampled_count(prepared), prepared.lengths
    )


def resampled_count(prepared: Prepared) -> int | None:
    """The number of training rows after resampling, when each class has as many rows as the largest; None for
    regression."""
    dataset = prepared.dataset
    return resampled_rows(dataset.target[prepared.rows[TRAIN]]) if dataset.classes else None


def own_context(
    plan: Plan, prepared: Prepared, archive: Archive | None = None, executor: Executor = LOCAL
) -> PlanContext:
    """The planning context of trials outside the plan: the run's own parts."""
    return PlanContext(
        prepared.dataset,
        {None: row_counts(prepared)},
        plan.metrics,
        executor.machine(),
        decides=plan.decides or Decides(),
        earlier=archive.stacks if archive else None,
    )


def trainer(
    prepared: Prepared, run: Path, home: Path, archive: Archive | None = None, executor: Executor = LOCAL
) -> Train:
    """Returns a function that trains jobs on the run's own parts."""
    return lambda job, report: train(job, prepared, run, home, report, archive, executor)
