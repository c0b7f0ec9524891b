"""All that the report reads: the files of one run folder, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import BadInput
from tasks.records.environment import Environment
from tasks.records.inspection import Inspection
from tasks.records.plan import Plan
from tasks.records.repairs import Repairs
from tasks.records.stage_records import StageRecords
from tasks.records.tables import TABLES
from tasks.records.validation import Validation
from tasks.records.verdict import Verdict
from tasks.run_folder import read_json

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Run:
    """One run's files, read. What the run did not get to write is empty, or None.

    Args:
        folder: Where they were read.
        spec: The text of `spec.yaml`.
        plan: What was planned.
        validation: None where the data were not checked.
        environment, stages: Where and how it was run, and what became of its stages.
        verdict: None where the run was not judged.
        previews: `previews/augmentation.json`.
        pictures: The PNG files beside it, by name.
        trials, metrics, curves, predictions, splits, settings: The tables of `tasks.records.tables`.
        renderer: What makes the report of it.
        inspection: As `previews/inspection.json` has it; see `inspected`.
        repairs: None where the spec asks for none.
    """

    folder: Path
    spec: str
    plan: Plan
    validation: Validation | None
    verdict: Verdict | None
    environment: Environment
    stages: StageRecords
    previews: dict[str, Any]
    pictures: dict[str, bytes]
    trials: pd.DataFrame
    metrics: pd.DataFrame
    curves: pd.DataFrame
    predictions: pd.DataFrame
    splits: pd.DataFrame
    settings: pd.DataFrame
    renderer: str = ""
    inspection: Inspection | None = None
    repairs: Repairs | None = None

    @property
    def inspected(self) -> Inspection | None:
        """What was found in the shipped model; None where none was shipped, or by a version that did not look."""
        shipped = self.verdict.shipped if self.verdict else None
        return self.inspection if self.inspection and shipped and self.inspection.trial_id == shipped.trial_id else None


def read_run(folder: Path | str, renderer: str = "") -> Run:
    """Reads a run folder.

    Raises:
        BadInput: there is no `plan.json`, so this is no run folder; or it or verdict.json can't be read.
    """
    folder = Path(folder).resolve()
    if not (folder / "plan.json").is_file():
        raise BadInput(
            "is not a run: it holds no plan.json",
            where=str(folder),
            remedy="name a folder that `bakeoff run` has written",
        )
    return Run(
        folder=folder,
        spec=spec_of(folder),
        plan=Plan.read(folder),
        validation=Validation.read_if_there(folder),
        verdict=Verdict.read_if_there(folder),
        environment=environment_of(folder),
        stages=stages_of(folder),
        previews=document(folder / "previews", "augmentation"),
        pictures={path.name: path.read_bytes() for path in sorted((folder / "previews").glob("*.png"))},
        trials=_table(folder, "trials"),
        metrics=_table(folder, "metrics"),
        curves=_table(folder, "curves"),
        predictions=_table(folder, "predictions"),
        splits=_table(folder, "splits"),
        settings=_table(folder, "settings"),
        renderer=renderer,
        inspection=Inspection.read_if_there(folder),
        repairs=Repairs.read_if_there(folder),
    )


def spec_of(folder: Path) -> str:
    """The text of `spec.yaml`; empty where there is none."""
    path = folder / "spec.yaml"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def environment_of(folder: Path) -> Environment:
    """What `environment.json` says; nothing where there is none."""
    return Environment.read_if_there(folder) or Environment()


def stages_of(folder: Path) -> StageRecords:
    """What `stages.json` says; nothing where there is none."""
    return StageRecords.read_if_there(folder) or StageRecords()


def document(folder: Path, name: str) -> dict[str, Any]:
    """The JSON file of this name; an empty dict where there is none."""
    path = folder / f"{name}.json"
    found: dict[str, Any] = read_json(path) if path.is_file() else {}
    return found


def _table(folder: Path, name: str) -> pd.DataFrame:
    table = TABLES[name]
    return table.read(folder) if (folder / f"{name}.parquet").is_file() else table.frame()
