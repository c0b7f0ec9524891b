"""Where a flow run works: a retry goes on in its first attempt's folder, and a worker stays inside `runs/`."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flows.bakeoff import RunRequest, _place
from tasks.errors import BadInput

NAME = "20260101-000000-wine"


def place(home: Path, *, deployed: bool = True, earlier: str | None = None, **request: Any) -> Any:
    page: Any = SimpleNamespace(deployed=deployed, earlier_folder=earlier)
    return _place(RunRequest(**request), page, home)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / NAME
    folder.mkdir(parents=True)
    (folder / "stages.json").touch()
    (tmp_path / "stages.json").touch()
    return folder


def test_a_retry_goes_on_in_its_folder(tmp_path: Path, run: Path) -> None:
    assert place(tmp_path, earlier=NAME) == (run, "train")
    assert place(tmp_path, earlier=NAME, start_from="judge") == (run, "judge")
    assert place(tmp_path) == (None, "load")
    assert place(tmp_path, earlier="removed-meanwhile") == (None, "load")


@pytest.mark.parametrize("name", ["..", ".", "../runs/..", "/etc"])
def test_a_tag_leads_nowhere_else(tmp_path: Path, run: Path, name: str) -> None:
    assert place(tmp_path, earlier=name) == (None, "load")


def test_a_worker_writes_to_runs_only(tmp_path: Path, run: Path) -> None:
    assert place(tmp_path, run_dir=str(run), start_from="report") == (run, "report")
    for path in (tmp_path / "elsewhere", run / ".." / "..", run / "model"):
        with pytest.raises(BadInput, match="is no run's folder"):
            place(tmp_path, run_dir=str(path))
    assert place(tmp_path, deployed=False, run_dir="elsewhere") == (Path("elsewhere"), "load")
