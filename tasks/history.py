"""Where monitorings are stored: monitoring/EXPERIMENT/DATE-TIME/ under the home folder, one folder for each.
`bakeoff gc` never deletes them."""

from __future__ import annotations

import re
import time
from pathlib import Path

from tasks.errors import BadInput
from tasks.records.monitoring import Monitored
from tasks.run_folder import private_folder

MONITORING = "monitoring"
REPORT = "report.html"
_MOST_A_SECOND = 1000


def folders(home: Path, experiment: str) -> list[Path]:
    """All monitorings of an experiment, the latest last."""
    found = (home / MONITORING / experiment).glob(f"*/{Monitored.FILE}")
    return sorted((path.parent for path in found), key=_when)


def experiments(home: Path) -> list[str]:
    """The experiments that have been monitored."""
    return sorted(path.name for path in (home / MONITORING).glob("*") if folders(home, path.name))


def past(home: Path, experiment: str) -> list[tuple[Path, Monitored]]:
    """Folder and record of each monitoring that can be read, the latest last."""
    found = []
    for folder in folders(home, experiment):
        try:
            found.append((folder, Monitored.read(folder)))
        except BadInput:
            continue
    return found


def earlier(home: Path, experiment: str, champion: str) -> Monitored | None:
    """The last monitoring of this champion; None where there is none."""
    return next((each for _, each in reversed(past(home, experiment)) if each.champion == champion), None)


def _when(folder: Path) -> list[int]:
    """Date, time, and the number among the folders of that second, to sort by."""
    return [int(number) for number in re.findall(r"\d+", folder.name)]


def new_folder(home: Path, experiment: str) -> Path:
    """Makes a folder for a monitoring."""
    parent = private_folder(private_folder(home / MONITORING) / experiment)
    stem = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    for number in range(1, _MOST_A_SECOND):
        folder = parent / (stem if number == 1 else f"{stem}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise BadInput("no free name for the folder", where=str(parent), got=stem)
