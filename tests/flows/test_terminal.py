"""Output to a terminal: never a control character or text-direction mark from data or names."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.cli import main
from tasks.errors import BadInput, plain
from tests.flows.command import bakeoff

CLEAR, TITLE, C1, TURNED = "\x1b[2J", "\x1b]0;mine\x07", "\x9b31m", "\u202e"
COLUMN, CATEGORY, LABEL, FILE = f"a{CLEAR}", f"red{C1}", f"yes{TITLE}{TURNED}", f"t{CLEAR}{TURNED}.csv"


def hidden(text: str) -> set[str]:
    """Returns the characters of a text that must not reach a terminal."""
    return {
        letter
        for letter in text
        if letter != "\n" and (unicodedata.category(letter) in ("Cc", "Zl", "Zp") or "\u200e" <= letter <= "\u202e")
    }


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """Writes a table in which every string is hostile, and its spec."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=120)
    label = np.where(numbers + rng.normal(size=120) > 1, LABEL, "no")  # the rarer class is of interest
    table = pd.DataFrame({COLUMN: numbers, "c": rng.choice([CATEGORY, "blue"], 120), "y": label})
    table.to_csv(tmp_path / FILE, index=False)
    source = FILE.encode("unicode_escape").decode()
    path = tmp_path / "spec.yaml"
    training = "model: linear\ntrain: {epochs: 40, seeds: 1, batch_size: 2}\n"
    path.write_text(f'data: {{source: "{source}", target: y}}\n{training}', encoding="utf-8")
    return path


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Runs the command in this process and returns all that it prints."""
    with pytest.raises(SystemExit):
        main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return printed.out + printed.err


def test_check_shows_columns_labels_and_files_escaped(
    spec: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = said(capsys, "check", spec, "--home", home, "--defaults")
    assert hidden(shown) == set()
    assert r"a\x1b[2J" in shown and r"yes\x1b]0;mine\x07\u202e" in shown and r"t\x1b[2J\u202e.csv" in shown


@pytest.mark.parametrize(
    "wrong", [f"data.target={COLUMN}x", f"data.source={FILE}x", f"name={LABEL}", f"{COLUMN}=1", f"model={CATEGORY}"]
)
def test_refusals_repeat_what_was_got_escaped(
    wrong: str, spec: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = said(capsys, "check", spec, "--home", home, "--set", wrong)
    assert hidden(shown) == set() and "\\x" in shown


def test_runs_and_experiments_are_named_escaped(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "runs" / f"run{CLEAR}").mkdir(parents=True)
    shown = said(capsys, "list", "runs", "--home", home)
    assert hidden(shown) == set() and r"run\x1b[2J" in shown
    assert hidden(said(capsys, "run", f"no{TITLE}", "--home", home)) == set()


@pytest.mark.slow
def test_the_lines_of_a_run_are_escaped(spec: Path, tmp_path: Path) -> None:
    run = bakeoff("run", spec, home=tmp_path / "home")
    assert run.returncode == 0, run.stderr
    assert hidden(run.stdout + run.stderr) == set()
    assert r"yes\x1b]0;mine\x07\u202e" in " ".join((run.stdout + run.stderr).split())
    told = bakeoff("predict", "latest", spec.parent / FILE, "--output", tmp_path / "o.csv", home=tmp_path / "home")
    assert told.returncode == 0 and hidden(told.stderr) == set()


def test_what_is_no_command_to_a_terminal_stays() -> None:
    text = "größer\tals 1\n\u4e2d\u6587 \u05d0\u05d1 \U0001f468\u200d\U0001f469"
    assert plain(text) == text
    assert BadInput("is wrong", got=CLEAR).message() == "is wrong\n  got:      \\x1b[2J"
