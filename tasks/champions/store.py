"""Where champions are stored: champions/EXPERIMENT/ENTRY/ under the home folder, one entry for each promotion.

Entries are numbered and dated (`0002-20261127`); the last one is the champion. An entry is written under a temporary
name and then renamed, so readers see all of it or none. Entries of former champions are kept.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tasks.records.champion import Promotion
from tasks.run_folder import make_folder

CHAMPIONS = "champions"
MODEL = "model"
_ENTRY = re.compile(r"(\d{4,})-\d{8}")
_ATTEMPTS = 100


@dataclass(frozen=True)
class Champion:
    """A promoted model.

    Args:
        folder: Its entry, with `model/`, `card.md`, and the run's spec.yaml, plan.json, verdict.json and splits.
        promotion: The record of its promotion.
    """

    folder: Path
    promotion: Promotion

    @property
    def model(self) -> Path:
        return self.folder / MODEL


def champion_of(home: Path, experiment: str) -> Champion | None:
    """The champion of an experiment; None where there is none.

    Raises:
        BadInput: its record can't be read.
    """
    found = entries(home, experiment)
    return Champion(found[-1], Promotion.read(found[-1])) if found else None


def entries(home: Path, experiment: str) -> list[Path]:
    """The entries of all champions of an experiment, the present champion last."""
    folder = home / CHAMPIONS / experiment
    found = [path for path in folder.iterdir() if _number(path)] if folder.is_dir() else []
    return sorted(found, key=_number)


def add_entry(home: Path, experiment: str, write: Callable[[Path], None]) -> Path:
    """Makes a new entry, which then is the champion.

    Args:
        write: Writes the entry's files into the folder that it is given.
    """
    folder = make_folder(home / CHAMPIONS / experiment)
    temporary = folder / f".entry.{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)  # left by a killed process with this number
    temporary.mkdir()
    try:
        write(temporary)
        return _renamed(temporary, home, experiment)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _renamed(temporary: Path, home: Path, experiment: str) -> Path:
    """Renames the entry to the next free number. Tries again where another process takes that number first."""
    for _ in range(_ATTEMPTS):
        last = entries(home, experiment)
        number = _number(last[-1]) + 1 if last else 1
        entry = temporary.with_name(f"{number:04d}-{time.strftime('%Y%m%d', time.gmtime())}")
        try:
            return temporary.rename(entry)
        except OSError:
            if not entry.exists():
                raise
    raise OSError(f"no free name for an entry in {temporary.parent}")


def _number(entry: Path) -> int:
    """An entry's number, from 1; 0 where the path is not an entry."""
    found = _ENTRY.fullmatch(entry.name)
    return int(found[1]) if found else 0
