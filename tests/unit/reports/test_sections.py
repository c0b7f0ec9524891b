"""The table of the report's sections: each renders for each kind of run; a new one is one line."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from reports.run import Run, read_run
from reports.sections import SECTIONS, ReportIncomplete, Section, markdown
from tests.synthetic_run import write_synthetic_run


@pytest.fixture(scope="module", params=[8, 0], ids=["searched", "not searched"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return read_run(write_synthetic_run(tmp_path_factory.mktemp("run"), search=request.param), "a test")


def headings(page: str) -> list[str]:
    return re.findall(r"^## .*\{#(.*)\}$", page, re.MULTILINE)


def test_sections_stand_in_the_order_of_the_table(run: Run) -> None:
    expected = [section.anchor for section in SECTIONS.values() if section.shown(run)]
    assert headings("\n".join(markdown(run, SECTIONS.values()))) == expected
    assert ("tuning" in expected) == bool(run.plan.search)


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_renders_before_there_is_a_verdict(run: Run, name: str) -> None:
    """A run that was ended early has a report too."""
    early = replace(run, verdict=None, validation=None, trials=run.trials.iloc[:0], metrics=run.metrics.iloc[:0])
    assert list(markdown(early, [SECTIONS[name]]))


def test_anchors_are_the_sections_own() -> None:
    anchors = [section.anchor for section in SECTIONS.values()]
    assert len(set(anchors)) == len(anchors)


def test_a_section_of_ones_own_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Section("Notes <b>", "notes", {"rows": lambda run: f"{len(run.trials)} trials"})
    monkeypatch.setitem(SECTIONS, "notes", own)
    page = "\n".join(markdown(run, SECTIONS.values()))
    assert headings(page)[-1] == "notes"
    assert "<b>" not in page.splitlines()[page.splitlines().index(f"{len(run.trials)} trials") - 2]


def test_a_part_that_fails_leaves_the_others_and_fails_the_report_at_its_end(run: Run) -> None:
    broken = Section("Broken", "broken", {"first": lambda run: str(1 / 0), "second": lambda run: "still here"})
    pieces = markdown(run, [broken, SECTIONS["trials"]])
    shown = []
    with pytest.raises(ReportIncomplete, match=r"^first: ZeroDivisionError: division by zero$"):
        for piece in pieces:
            shown.append(piece)
    page = "\n".join(shown)
    assert headings(page) == ["broken", "trials"]
    assert "This part of the report could not be made" in page and "still here" in page


def test_the_document_keeps_one_cell_over_the_table() -> None:
    document = (Path(__file__).parents[3] / "reports" / "comparison.qmd").read_text(encoding="utf-8")
    assert document.count("```{python}") == 3, "parameters, set-up, sections"
    assert "\n## " not in document
