"""The comparison of two runs sees what differs, and forgives what is measured."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tasks.records.tables import METRICS, TRIALS
from tests.bench.same_run import differences


def write_run(
    folder: Path, *, test: float = 0.5, val: float = 0.25, seconds: float = 1.0, plan: dict | None = None
) -> Path:
    folder.mkdir()
    by_part = {"val": val, "test": test}
    rows = [{"trial_id": "a", "part": part, "metric": "rmse", "value": value} for part, value in by_part.items()]
    METRICS.write(pd.DataFrame(rows), folder)
    TRIALS.write([{"trial_id": "a", "status": "ok", "seconds": seconds}], folder)
    document = {"stacks": [{"stack_id": "s"}], "cost": {"seconds": seconds}, "probe": {"x": seconds}} | (plan or {})
    (folder / "plan.json").write_text(json.dumps(document))
    return folder


def test_seconds_and_the_probe_are_not_compared(tmp_path: Path) -> None:
    assert differences(write_run(tmp_path / "a"), write_run(tmp_path / "b", seconds=9.0)) == []


def test_seconds_in_an_advice_are_not_compared(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name) for name in "abc"]
    said = "train with about {} seeds (now 2), which takes about {} s more of training for the two"
    for run, seeds, seconds in zip(runs, (28, 28, 29), ("540", "1,200", "540"), strict=True):
        (run / "verdict.json").write_text(json.dumps({"next": [said.format(seeds, seconds)]}))
    assert differences(runs[0], runs[1]) == []
    assert len(differences(runs[0], runs[2])) == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"test": 0.5 * (1 + 1e-7)}, []),
        ({"test": 0.5 * (1 + 1e-5)}, ["table metrics, column value: 1 of 2 rows differ"]),
        ({"val": 0.25 * (1 + 1e-7)}, ["table metrics, column value: 1 of 2 rows differ"]),
        ({"plan": {"stacks": [{"stack_id": "t"}]}}, ["plan.stacks[0].stack_id: 's' and 't'"]),
        ({"plan": {"more": 1}}, ["plan.more is in one of them only"]),
    ],
)
def test_figures_of_the_test_part_may_differ_a_little_and_nothing_else(
    tmp_path: Path, changed: dict, said: list[str]
) -> None:
    assert differences(write_run(tmp_path / "a"), write_run(tmp_path / "b", **changed)) == said


def test_more_rows_are_allowed_on_demand(tmp_path: Path) -> None:
    one, other = write_run(tmp_path / "a"), write_run(tmp_path / "b")
    TRIALS.write([{"trial_id": name, "status": "ok", "seconds": 1.0} for name in "ab"], other)
    assert differences(one, other) == ["table trials: the rows are not the same (1 and 2)"]
    assert differences(one, other, subset=True) == []
