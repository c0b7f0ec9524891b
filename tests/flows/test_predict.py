"""`bakeoff predict`: the run by folder, name or `latest`; CSV to a file or the terminal; messages for mistakes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.cli import main
from tests.runs import planned


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with one run, `runs/loans`, and its file loans.csv."""
    folder = tmp_path_factory.mktemp("home")
    rng = np.random.default_rng(0)
    income = rng.uniform(500, 9000, 200)
    lines = [f'"{value:,.0f}",{"yes" if value > 4000 else "no"}' for value in income]
    (folder / "loans.csv").write_text("\n".join(["income,paid", *lines, '"900",no']))
    train = {"epochs": 20, "seeds": 1, "learning_rate": 0.03}
    # Income alone determines the class here, so the leak check must not block.
    data = {
        "source": str(folder / "loans.csv"),
        "target": "paid",
        "checks": [{"target_leak": {}, "severity": "warn"}],
    }
    run = planned(folder / "runs" / "loans", {"data": data, "model": "linear", "train": train})
    assert run.judge(run.tables()).shipped
    return folder


def command(home: Path, *arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main(["predict", *map(str, arguments), "--home", str(home)])
    return int(end.value.code or 0)


@pytest.mark.parametrize("run", ["loans", "latest", "folder"])
def test_a_run_is_found_and_its_answers_printed(run: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named = home / "runs" / "loans" if run == "folder" else run
    assert command(home, named, home / "loans.csv") == 0
    answers = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert list(answers.columns) == ["row", "prediction", "probability of no", "probability of yes", "problem"]
    told = pd.read_csv(home / "loans.csv")["paid"]
    assert len(answers) == 201 and (answers["prediction"] == told).mean() > 0.9


def test_answers_are_written_whole_and_problems_said(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "new.csv").write_text('income,branch\n"1,200",Oslo\nmuch,Rome\n')
    assert command(home, "latest", tmp_path / "new.csv", "--output", tmp_path / "answers.csv") == 0
    said = capsys.readouterr()
    assert said.out.strip() == str(tmp_path / "answers.csv")
    assert "not used: branch" in said.err and "1 of 2 rows have a problem" in said.err
    answers = pd.read_csv(tmp_path / "answers.csv")
    assert list(answers["branch"]) == ["Oslo", "Rome"] and answers["problem"].notna().tolist() == [False, True]


def test_an_excel_file_is_answered_as_a_csv_file_is(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pd.DataFrame({"branch": ["Oslo", "Rome"], "income": [1200, 8000]}).to_excel(tmp_path / "new.xlsx", index=False)
    (tmp_path / "new.csv").write_text('branch,income\nOslo,"1,200"\nRome,"8,000"\n')
    said = []
    for name in ("new.xlsx", "new.csv"):
        assert command(home, "latest", tmp_path / name) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] and list(pd.read_csv(io.StringIO(said[0]))["prediction"]) == ["no", "yes"]


@pytest.mark.parametrize(
    ("run", "file", "said"),
    [
        ("loan", "loans.csv", "did you mean loans"),
        ("latest", "gone.csv", "is not there"),
        ("latest", "other.csv", "no income"),
    ],
)
def test_mistakes_are_answered(
    run: str, file: str, said: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.csv").write_text("x,y\n1,2\n")
    path = tmp_path / file if file == "other.csv" else home / file
    assert command(home, run, path) == 2
    assert said in capsys.readouterr().err


def test_where_nothing_has_run_latest_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "new.csv").write_text("branch,income\nOslo,1\n")
    assert command(tmp_path, "latest", tmp_path / "new.csv") == 2
    said = capsys.readouterr().err
    assert f"no finished run in {tmp_path / 'runs'}" in said and "bakeoff run SPEC" in said
