"""`bakeoff resume`: reads from the folder of an unfinished run how the run was started."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.experiments import find
from tasks.errors import BadInput, nearest
from tasks.records.environment import Environment
from tasks.run_state import state_of


@dataclass(frozen=True)
class Unfinished:
    """A run to go on with.

    Args:
        experiment: The SPEC that `bakeoff run` got; if it isn't found from here any more, the copy in the run folder.
        overrides: `path=value`.
    """

    folder: Path
    experiment: str
    overrides: Sequence[str]


def unfinished(run: str, home: Path) -> Unfinished:
    """Finds a run by its folder, or by its name under runs/.

    Raises:
        BadInput: there is none, it is finished, or it ended before its command was recorded.
    """
    folder = _folder(run, home)
    if state_of(folder).ended == "finished":
        remedy = "bakeoff report RUN renders its report again; bakeoff run SPEC makes another run"
        raise BadInput("the run came to its end", where=str(folder), remedy=remedy)
    asked = Environment.read_if_there(folder)
    if asked is None:
        raise BadInput("the run was ended before it began", where=str(folder), remedy="start it with bakeoff run SPEC")
    _, _, experiment, *_ = shlex.split(asked.command)
    try:
        find(experiment)
    except BadInput:
        experiment = str(folder / "spec.yaml")
    return Unfinished(folder, experiment, asked.overrides)


def _folder(run: str, home: Path) -> Path:
    for folder in (home / "runs" / run, Path(run)):
        if os.path.isfile(folder / "stages.json"):  # noqa: PTH113 - False for an impossible name too
            return folder
    begun = [path.parent for path in (home / "runs").glob("*/stages.json")]
    names = [folder.name for folder in begun if state_of(folder).ended in ("failed", "stopped", "killed")]
    raise BadInput("there is no such run", where=run, accepted=nearest(run, names) if names else None)
