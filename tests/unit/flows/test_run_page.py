"""What Prefect's page of a run is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows import run_page
from flows.run_page import RunPage, figures
from reports import artifacts
from tasks.records.estimate import Estimate
from tasks.records.verdict import Baseline, JudgedRecipe
from tests.verdicts import gate_of, verdict_of

RECIPE = JudgedRecipe(
    recipe_id="a",
    recipe="adam",
    optimizer="adam",
    schedule="constant",
    seeds=2,
    status="ok",
    metrics={"accuracy": Estimate(0.9, 0.8, 0.95)},
    val={"accuracy": Estimate(0.9)},
    learned=True,
    note=None,
    seconds=1.0,
    rank=1,
)
BASELINE = Baseline(name="majority class", trial_id="b", metrics={"accuracy": Estimate(0.4)})
VERDICT = verdict_of(gates=[gate_of("fail", "block")], recipes=[RECIPE], baselines=[BASELINE])


def test_outside_a_flow_it_says_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unexpected(*_: Any, **__: Any) -> None:
        raise AssertionError("nothing is to be sent")

    monkeypatch.setattr(run_page, "get_client", unexpected)
    monkeypatch.setattr(run_page, "emit_event", unexpected)
    page = RunPage()
    page.begins("wine", tmp_path)
    page.judged("wine", VERDICT, tmp_path, "file:///report.html")
    page.gate_failed("wine", VERDICT, tmp_path, "It fails.")
    assert not page.deployed


def test_progress_says_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 5.0, 30.0, 31.0, 60.0])
    monkeypatch.setattr("flows.run_page.time.monotonic", lambda: next(now))
    page = RunPage()
    lines: list[str] = []
    monkeypatch.setattr(page, "log", lines.append)
    for what, share in [("", None), ("1 of 4 stacks", 0.1), ("2 of 4 stacks", 0.5), ("3 of 4", 0.6), ("done", 1.0)]:
        page.hear("train", what, share)
    assert lines == ["train: 2 of 4 stacks, 50%, about 30 s left", "train: done in 1 min 0 s"]


def test_an_event_carries_the_figures(tmp_path: Path) -> None:
    told = figures("wine", VERDICT, tmp_path / "20260101-wine")
    assert told["experiment"] == "wine"
    assert told["run"] == "20260101-wine"
    assert told["gates"][0]["answer"] == "fail"


def test_the_verdict_begins_with_the_decision_and_the_way_to_the_report() -> None:
    lines = artifacts.summary(VERDICT, "http://127.0.0.1:1/token/runs/x/report.html").splitlines()
    assert lines[0].startswith("# ")
    assert lines[4] == "[Open the report](http://127.0.0.1:1/token/runs/x/report.html)"
    (gate,) = artifacts.gates(VERDICT)
    assert (gate["answer"], gate["severity"]) == ("fail", "block")
    rows = artifacts.comparison(VERDICT)
    assert [row["Accuracy"] for row in rows] == ["0.900 [0.800, 0.950]", "0.400"]
    assert len({tuple(row) for row in rows}) == 1, "a table has one set of columns"
