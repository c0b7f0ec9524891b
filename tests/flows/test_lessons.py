"""A lesson without data through the command: it is run, kept, listed and compared, and misuse is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.cli import main
from tasks.records.lesson import Lesson
from tasks.run_folder import read_json
from tests.experiments import SPECS
from tests.flows.command import bakeoff
from tests.lessons import lesson_of, reported

QUICK = "--set=lesson.condition_numbers=[2, 10, 100]"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with two lessons that were run, the second with steps that are too long."""
    for folder, step in (("1-best", 1.0), ("2-long", 1.1)):
        found = lesson_of("conditioning", step=step, condition_numbers=[2.0, 100.0])
        reported(SPECS["lesson-conditioning"], found, tmp_path / "runs" / folder)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    with pytest.raises(SystemExit) as end:
        main([*map(str, arguments)])
    shown = capsys.readouterr()
    return int(end.value.code or 0), " ".join((shown.out + shown.err).split())


@pytest.mark.slow
def test_a_lesson_runs_from_its_spec_to_its_report(tmp_path: Path) -> None:
    done = bakeoff("run", "lesson-conditioning", QUICK, home=tmp_path)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    assert done.stdout.splitlines()[-1] == str(folder / "report.html")
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["start", "note:", "train", "report"]
    assert list(read_json(folder / "stages.json")["stages"]) == ["train", "report"]
    assert {path.name for path in folder.iterdir()} == {
        "spec.yaml", "stages.json", "environment.json", "lesson.json", "report.html", "lock"
    }  # fmt: skip
    lesson = Lesson.read(folder)
    assert lesson.headline in " ".join(done.stdout.split()) and len(lesson.checks) == 6
    assert "ended" in read_json(folder / "environment.json")
    assert "6 of 6 checks against theory met" in (tmp_path / "index.html").read_text(encoding="utf-8")
    again = bakeoff("run", "lesson-conditioning", QUICK, "--run-dir", folder, home=tmp_path)
    assert again.returncode == 2 and "the run folder is not empty" in again.stderr
    other = bakeoff("run", "lesson-conditioning", "--run-dir", folder, "--from", "train", home=tmp_path)
    assert other.returncode == 2 and "holds a run of another spec" in other.stderr


def test_lessons_are_listed_with_what_was_seen(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = said(capsys, "list", "runs", "--home", home)
    assert code == 0
    assert "1-best lesson: the effect appeared, 4 of 4 checks against theory met" in shown
    assert "2-long lesson: the effect did not appear, 0 of 4 checks against theory met" in shown


def test_two_lessons_are_compared(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = said(capsys, "diff", "1-best", "2-long", "--home", home)
    assert code == 0
    assert "lesson.conditioning.step 1.0 1.1" in shown and "(not met)" in shown
    assert "Checks against theory" in (home / "diffs" / "1-best--2-long.html").read_text(encoding="utf-8")


def test_a_lesson_is_reported_again_and_cleared_away(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = home / "runs" / "1-best" / "report.html"
    report.unlink()
    assert said(capsys, "report", report.parent) == (0, str(report))
    assert "What was seen" in report.read_text(encoding="utf-8")
    code, shown = said(capsys, "gc", "--keep", 1, "--home", home)
    assert code == 0 and "1-best" in shown and "2-long" not in shown


@pytest.mark.parametrize(
    "command", [["predict", "1-best", "rows.csv"], ["promote", "1-best"]], ids=lambda each: each[0]
)
def test_a_lesson_has_no_model(command: list[str], home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = said(capsys, *command, "--home", home)
    assert code == 2 and "a lesson has no model and no verdict" in shown


def test_a_lesson_has_no_learning_rates_to_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = said(capsys, "lr-range", "lesson-conditioning", "--home", tmp_path)
    assert code == 2 and "lesson-conditioning.yaml: this is a lesson, which has no recipes" in shown


def test_a_run_does_not_go_on_in_a_lessons_folder(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = home / "runs" / "1-best"
    assert "the run folder is not empty" in said(capsys, "run", "digits", "--home", home, "--run-dir", folder)[1]
    started = said(capsys, "run", "digits", "--home", home, "--run-dir", folder, "--from", "train")
    assert started[0] == 2 and "there is no run to go on from" in started[1]
