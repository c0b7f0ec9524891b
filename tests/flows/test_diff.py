"""`bakeoff diff` and `bakeoff list runs`: what two runs share and how they differ, and a list of all runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.cli import main
from reports.render import outside_references
from tests.hostile import unescaped
from tests.synthetic_run import write_synthetic_run


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name, recipes, hostile in (("first", 2, False), ("second", 3, True)):
        run = write_synthetic_run(tmp_path / "runs" / name, recipes=recipes, seeds=2, hostile=hostile)
        (run / "stages.json").write_text('{"stages": {}}')
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    with pytest.raises(SystemExit) as end:
        main([*map(str, arguments)])
    shown = capsys.readouterr()
    return int(end.value.code or 0), shown.out + shown.err


def test_two_runs_stand_side_by_side(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = said(capsys, "diff", "first", home / "runs" / "second", "--home", home)
    assert code == 0
    for part in ("Result", "Spec", "Data", "Recipes", "Figures of the shipped model", "Gates"):
        assert part in shown
    assert "keys are equal in both" in " ".join(shown.split())
    path = Path(shown.splitlines()[-1])
    page = path.read_text()
    assert path == home / "diffs" / "first--second.html" and not outside_references(page)
    assert "momentum" in page and "<b>" in page  # a recipe of the second one alone
    assert [each for each in unescaped(page) if each in ("<script>alert", "<b>hostile")] == []


def test_a_run_is_equal_to_itself(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = said(capsys, "diff", "first", "first", "--home", home)
    assert code == 0 and "measured on the same test rows" in " ".join(shown.split())
    assert "<b>" not in (home / "diffs" / "first--first.html").read_text()


@pytest.mark.parametrize(("run", "why"), [("frist", "did you mean first"), ("begun", "no plan")])
def test_what_is_no_run_is_said(run: str, why: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "runs" / "begun").mkdir()
    (home / "runs" / "begun" / "stages.json").write_text('{"stages": {}}')
    code, shown = said(capsys, "diff", "first", run, "--home", home)
    assert code == 2 and why in shown and not (home / "diffs").exists()


def test_runs_are_listed_with_decision_winner_metric_and_gates(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = said(capsys, "list", "runs", "--home", home)
    (line,) = [line for line in shown.splitlines() if "first" in line]
    assert code == 0 and "accuracy 0." in line and "[0." in line and "1 pass" in line
