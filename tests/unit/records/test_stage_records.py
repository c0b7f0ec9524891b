"""stages.json: what became of each stage is on record."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.errors import BadInput
from tasks.records.stage_records import Stages
from tasks.run_folder import read_json


def test_each_stage_is_on_record_while_it_runs_and_after(tmp_path: Path) -> None:
    stages = Stages(tmp_path)
    with stages.running("load"):
        (record,) = read_json(tmp_path / "stages.json")["stages"].values()
        assert record["status"] == "running"
    with pytest.raises(BadInput), stages.running("validate"):
        raise BadInput("the data are wrong", where="data")
    records = read_json(tmp_path / "stages.json")["stages"]
    assert list(records) == ["load", "validate"]
    assert records["load"]["status"] == "done"
    assert records["validate"]["status"] == "failed"
    assert records["validate"]["reason"] == "data: the data are wrong"
    assert all(record["seconds"] >= 0 and record["started"].endswith("Z") for record in records.values())


def test_an_interruption_is_a_failure_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Stages(tmp_path).running("train"):
        raise KeyboardInterrupt
    assert read_json(tmp_path / "stages.json")["stages"]["train"]["reason"] == "KeyboardInterrupt"


def test_a_run_taken_up_again_keeps_what_was_on_record(tmp_path: Path) -> None:
    with Stages(tmp_path).running("load"):
        pass
    before = read_json(tmp_path / "stages.json")["stages"]["load"]
    with Stages(tmp_path).running("train"):
        pass
    records = read_json(tmp_path / "stages.json")["stages"]
    assert records["load"] == before
    assert list(records) == ["load", "train"]
