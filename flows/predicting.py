"""`bakeoff predict`: finds the run, and asks its model."""

from __future__ import annotations

from pathlib import Path

from flows.environment import load_tensorflow
from tasks.errors import BadInput, nearest

LATEST = "latest"


def predict_file(run: str, file: Path, output: Path | None, home: Path) -> None:
    """As `answer_file`, with the model of a run.

    Raises:
        BadInput: there is no such run, it shipped no model, or as `check_files` and `answer_file`.
    """
    from tasks.serving.command import answer_file, check_files

    model = _model(run, home)
    check_files(file, output)
    load_tensorflow()
    answer_file(model, file, output)


def _model(run: str, home: Path) -> Path:
    """The folder of the model that a run shipped."""
    runs = home / "runs"
    named = sorted(path.name for path in runs.iterdir() if (path / "verdict.json").exists()) if runs.is_dir() else []
    if run == LATEST and named:
        folder = runs / max(named, key=lambda name: (runs / name / "verdict.json").stat().st_mtime)
    else:
        folder = runs / run if run in named else Path(run)
    if not (folder / "verdict.json").is_file():
        raise BadInput("this is no finished run", where=run, accepted=nearest(run, [LATEST, *named]))
    model = folder / "model"
    if not (model / "signature.json").is_file():
        raise BadInput("the run shipped no model", where=str(folder), remedy="its report says why")
    return model
