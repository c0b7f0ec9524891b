"""`bakeoff check` of every shipped experiment, and how it shows a plan."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from rich.console import Console

from flows.check import FEW_ROWS, show_columns
from flows.cli import main
from flows.experiments import shipped
from tasks.datasets.catalogue import CATALOGUE
from tasks.records.plan import SourceColumn
from tasks.spec.load import load_spec
from tests.experiments import ON_DATA, WITHOUT_DATA
from tests.real_data import needs_data


def source(name: str) -> str:
    return load_spec(shipped()[name])[0].data.source


BUNDLED = [name for name in ON_DATA if not CATALOGUE[source(name)].files]
PUBLIC = [name for name in ON_DATA if CATALOGUE[source(name)].files]


def check(spec: str, home: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Runs `bakeoff check`, which must succeed, and returns its output."""
    with pytest.raises(SystemExit) as end:
        main(["check", spec, "--home", str(home)])
    said = capsys.readouterr()
    assert end.value.code == 0, said.err
    return said.out


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_experiment_is_planned(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "estimated training time" in check(name, tmp_path, capsys)


@pytest.mark.parametrize("name", WITHOUT_DATA)
def test_a_lesson_says_what_it_measures(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = check(name, tmp_path, capsys)
    assert said.startswith("lesson ") and "?" in said.splitlines()[0] and "measures " in said
    assert list(tmp_path.iterdir()) == []


@needs_data
@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_experiment_is_planned(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "estimated training time" in check(name, tmp_path, capsys)


def write_table(folder: Path) -> None:
    rng = np.random.default_rng(0)
    a, b, rest = rng.normal(size=(3, 60))
    pd.DataFrame({"a": a, "b": b, "y": a + b + rest}).to_csv(folder / "d.csv", index=False)


@pytest.mark.parametrize(
    ("written", "default"),
    [("compare: {model: [linear, mlp]}", False), ("model: linear", False), ("train: {seeds: 2}", True)],
)
def test_the_default_model_is_named_only_where_the_spec_names_none(
    written: str, default: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_table(tmp_path)
    (tmp_path / "spec.yaml").write_text(f"data: {{source: d.csv, target: y}}\n{written}\n")
    assert ("the default for these data" in check(str(tmp_path / "spec.yaml"), tmp_path, capsys)) == default


def test_a_split_by_time_says_when_each_part_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_table(tmp_path)
    table = pd.read_csv(tmp_path / "d.csv")
    table["day"] = pd.date_range("2024-01-01", periods=len(table)).astype(str)
    table.to_csv(tmp_path / "d.csv", index=False)
    (tmp_path / "spec.yaml").write_text("data: {source: d.csv, target: y, split: {time: day}}\n")
    said = check(str(tmp_path / "spec.yaml"), tmp_path, capsys)
    assert "parts: train 38 (2024-01-01 to 2024-02-07), val 10 (2024-02-08 to 2024-02-17), test 12 (" in said


@pytest.mark.parametrize(
    ("written", "offered"),
    [
        ("model: linear", "note: 12 test rows judge roughly; evaluate: {folds: 5, repeats: 10} holds out all 60 rows"),
        ("tune: {trials: 2, space: {learning_rate: auto}}", "evaluate: {folds: 5, repeats: 10}"),
        ("data: {split: {time: day}}", "evaluate: {folds: 5} holds out"),
        ("data: {split: {given: part}}", None),
        ("evaluate: {folds: 3}", None),
    ],
)
def test_of_few_rows_folds_are_offered(
    written: str, offered: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_table(tmp_path)
    table = pd.read_csv(tmp_path / "d.csv")
    table["day"] = pd.date_range("2024-01-01", periods=len(table)).astype(str)
    table["part"] = np.repeat(["train", "val", "test"], 20)
    table.to_csv(tmp_path / "d.csv", index=False)
    spec = yaml.safe_load(written)
    spec["data"] = {"source": "d.csv", "target": "y"} | spec.get("data", {})
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec))
    said = check(str(tmp_path / "spec.yaml"), tmp_path, capsys)
    assert offered in said if offered else "judge roughly" not in said


@pytest.mark.slow
def test_of_many_rows_they_are_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, noise = np.random.default_rng(0).normal(size=(2, FEW_ROWS))
    pd.DataFrame({"a": a, "y": a + noise}).to_csv(tmp_path / "d.csv", index=False)
    (tmp_path / "spec.yaml").write_text("data: {source: d.csv, target: y}\nmodel: linear\n")
    assert "judge roughly" not in check(str(tmp_path / "spec.yaml"), tmp_path, capsys)


def test_a_search_in_folds_says_what_it_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_table(tmp_path)
    (tmp_path / "spec.yaml").write_text(
        "data: {source: d.csv, target: y}\ntune: {trials: 4, folds: 2, space: {learning_rate: auto}}\n"
        "evaluate: {folds: 3, repeats: 2}\ntrain: {seeds: 2}\n"
    )
    said = check(str(tmp_path / "spec.yaml"), tmp_path, capsys)
    assert "no test part: 3 folds are held out in turn, 2 times" in said
    assert "search 56 trials, 1 seed on 2 folds" in said, "4 settings on 2 folds, on all rows and in each of 6 folds"
    assert "it is done on all rows, and anew in each of 6 folds: 8 trials each time" in said
    assert "trials 14 of the best settings" in said


def test_columns_stand_before_the_plan_and_defaults_only_where_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_table(tmp_path)
    (tmp_path / "spec.yaml").write_text("data: {source: d.csv, target: y}\n")
    said = check(str(tmp_path / "spec.yaml"), tmp_path, capsys)
    assert said.index("Columns, surprises first") < said.index("recipes") and "every default" not in said
    with pytest.raises(SystemExit):
        main(["check", str(tmp_path / "spec.yaml"), "--home", str(tmp_path), "--defaults"])
    assert "spec (every default filled in)" in capsys.readouterr().out


@pytest.mark.parametrize("width", [48, 64, 80, 100, 160])
def test_a_narrow_terminal_gets_fewer_facts_of_columns_and_no_words_in_pieces(width: int) -> None:
    names = {"age": "number", "embarked_from": "category", "y": "target"}
    columns = [
        SourceColumn(
            name=name,
            kind=kind,
            why="numbers in the file",
            missing=0.05,
            missing_texts={},
            distinct=1_234,
            becomes="a number: False = 0",
            note=None,
        )
        for name, kind in names.items()
    ]
    shown = StringIO()
    show_columns(Console(file=shown, width=width), columns)
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    for name, kind in names.items():
        assert any(name in line and kind in line and "1,234" in line for line in lines)
    assert ("becomes" in shown.getvalue()) is (width >= 64)
    assert ("because" in shown.getvalue()) is (width >= 100)
