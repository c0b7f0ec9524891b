"""`bakeoff predict`: finds the run, and predicts with its model."""

from __future__ import annotations

import os
from pathlib import Path

from flows.environment import load_tensorflow
from tasks.errors import BadInput, nearest
from tasks.records.lesson import Lesson
from tasks.run_state import state_of

LATEST = "latest"


def predict_file(run: str, file: Path, output: Path | None, home: Path) -> None:
    """Predicts a file with the model of a run, as `answer_file` does.

    Raises:
        BadInput: there is no such run, it shipped no model, or as in `check_files` and `answer_file`.
    """
    from tasks.serving.command import answer_file, check_files

    model = _model(run, home)
    check_files(file, output)
    load_tensorflow()
    answer_file(model, file, output)


def finished_run(run: str, home: Path) -> Path:
    """Returns the folder of a finished run. `run` is its folder, its name under runs/, or `latest`.

    Raises:
        BadInput: there is none, it is a lesson's, or it has no verdict.
    """
    runs = home / "runs"
    named = sorted(path.name for path in runs.iterdir() if (path / "verdict.json").exists()) if runs.is_dir() else []
    if run == LATEST and named:
        folder = runs / max(named, key=lambda name: (runs / name / "verdict.json").stat().st_mtime)
    else:
        folder = runs / run if run in named else Path(run)
    for each in (folder, runs / run):
        if os.path.isfile(each / Lesson.FILE):  # noqa: PTH113 - as below
            raise BadInput("a lesson has no model and no verdict", where=str(each), accepted="a run on data")
    if os.path.isfile(folder / "verdict.json"):  # noqa: PTH113 - False for an impossible name too
        return folder
    begun = next((each for each in (folder, runs / run) if os.path.isfile(each / "stages.json")), None)  # noqa: PTH113
    got = state_of(begun).phrase if begun else None
    if not named:
        remedy = "run an experiment first: bakeoff run SPEC; or name another home folder: --home"
        raise BadInput("this is no finished run", where=run, got=got or f"no finished run in {runs}", remedy=remedy)
    raise BadInput("this is no finished run", where=run, got=got, accepted=nearest(run, [LATEST, *named]))


def begun_run(run: str, home: Path) -> Path:
    """Like `finished_run`, but also finds a run that ended before its verdict.

    Raises:
        BadInput: there is no such run.
    """
    for folder in (home / "runs" / run, Path(run)):
        if run != LATEST and os.path.isfile(folder / "stages.json"):  # noqa: PTH113 - as above
            return folder
    return finished_run(run, home)


def _model(run: str, home: Path) -> Path:
    """Returns the folder of the model that a run shipped."""
    folder = finished_run(run, home)
    model = folder / "model"
    if not (model / "signature.json").is_file():
        raise BadInput("the run shipped no model", where=str(folder), remedy="its report says why")
    return model
