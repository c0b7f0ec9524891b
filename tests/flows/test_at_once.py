"""Runs that are started together: two of one experiment and two others (`python -m tests.bench.at_once` starts ten)."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.at_once import at_most
from tests.bench.at_once import compared, together
from tests.flows.command import SMALL


@pytest.mark.slow
def test_runs_beside_others_are_whole_and_the_same_as_alone(tmp_path: Path) -> None:
    text = SMALL.read_text(encoding="utf-8")
    for name in ("other", "third"):
        (tmp_path / f"{name}.yaml").write_text(text.replace("name: small", f"name: {name}"), encoding="utf-8")
    experiments = {"one": SMALL, "two": SMALL, "other": tmp_path / "other.yaml", "third": tmp_path / "third.yaml"}
    beside = together(dict(experiments), tmp_path / "home")
    assert beside.faults == []
    assert beside.waited or at_most() >= len(experiments)
    _, unlike = compared(SMALL, ["one", "two"], beside, tmp_path / "alone")
    assert unlike == []
    assert len(list((tmp_path / "home" / "cache" / "slots").iterdir())) <= at_most()
