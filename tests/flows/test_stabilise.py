"""`train.stabilise` through the command: the stage, its files, and going on from the stage."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.run_folder import STAGES, read_json
from tests.flows.command import PROJECT, bakeoff
from tests.flows.test_bakeoff import FILES, FOLDERS, OPTIONAL, WRITTEN

RESTLESS = PROJECT / "tests" / "flows" / "restless.yaml"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def folder(home: Path) -> Path:
    done = bakeoff("run", RESTLESS, "--run-dir", home / "run", home=home)
    assert done.returncode == 0, done.stderr
    assert "stabilise" in done.stderr
    return home / "run"


def test_it_is_a_stage_and_its_files_are_the_contracts(folder: Path) -> None:
    assert list(read_json(folder / "stages.json")["stages"]) == [each for each in STAGES if each != "search"]
    tables = {f"{name}.parquet" for name in WRITTEN}
    assert {path.name for path in folder.iterdir()} == FILES | FOLDERS | OPTIONAL | tables | {"lock"}


def test_the_repaired_spec_can_be_checked(folder: Path, home: Path) -> None:
    checked = bakeoff("check", folder / "repaired.yaml", home=home)
    assert checked.returncode == 0, checked.stderr


def test_the_report_and_the_terminal_say_so(folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Repairs" in page and "bakeoff run repaired.yaml" in page
    assert len(read_json(folder / "verdict.json")["recipes"]) == 1  # the repaired recipe is not compared


def test_it_goes_on_from_there(folder: Path, home: Path) -> None:
    before = read_json(folder / "previews" / "repairs.json")
    done = bakeoff("run", RESTLESS, "--run-dir", folder, "--from", "stabilise", home=home)
    assert done.returncode == 0, done.stderr
    assert read_json(folder / "previews" / "repairs.json") == before
