"""The index of runs: what it lists, in which order, and that no name from a spec becomes markup."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reports.index import listed, write_index
from reports.render import outside_references
from tasks.records.estimate import Estimate
from tasks.records.verdict import Decision, Shipped, Verdict
from tasks.run_folder import write_json
from tests.verdicts import gate_of, verdict_of

HOSTILE = '<script>alert("x")</script> {{< env HOME >}}'


def add(home: Path, name: str, experiment: str, verdict: Verdict | None, *, status: str = "done") -> Path:
    folder = home / "runs" / name
    folder.mkdir(parents=True)
    write_json(folder / "stages.json", {"stages": {"report" if verdict else "train": {"status": status}}})
    write_json(folder / "plan.json", {"experiment": experiment})
    write_json(folder / "environment.json", {"started": "2026-11-27T04:44:25Z"})
    if verdict:
        verdict.write(folder)
        (folder / "report.html").write_text("<h1>report</h1>", encoding="utf-8")
    return folder


def judged(mean: float, answer: str = "ship") -> Verdict:
    verdict = verdict_of(gates=[gate_of("pass", "block")])
    shipped = Shipped(trial_id="t", recipe_id="adam", seed=0, metrics={verdict.metric: Estimate(mean)})
    return replace(verdict, shipped=shipped, decision=Decision(answer=answer, sentence="Ship adam", reason="it passes"))


def test_every_run_is_listed_the_newest_first(tmp_path: Path) -> None:
    add(tmp_path, "20260101-000000-wine", "wine", judged(0.81))
    add(tmp_path, "20260102-000000-wine", "wine", judged(0.83, "no"))
    add(tmp_path, "20260103-000000-wine", "wine", None, status="running")
    (tmp_path / "runs" / "notes").mkdir()
    runs = listed(tmp_path)
    assert [run.name[:8] for run in runs] == ["20260103", "20260102", "20260101"]
    assert [run.ended for run in runs] == ["killed in train", "", ""]
    page = write_index(tmp_path).read_text(encoding="utf-8")
    assert page.index("20260103&#45;") < page.index("20260102&#45;") < page.index("20260101&#45;")
    assert page.count("/report.html") == 2, "a run without a report has no link"
    assert "do not ship" in page
    assert "1 pass" in page
    assert "over 2 runs&#44; the last ones 0&#46;8100&#44; 0&#46;8300" in page
    assert outside_references(page) == []


def test_a_name_from_a_spec_is_text(tmp_path: Path) -> None:
    add(tmp_path, "20260101-000000-x", HOSTILE, judged(0.8))
    add(tmp_path, "20260102-000000-x", HOSTILE, judged(0.9))
    page = write_index(tmp_path).read_text(encoding="utf-8")
    assert "alert(" not in page
    assert "{{<" not in page


def test_a_broken_verdict_is_said(tmp_path: Path) -> None:
    folder = add(tmp_path, "20260101-000000-x", "x", judged(0.8))
    (folder / "verdict.json").write_text("{}", encoding="utf-8")
    assert listed(tmp_path)[0].ended == "its verdict can't be read"


def test_nothing_has_run(tmp_path: Path) -> None:
    assert "Nothing has run yet" in write_index(tmp_path).read_text(encoding="utf-8")
