"""Makes a real run in this process, stage by stage and without Prefect, for tests of a run's results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from tasks import runs, stages
from tasks.execution.executors import LOCAL, Executor
from tasks.inputs.prepared import Prepared
from tasks.records.plan import Plan
from tasks.records.verdict import Verdict
from tasks.run_folder import Stage
from tasks.spec.load import parse_spec

WINE: dict[str, Any] = {"data": {"source": "wine"}, "model": "linear", "train": {"epochs": 1, "seeds": 1}}


@dataclass(frozen=True)
class Planned:
    """A run whose plan is made."""

    run: runs.Run
    splits: pd.DataFrame
    plan: Plan
    prepared: Prepared

    @property
    def folder(self) -> Path:
        return self.run.folder

    def searched(self, progress: Callable[[str, int, int], None] | None = None) -> Planned:
        """Does the search and returns the run with its new plan."""
        searching = stages.plan_search(self.run, self.plan, self.prepared, self.splits)
        return replace(self, plan=stages.search(self.run, self.plan, self.prepared, searching, progress))

    def train(self, progress: Callable[[str, int, int], None] | None = None) -> None:
        stages.train(self.run, self.plan, self.prepared, progress)

    def tables(self) -> dict[str, pd.DataFrame]:
        """Trains the remaining trials and the baselines; returns the run's tables by name."""
        self.train()
        return stages.evaluate(self.run, self.plan, self.prepared)

    def judge(self, tables: dict[str, pd.DataFrame]) -> Verdict:
        return stages.judge(self.run, self.plan, self.prepared, tables, self.splits)

    def stacks(self) -> list[Path]:
        """Returns the folders of the recorded stacks, in the plan's order."""
        folders = [self.folder / "checkpoints" / stack.stack_id for stack in self.plan.stacks]
        return [folder for folder in folders if folder.exists()]


def planned(
    folder: Path,
    spec: dict[str, Any],
    start: Stage = "load",
    home: Path | None = None,
    anew: Stage | None = None,
    executor: Executor = LOCAL,
) -> Planned:
    """Opens a run of `spec` in `folder` and makes its plan, without the checks of the data."""
    text = "# as a test wrote it\n"
    where = (folder, home or folder, folder)
    run = runs.open_run(parse_spec(spec), text, [], *where, start=start, anew=anew, executor=executor)
    dataset = stages.load(run)
    splits = stages.split(run, dataset)
    plan, prepared, _ = stages.plan(run, dataset, splits)
    return Planned(run, splits, plan, prepared)


def open_run(folder: Path, spec: dict[str, Any] = WINE, **options: Any) -> runs.Run:
    return runs.open_run(parse_spec(spec), "# text\n", ["train.epochs=1"], folder, folder, folder, **options)
