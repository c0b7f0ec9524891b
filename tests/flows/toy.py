"""A light flow of the same structure as the real one: one pydantic request, tasks, progress, a report.

As a program it makes a run without a server: `python toy.py HOME [fail | wait]`.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated

from prefect import flow, runtime, task
from prefect.artifacts import create_link_artifact, create_progress_artifact, update_progress_artifact
from pydantic import BaseModel, ConfigDict, Field


class RunRequest(BaseModel):
    """What to run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    experiment: str = Field("digits", title="Experiment", description="A shipped experiment's name.")
    set: list[Annotated[str, Field(pattern=r"^[^=\s]+=")]] = Field(
        [], title="Overrides", description="Values to change, each as path=value."
    )
    fail_on_gate: bool = Field(False, title="Fail on gate")
    home: str | None = Field(None, title="Home", description="The folder of all state.")


@task
def load(experiment: str) -> int:
    return len(experiment)


@task
def report(rows: int, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.html"
    path.write_text(f"<h1>{rows} rows</h1>", encoding="utf-8")
    create_link_artifact(path.resolve().as_uri(), link_text="Report", key="report", description=str(path))
    return path


@flow(name="bakeoff")
def bakeoff(request: RunRequest) -> str:
    """Trains, judges, reports."""
    progress = create_progress_artifact(0.0, key="progress", description="load")
    rows = load(request.experiment)
    if request.experiment == "fail":
        raise ValueError("as asked")
    if request.experiment == "wait":
        print("waiting", flush=True)
        time.sleep(60)
    update_progress_artifact(progress, 50.0, description="report")
    home = Path(request.home or os.environ["BAKEOFF_HOME"])
    path = report(rows, home / "runs" / str(runtime.flow_run.name))
    update_progress_artifact(progress, 100.0, description="done")
    return str(path)


def main(home: str, experiment: str = "digits") -> None:
    from flows.orchestration import api

    with api(Path(home)) as wait_until_ready:
        wait_until_ready()
        print(bakeoff(RunRequest(experiment=experiment, home=home)), flush=True)


if __name__ == "__main__":
    from flows.environment import quieten

    quieten()
    main(*sys.argv[1:])
