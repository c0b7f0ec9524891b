"""Where monitorings are stored, and their order."""

from __future__ import annotations

from pathlib import Path

from tasks.history import folders, new_folder
from tasks.records.monitoring import Monitored


def test_monitorings_of_one_second_stay_in_order(tmp_path: Path) -> None:
    made = [new_folder(tmp_path, "loans") for _ in range(12)]
    for folder in made:
        (folder / Monitored.FILE).write_text("{}")
    assert folders(tmp_path, "loans") == made
