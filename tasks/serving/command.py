"""Reads a file of rows and writes a file of answers, for `bakeoff predict` and for a model's own predict.py."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tasks.errors import BadInput, plain
from tasks.serving.answers import answers

OUTPUT = "a .csv or .parquet file to write; default: CSV, printed"
FILE = "new rows: a CSV, TSV, Excel or Parquet file; images or WAV files, one or a folder of them; .npz"


def check_files(file: Path, output: Path | None) -> None:
    """Checks that the file exists, and the folder to write to.

    Raises:
        BadInput: one is missing.
    """
    if not file.exists():
        raise BadInput("is not there", where=str(file), accepted=FILE)
    if output is not None and not output.absolute().parent.is_dir():
        raise BadInput("its folder is not there", where=str(output), remedy="make the folder first")


def answer_file(model: Path, file: Path, output: Path | None) -> None:
    """Writes the model's answers to `output`, or prints them. Notes go to stderr.

    Raises:
        BadInput: as in `answers`, or `output` can't be written.
    """
    rows, notes = answers(model, file)
    troubled = int((rows.iloc[:, -1] != "").sum())
    if troubled:
        notes = [*notes, f"{troubled:,} of {len(rows):,} rows have a problem, named in their last column"]
    sys.stderr.writelines(f"note: {plain(note)}\n" for note in notes)
    if output is None:
        rows.to_csv(sys.stdout, index=False)
        return
    _write(rows, output)
    sys.stdout.write(f"{output}\n")


def _write(rows: pd.DataFrame, output: Path) -> None:
    """Writes to a temporary name, then renames: readers see only a complete file."""
    temporary = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        if output.name.lower().endswith(".parquet"):
            rows.to_parquet(temporary, index=False)
        else:
            rows.to_csv(temporary, index=False)
        temporary.replace(output)
    except OSError as error:
        raise BadInput("can't be written", where=str(output), got=error.strerror) from None
    finally:
        temporary.unlink(missing_ok=True)


def main(model: Path, arguments: Sequence[str] | None = None) -> int:
    """Runs `predict.py`. Returns its exit code: 0, or 2 with a message on stderr where the file does not fit the model.

    Args:
        model: The folder with model.keras and signature.json.
        arguments: The command's arguments; None: those of the command line.
    """
    parser = argparse.ArgumentParser(prog="predict.py", description="The model's answers for new rows.")
    parser.add_argument("file", metavar="FILE", type=Path, help=FILE)
    parser.add_argument("--output", type=Path, help=OUTPUT)
    wanted = parser.parse_args(arguments)
    try:
        check_files(wanted.file, wanted.output)
        answer_file(model, wanted.file, wanted.output)
    except BadInput as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0
