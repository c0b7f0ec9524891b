"""The flow `monitor`, and the work of `bakeoff monitor`: compare new rows with the reference of a champion."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from prefect import flow
from prefect.client.schemas.objects import State
from prefect.deployments import run_deployment
from prefect.states import Failed
from pydantic import BaseModel, ConfigDict, Field

from flows.environment import home_folder, load_tensorflow, quieten
from flows.experiments import shipped
from flows.run_page import WRONG_INPUT, RunPage
from tasks.champions.store import CHAMPIONS, champion_of
from tasks.errors import BadInput
from tasks.history import REPORT, new_folder, past
from tasks.records.monitoring import Monitored
from tasks.records.plan import Plan
from tasks.steps import address

INCOMING = "incoming"
"""Folder in the home folder. New rows of an experiment lie in `incoming/EXPERIMENT/`."""
BAKE_OFF = "bakeoff/bake-off"
"""The deployment that trains again."""


class MonitorRequest(BaseModel):
    """What to look at."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    experiment: str = Field("", title="Experiment", description="Whose champion; empty: all that have one.")
    data: str = Field(
        "", title="Data", description="A file of new rows; empty: the new files of incoming/EXPERIMENT/ of the home."
    )
    window: int = Field(0, ge=0, title="Window", description="Rows to look at together; 0: the whole file.")


@flow(name="monitor", persist_result=False)
def monitor(request: MonitorRequest) -> list[str] | State[list[str]]:
    """Compares new rows with the champion's reference, and starts a new bake-off if an answer is `retrain`. Returns the
    folders of the results. A mistake that a user can mend ends the flow run as failed, as in the flow `bakeoff`."""
    quieten()
    page = RunPage()
    home = home_folder()
    try:
        asked = list(_asked(request, home))
        if not asked:
            page.log(f"No new file lies under {home / INCOMING}/EXPERIMENT/ of an experiment with a champion.")
        return [str(_watched(page, home, *each, request.window or None)) for each in asked]
    except BadInput as error:
        page.refused(error)
        return Failed(name=WRONG_INPUT, message=error.message(), data=error)


def look(home: Path, experiment: str, file: Path, size: int | None) -> tuple[Path, Monitored]:
    """Monitors a file, and writes the record and its page. Needs no Prefect.

    Raises:
        BadInput: as in `tasks.monitoring.watch.monitor`, or the file is not there.
    """
    from reports.index import write_index
    from reports.monitoring import write_page

    if not os.path.exists(file):  # noqa: PTH110 - False for a name that is too long, too
        raise BadInput("is not there", where=str(file), accepted="a file of new rows")
    load_tensorflow()
    from tasks.monitoring.watch import monitor as watch

    found = watch(home, experiment, file, size)
    folder = new_folder(home, experiment)
    found.write(folder)
    write_page(folder / REPORT, [each for _, each in past(home, experiment)])
    write_index(home)
    return folder, found


def _asked(request: MonitorRequest, home: Path) -> Iterator[tuple[str, Path]]:
    """Yields the experiment and the path of each file that is to be monitored.

    Raises:
        BadInput: a file is named without an experiment.
    """
    if request.data:
        if not request.experiment:
            raise BadInput("a file is given, but no experiment", where="Experiment", remedy="name it")
        yield request.experiment, Path(request.data)
        return
    known = sorted(path.name for path in (home / CHAMPIONS).glob("*") if path.is_dir())
    for experiment in [request.experiment] if request.experiment else known:
        seen = {each.data for _, each in past(home, experiment)}
        for file in sorted((home / INCOMING / experiment).glob("[!.]*")):
            if str(file) not in seen:
                yield experiment, file


def _watched(page: RunPage, home: Path, experiment: str, file: Path, size: int | None) -> Path:
    folder, found = look(home, experiment, file, size)
    page.log(f"{experiment}, {file}: {found.answer}. {found.sentence} Report: {address(folder / REPORT, home)}")
    page.tag(f"experiment:{experiment}", f"answer:{found.answer}")
    if found.answer == "retrain":
        page.drifted(found, folder)
        _train_again(page, home, experiment)
    return folder


def _train_again(page: RunPage, home: Path, experiment: str) -> None:
    """Starts the experiment again as a run of the bake-off's deployment, and does not wait for it."""
    try:
        started = run_deployment(BAKE_OFF, parameters={"request": again(home, experiment)}, timeout=0, as_subflow=False)
    except Exception as error:  # no such deployment, or no server that answers: the monitoring's answer stays valid
        page.log(f"No bake-off was started: {error}")
    else:
        page.log(f"A bake-off was started: {getattr(started, 'name', BAKE_OFF)}")


def again(home: Path, experiment: str) -> dict[str, Any]:
    """Returns the request that runs an experiment again: by its name if it is shipped, else by its file in
    `experiments/` of the home folder, else by the spec of the champion's run. Relative data paths of that spec start
    from the worker's folder."""
    if experiment in shipped():
        return {"experiment": experiment}
    own = home / "experiments" / f"{experiment}.yaml"
    if own.is_file():
        return {"path": str(own.resolve())}
    champion = champion_of(home, experiment)
    assert champion is not None
    return {"spec": yaml.safe_dump(Plan.read(champion.folder).spec, allow_unicode=True, sort_keys=False)}
