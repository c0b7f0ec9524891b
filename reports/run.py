"""Reads what the report shows: the files of one run folder, and nothing else."""

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
    """The files of one run, read. A file that the run has not written is empty, or None.

    Args:
        folder: The run folder.
        spec: The text of `spec.yaml`.
        plan: The plan.
        validation: The checks of the data; None if they were not made.
        environment, stages: Where and how the run was made, and the states of its stages.
        verdict: None if the run has none.
        previews: The content of `previews/augmentation.json`.
        pictures: The PNG files beside it, by name.
        trials, metrics, curves, predictions, splits, settings: The tables of `tasks.records.tables`.
        renderer: Name of the renderer, for the report.
        inspection: The inspection of a model; see `inspected`.
        repairs: None if the spec asks for none.
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
        """The inspection, if it is of the shipped model. None if no model was shipped, or by an older version that
        recorded none."""
        shipped = self.verdict.shipped if self.verdict else None
        return self.inspection if self.inspection and shipped and self.inspection.trial_id == shipped.trial_id else None


def read_run(folder: Path | str, renderer: str = "") -> Run:
    """Reads a run folder.

    Raises:
        BadInput: there is no `plan.json`, so this is no run folder; or `plan.json` or `verdict.json` can't be read.
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
    """Returns the text of `spec.yaml`, empty if there is none."""
    path = folder / "spec.yaml"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def environment_of(folder: Path) -> Environment:
    """Returns the content of `environment.json`, an empty record if there is none."""
    return Environment.read_if_there(folder) or Environment()


def stages_of(folder: Path) -> StageRecords:
    """Returns the content of `stages.json`, an empty record if there is none."""
    return StageRecords.read_if_there(folder) or StageRecords()


def document(folder: Path, name: str) -> dict[str, Any]:
    """Returns the content of the JSON file of this name, an empty dict if there is none."""
    path = folder / f"{name}.json"
    found: dict[str, Any] = read_json(path) if path.is_file() else {}
    return found


def _table(folder: Path, name: str) -> pd.DataFrame:
    table = TABLES[name]
    return table.read(folder) if (folder / f"{name}.parquet").is_file() else table.frame()
