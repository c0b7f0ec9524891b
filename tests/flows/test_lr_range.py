"""`bakeoff lr-range`: a table, a page, and no run."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.cli import main
from reports.render import outside_references

SPEC = """
name: rates
description: "<script>alert(1)</script>"
data: {source: wine}
model: linear
train: {epochs: 10, seeds: 1}
compare: {optimizer: [adam, sgd]}
"""


def asked(command: str, text: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    path = folder / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit) as end:
        main([command, str(path), "--home", str(folder / "home")])
    said = capsys.readouterr()
    return int(str(end.value.code)), said.out, said.err


def test_a_table_and_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = asked("lr-range", SPEC, tmp_path, capsys)
    assert code == 0
    assert "adam" in out and "sgd" in out and "0.000001 to 1" in out
    page = Path(out.splitlines()[-1])
    assert page == tmp_path / "home" / "lr-range" / "rates.html"
    text = page.read_text(encoding="utf-8")
    assert not outside_references(text) and "<script>alert" not in text
    assert '<h1 class="title">rates</h1>' in text and "Best rate seen" in text
    assert [each.name for each in (tmp_path / "home").iterdir()] == ["lr-range"]  # no run is left


def test_a_wrong_spec_is_answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, errors = asked("lr-range", SPEC.replace("sgd", "sgdd"), tmp_path, capsys)
    assert code == 2 and "sgdd" in errors


def test_check_says_what_it_will_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tuned = SPEC + "tune: {trials: 3, space: {learning_rate: range-test}}\n"
    code, out, _ = asked("check", tuned, tmp_path, capsys)
    assert code == 0
    assert "range tests find learning rates to search: 186 short trials" in out
    assert "learning_rate: a range that a range test finds before the search" in out
