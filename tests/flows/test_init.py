"""`bakeoff init`: its spec passes `check` unchanged; it never chooses a target by itself and overwrites nothing."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import yaml

from flows.cli import main
from flows.init import _gate
from tasks.dataset import Dataset
from tasks.spec.load import load_spec
from tasks.spec.models import Spec
from tests.flows.command import bakeoff

ROWS = 200


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Changes to a temporary folder, which also holds the home folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BAKEOFF_HOME", str(tmp_path / "home"))
    return tmp_path


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return int(end.value.code or 0)


def first_spec(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[Spec, str]:
    """Runs `bakeoff init`, checks that `bakeoff check` accepts its spec, and returns the spec and its text."""
    code = command("init", *arguments)
    said = capsys.readouterr()
    assert code == 0, said.err
    path = said.out.splitlines()[0]
    assert said.out.splitlines()[1:] == [f"next: bakeoff check {path}", f"next: bakeoff run {path}"]
    assert command("check", path) == 0, capsys.readouterr().err
    capsys.readouterr()
    return load_spec(Path(path))


def customers(folder: Path) -> None:
    rng = np.random.default_rng(0)
    head = "customer_id,age,income,town,since,1e3: odd # name,amount,left"
    lines = [
        f"{i},{rng.integers(18, 90) if i % 7 else ''},{rng.normal(3000, 500):.2f},{'ABC'[i % 3]},"
        f"2024-{1 + i % 12:02d}-{1 + i % 28:02d},{rng.random():.3f},"
        f'"{1 + i % 9},{100 + i}",{"yes" if rng.random() < 0.4 else "no"}'
        for i in range(ROWS)
    ]
    (folder / "customers.csv").write_text("\n".join([head, *lines]))


def test_without_a_target_the_candidates_are_listed_and_nothing_is_written(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    customers(here)
    assert command("init", "customers.csv") == 2
    said = capsys.readouterr()
    table, message = said.err.split("--target: ")
    assert [name for name in ("left", "town", "age", "income") if name in table] == ["left", "town", "age", "income"]
    assert not any(name in table for name in ("customer_id", "since", "amount"))
    assert "bakeoff init customers.csv --target left" in message and said.out == ""
    assert [path.name for path in here.iterdir()] == ["customers.csv"]


def test_a_table_of_many_kinds(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    customers(here)
    spec, text = first_spec("customers.csv", "--target", "left", capsys=capsys)
    assert (spec.name, spec.data.source, spec.data.target) == ("customers", "customers.csv", "left")
    assert set(spec.data.drop) == {"customer_id", "amount"} and spec.evaluate.metric == "accuracy"
    for said in ("# split: {time: since}", "in two ways", "identifier", "# Columns, surprises first", "# gates: ["):
        assert said in text
    assert "one of 3 categories" in text and text.index("since  ") < text.index("age  ")


def test_comments_that_begin_with_a_key_may_be_put_to_use(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    customers(here)
    _, text = first_spec("customers.csv", "--target", "left", capsys=capsys)
    used = text.replace("# split:", "split:").replace("# gates:", "gates:")
    value = yaml.safe_load(used)
    assert value["data"]["split"] == {"time": "since"} and value["gates"][0]["metric"] == "accuracy"
    (here / "customers.yaml").write_text(used)
    assert command("check", "customers.yaml") == 0


def test_how_the_file_is_written_is_found_out(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    lines = [f"{a:.2f};{b:.2f};{a + b + e:.2f}".replace(".", ",") for a, b, e in rng.normal(size=(ROWS, 3))]
    (here / "a.csv").write_text("\n".join(lines))
    spec, text = first_spec("a.csv", "--target", "column_3", "--output", "other.yaml", capsys=capsys)
    assert (spec.data.read.separator, spec.data.read.header, spec.evaluate.metric) == (";", False, "rmse")
    assert "to name the columns" in text and (here / "other.yaml").is_file()


def test_texts_beside_a_target_are_the_input(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = np.random.default_rng(0).choice(["free", "prize", "hello", "home", "call", "now"], (ROWS, 6))
    lines = [f'{["ham", "spam"][i % 2]}\t"{" ".join(row)} {i}' for i, row in enumerate(words)]
    (here / "sms.tsv").write_text("\n".join(["kind\tmessage", *lines]))
    spec, _ = first_spec("sms.tsv", "--target", "kind", capsys=capsys)
    assert (spec.data.text, spec.data.read.quoting, spec.data.drop) == ("message", "none", [])


def test_an_excel_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    customers(here)
    with pd.ExcelWriter(here / "customers.xlsx") as book:
        pd.read_csv(here / "customers.csv").to_excel(book, sheet_name="2024", index=False)
        pd.DataFrame({"a": [1]}).to_excel(book, sheet_name="notes")
    spec, text = first_spec("customers.xlsx", "--target", "left", capsys=capsys)
    assert set(spec.data.drop) == {"customer_id", "amount"} and "sheet 2024 is read, of 2" in text


def test_a_folder_of_images_needs_no_target(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    for name, brightness in (("dark", 40), ("light", 200)):
        (here / "pictures" / name).mkdir(parents=True)
        for number in range(40):
            picture = np.clip(rng.normal(brightness, 60, (8, 8)), 0, 255).astype(np.uint8)
            cv2.imwrite(str(here / "pictures" / name / f"{number}.png"), picture)
    spec, text = first_spec("pictures", capsys=capsys)
    assert (spec.data.source, spec.data.target) == ("./pictures", None) and "images 8x8x1" in text


def test_what_gives_the_target_away_is_left_out(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    rows = [(a, b, a + b + e) for a, b, e in rng.normal(size=(3 * ROWS, 3))]
    lines = [f"{a:.3f},{b:.3f},{'paid' if y > 0 else 'owed'},{int(y > 0)}" for a, b, y in rows]
    (here / "loans.csv").write_text("\n".join(["a,b,status,good", *lines]))
    spec, text = first_spec("loans.csv", "--target", "good", capsys=capsys)
    assert spec.data.drop == ["status"] and "status (a copy in other words or numbers) gives good away" in text
    (here / "alone.csv").write_text("\n".join(["status,good", *(line.split(",", 2)[2] for line in lines)]))
    spec, _ = first_spec("alone.csv", "--target", "good", capsys=capsys)
    assert spec.data.drop == [] and spec.data.checks[0].severity == "warn"


def test_a_class_of_two_rows_is_left_out(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    lines = [f"{x:.3f},{'rare' if i < 2 else 'ab'[i % 2]}" for i, x in enumerate(rng.normal(size=ROWS))]
    (here / "d.csv").write_text("\n".join(["x,kind", *lines]))
    spec, _ = first_spec("d.csv", "--target", "kind", capsys=capsys)
    assert spec.data.spellings == {"a": ["a"], "b": ["b"]}


def test_of_parquet_what_needs_a_choice_is_left_out(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=ROWS), "worst": np.inf, "id": np.arange(ROWS), "y": rng.random(ROWS)})
    table["when"] = [f"0{1 + i % 9}/0{1 + i % 7}/2024" for i in range(ROWS)]
    table["code"] = [f"c{i}" for i in range(ROWS)]
    table.to_parquet(here / "t.parquet")
    spec, text = first_spec("t.parquet", "--target", "y", capsys=capsys)
    assert spec.data.drop == ["worst", "when", "id"] and "the day or the month may stand first" in text


def test_whole_numbers_are_the_input_where_nothing_else_is(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    (here / "d.csv").write_text("\n".join(["x,y", *(f"{i},{i + rng.normal(0, 30):.1f}" for i in range(ROWS))]))
    spec, _ = first_spec("d.csv", "--target", "y", capsys=capsys)
    assert spec.data.drop == []


def test_a_header_that_repeats_names_is_replaced(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    lines = [f"{a:.3f},{b:.3f},{int(a + b + c > 0)}" for a, b, c in rng.normal(size=(ROWS, 3))]
    (here / "d.csv").write_text("\n".join(["x,x,y", *lines]))
    spec, text = first_spec("d.csv", "--target", "y", capsys=capsys)
    assert spec.data.read.columns == ["x", "x_2", "y"] and "its header repeats names" in text


def test_a_source_stands_in_the_spec_as_seen_from_its_folder(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "data").mkdir()
    (here / "specs").mkdir()
    customers(here / "data")
    spec, _ = first_spec("data/customers.csv", "--target", "left", "--output", "specs/a.yaml", capsys=capsys)
    assert spec.data.source == "../data/customers.csv"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["customer.csv"], "did you mean customers.csv"),
        (["customers.csv", "--target", "lef"], "did you mean left"),
        (["customers.csv", "--target", "left", "--output", "customers.csv"], "is there already"),
        (["customers.csv", "--target", "left", "--output", "gone/a.yaml"], "its folder is not there"),
        (["customers.csv", "--target", "amount"], "can be read in two ways"),
        (["empty.csv", "--target", "a"], "empty"),
    ],
)
def test_mistakes_are_answered_and_nothing_is_written(
    arguments: list[str], said: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    customers(here)
    (here / "empty.csv").touch()
    assert command("init", *arguments) == 2
    assert said in capsys.readouterr().err
    assert {path.name for path in here.iterdir()} - {"home"} == {"customers.csv", "empty.csv"}


@pytest.mark.slow
def test_a_first_spec_runs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    customers(here)
    first_spec("customers.csv", "--target", "left", capsys=capsys)
    done = bakeoff("run", here / "customers.yaml", home=here / "home")
    assert done.returncode == 0, done.stderr


def test_the_first_threshold_of_large_numbers_has_no_exponent() -> None:
    prices = np.array([1e6, 5e6, 9e6])
    dataset = Dataset("made", pd.DataFrame({"x": prices}), prices, "price", None, "0")
    assert _gate(dataset)[1] == "gates: [{metric: rmse, at_most: 1630000, severity: block}]"
