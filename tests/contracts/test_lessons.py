"""What holds for every lesson that needs no data; a new entry is tested without a line added."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from flows.experiments import shipped
from reports.render import outside_references
from tasks.lessons.rules import OPTIMIZER_RULES
from tasks.records.lesson import Lesson
from tasks.spec.lessons import LessonSpec
from tasks.spec.load import load_experiment
from tests.experiments import SPECS, WITHOUT_DATA
from tests.lessons import reported, taught

every_lesson = pytest.mark.parametrize("name", WITHOUT_DATA)
LARGEST = 3_000_000


def spec_of(name: str) -> LessonSpec:
    spec = SPECS[name]
    assert isinstance(spec, LessonSpec)
    return spec


@cache
def found(name: str) -> Lesson:
    return taught(spec_of(name))


@every_lesson
def test_its_effect_appears_and_agrees_with_theory(name: str) -> None:
    lesson = found(name)
    assert [check for check in lesson.checks if not check.met] == []
    assert len(lesson.checks) >= 3 and lesson.appeared
    assert "did not appear" not in lesson.headline


@every_lesson
def test_it_has_pictures_and_formulas_and_says_why(name: str) -> None:
    passages = found(name).passages
    assert any(passage.title.startswith("Why") for passage in passages)
    assert any(passage.drawing for passage in passages) and any(passage.formulas for passage in passages)
    for passage in passages:
        for series in passage.drawing.series if passage.drawing else ():
            assert len(series.x) == len(series.y) > 0


@every_lesson
def test_two_changes_are_offered_which_the_spec_takes(name: str) -> None:
    changes = found(name).tries
    assert len(changes) == 2
    for change in changes:
        changed, _ = load_experiment(shipped()[name], [change.setting])
        assert changed != spec_of(name) and len(change.look_for) > 40


@every_lesson
def test_it_is_read_as_it_was_written(name: str, tmp_path: Path) -> None:
    found(name).write(tmp_path)
    assert Lesson.read(tmp_path).checks == list(found(name).checks)


@every_lesson
def test_its_report_stands_alone_and_shows_every_check(name: str, tmp_path: Path) -> None:
    lesson = found(name)
    path = reported(spec_of(name), lesson, tmp_path / "run")
    page = path.read_text(encoding="utf-8")
    assert path.stat().st_size < LARGEST and not outside_references(page)
    assert page.count('<figure class="chart">') == sum(passage.drawing is not None for passage in lesson.passages)
    formulas = sum(len(passage.formulas) for passage in lesson.passages)
    formulas += sum(len(OPTIMIZER_RULES[name].formulas) for name in lesson.optimizers)
    assert page.count('<math display="block"') == formulas
    shown = re.sub(r"<annotation.*?</annotation>", "", page, flags=re.DOTALL)
    assert not re.search(r"\\(frac|text|sqrt|lambda)", shown)
    assert page.count(">met</span>") == len(lesson.checks)
    assert {each.name for each in path.parent.iterdir()} == {
        "spec.yaml", "stages.json", "environment.json", "lesson.json", "report.html"
    }  # fmt: skip


def test_a_report_says_first_that_the_effect_did_not_appear(tmp_path: Path) -> None:
    name = WITHOUT_DATA[0]
    missed = [replace(check, met=False, measured=None) for check in found(name).checks]
    failed = replace(found(name), appeared=False, headline="The effect did not appear: <b>", checks=missed)
    page = reported(spec_of(name), failed, tmp_path / "run").read_text(encoding="utf-8")
    assert "verdict-no" in page and "<b>" not in page
    assert page.count(">not met</span>") == len(missed)
    assert page.index("The effect did not appear") < page.index("not met</span>")
