"""`bakeoff predict`: finds the run, asks its model, writes the answers."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from flows.environment import load_tensorflow
from tasks.errors import BadInput, nearest

LATEST = "latest"


def predict_file(run: str, file: Path, output: Path | None, home: Path) -> None:
    """Writes the answers as CSV, to `output` or to the terminal; what is to be known goes to stderr.

    Raises:
        BadInput: there is no such run or file, the run shipped no model, or the file is not what the model takes.
    """
    model = _model(run, home)
    if not file.exists():
        raise BadInput("is not there", where=str(file), accepted="a CSV, TSV, Excel or Parquet file")
    if output is not None and not output.absolute().parent.is_dir():
        raise BadInput("its folder is not there", where=str(output), remedy="make the folder first")
    load_tensorflow()
    from tasks.serving.answers import PROBLEM, answers

    rows, notes = answers(model, file)
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    troubled = int((rows.filter(like=PROBLEM).iloc[:, -1] != "").sum())
    if troubled:
        typer.echo(f"note: {troubled:,} of {len(rows):,} rows have a problem, named in their last column", err=True)
    if output is None:
        rows.to_csv(sys.stdout, index=False)
        return
    temporary = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        rows.to_csv(temporary, index=False)
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)
    typer.echo(str(output))


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
