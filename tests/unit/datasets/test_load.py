from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.dataset import Dataset
from tasks.datasets.catalogue import CATALOGUE
from tasks.datasets.load import load_dataset
from tasks.errors import BadInput
from tasks.spec.data import Data
from tests.datasets import array_of

PEOPLE = "age,member,city,since,bought\n" + "".join(
    f"{20 + i if i % 5 else ''},{i % 2 == 0},{('Rome', 'Oslo', '')[i % 3]},2024-01-{i + 1:02d},{i % 2}\n"
    for i in range(30)
)


def load(folder: Path, written: str = PEOPLE, name: str = "people.csv", **data: object) -> Dataset:
    (folder / name).write_text(written, encoding="utf-8")
    return load_dataset(Data(source=name, **{"target": "bought"} | data), home=folder, base=folder)


def test_a_csv_nobody_described(tmp_path: Path) -> None:
    dataset = load(tmp_path)
    assert (dataset.name, dataset.rows, dataset.task, dataset.classes) == (
        "people.csv",
        30,
        "classification",
        ("0", "1"),
    )
    assert dataset.numbers == ["age", "member", "since day", "since days"]
    assert dataset.categories == ["city", "since weekday"]
    assert dataset.table["age"].isna().sum() == 6 and list(dataset.table["city"][:3]) == [
        "Rome",
        "Oslo",
        None,
    ]
    assert list(dataset.table["member"][:2]) == [1.0, 0.0]
    assert dataset.source == "people.csv" and dataset.licence == "not stated"


def test_the_same_content_in_every_format_is_the_same_data_set(tmp_path: Path) -> None:
    digest = load(tmp_path).digest
    assert load(tmp_path, PEOPLE.replace(",", "\t"), "people.tsv").digest == digest
    assert load(tmp_path, PEOPLE.replace(",", ";"), "semi.csv", read={"separator": ";"}).digest == digest
    frame = pd.read_csv(tmp_path / "people.csv")
    frame.to_parquet(tmp_path / "people.parquet")
    data = Data(source=str(tmp_path / "people.parquet"), target="bought")
    assert load_dataset(data, home=tmp_path).digest == digest


def test_the_digest_is_the_same_in_another_process(tmp_path: Path) -> None:
    digest = load(tmp_path).digest
    code = (
        "from pathlib import Path; from tasks.spec.data import Data\n"
        "from tasks.datasets.load import load_dataset\n"
        f"data = Data(source='people.csv', target='bought');"
        f"print(load_dataset(data, home=Path('.'), base=Path({str(tmp_path)!r})).digest)"
    )
    other = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "1"},
        cwd=Path(__file__).parents[3],
    )
    assert other.stdout.strip() == digest


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("21,", "22,", 1),
        lambda text: text.replace("Rome", "Roma", 1),
        lambda text: text.replace("city", "town", 1),
        lambda text: "\n".join([text.splitlines()[0], *reversed(text.splitlines()[1:])]),
    ],
)
def test_the_digest_differs_when_anything_that_decides_results_differs(
    tmp_path: Path, change: Callable[[str], str]
) -> None:
    assert load(tmp_path).digest != load(tmp_path, change(PEOPLE)).digest


def test_the_digest_knows_the_target_the_inputs_and_the_groups(tmp_path: Path) -> None:
    digests = {
        load(tmp_path).digest,
        load(tmp_path, target="member").digest,
        load(tmp_path, drop=["age"]).digest,
        load(tmp_path, drop=["city"], split={"group": "since"}).digest,
        load(tmp_path, drop=["city", "since"]).digest,
        load(tmp_path, rows=20).digest,
    }
    assert len(digests) == 6


def test_rows_without_target_are_left_out_and_counted(tmp_path: Path) -> None:
    dataset = load(tmp_path, target="city")
    assert dataset.rows == 20 and "10 rows without city left out" in dataset.notes
    assert dataset.classes == ("Oslo", "Rome") and len(dataset.table) == 20


def test_features_and_drop_choose_the_inputs(tmp_path: Path) -> None:
    assert list(load(tmp_path, features=["city", "age"]).table) == ["age", "city"]
    assert list(load(tmp_path, drop=["city", "since"]).table) == ["age", "member"]


def test_a_steering_column_is_no_input_unless_asked_for(tmp_path: Path) -> None:
    dataset = load(tmp_path, split={"time": "since"})
    assert "since" not in dataset.table and list(dataset.extras) == ["since"]
    assert "since days" in load(tmp_path, split={"time": "since"}, features=["age", "since"]).table


def test_a_sample_is_seeded_and_keeps_the_order(tmp_path: Path) -> None:
    def days(seed: int) -> list[float]:
        return list(load(tmp_path, rows=12, split={"seed": seed}).table["since days"])

    assert len(days(0)) == 12 and days(0) == days(0) == sorted(days(0)) and days(0) != days(1)
    assert "a random sample of 12 of its 30 rows" in load(tmp_path, rows=12).notes


def test_row_numbers_that_pandas_saved_are_left_out(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [3.0, 1.0, 2.0, 5.0], "bought": [0, 1, 0, 1]})
    dataset = load(tmp_path, frame.to_csv())
    assert list(dataset.table) == ["a"] and "the nameless first column holds row numbers: left out" in dataset.notes


def test_columns_that_can_not_be_inputs_are_left_out_with_a_note(tmp_path: Path) -> None:
    text = "name,nothing,age,bought\n" + "".join(f"person {i},,{i},{i % 2}\n" for i in range(60))
    dataset = load(tmp_path, text)
    assert list(dataset.table) == ["age"]
    assert dataset.notes == (
        "name is text with 60 distinct values in 60 rows: left out",
        "nothing has no value in any row: left out",
    )


def test_parquet_of_every_kind(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "flag": pd.array([True, None, False], dtype="boolean"),
            "count": pd.array([1, None, 3], dtype="Int64"),
            "kind": pd.Categorical(["a", None, "b"]),
            "when": pd.to_datetime(["2024-01-01", "2024-01-02", None]),
            "list": [[1], [2], [3]],
            "big": [4740473290291881219, 524531196325542205, 524531196325542205],
            "bought": [True, False, True],
        },
        index=[7, 8, 9],
    )
    frame.to_parquet(tmp_path / "a.parquet")
    data = Data(source="a.parquet", target="bought", split={"group": "big"})
    dataset = load_dataset(data, home=tmp_path, base=tmp_path)
    assert dataset.numbers == ["flag", "count", "when day", "when days"]
    assert dataset.categories == ["kind", "when weekday"]
    np.testing.assert_array_equal(dataset.table["flag"], [1.0, np.nan, 0.0])
    assert list(dataset.table["kind"]) == ["a", None, "b"] and dataset.classes == ("False", "True")
    assert dataset.notes[0] == "left out, neither numbers nor text: list, __index_level_0__"
    assert dataset.extras["big"].iloc[0] == 4740473290291881219


def test_an_entry_is_read_as_the_catalogue_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both forms of the shot log give the same data set; what gives the target away is no input."""
    shots = [f'{i // 4},"X, {i}",W,{i % 9},{i % 60:02d}:{i % 60:02d},1.{i},2.{i},made,{i % 2},0,joe' for i in range(40)]
    found = "GAME_ID,MATCHUP,W,FINAL_MARGIN,GAME_CLOCK,converted_y,converted_x,result,FGM,PTS,player"
    kaggle = "GAME_ID,MATCHUP,W,FINAL_MARGIN,GAME_CLOCK,TOUCH_TIME,SHOT_DIST,SHOT_RESULT,FGM,PTS,player_name"
    path = tmp_path / "nba-shot-logs.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("shot_logs.csv", "\r\n".join([found, *shots]))
    other = tmp_path / "shot_logs.csv"
    other.write_text("\n".join([kaggle, *shots]))
    monkeypatch.setenv("BAKEOFF_DATA", str(tmp_path))
    entry = CATALOGUE["shot-log"]
    datasets = []
    for form in (path, other):
        digest = f"sha256:{hashlib.sha256(form.read_bytes()).hexdigest()}"
        file = replace(entry.files[0], name=form.name, digest=digest, instead=())
        monkeypatch.setitem(
            CATALOGUE,
            "shot-log",
            replace(entry, files=(file,), leave_out={k: v for k, v in entry.leave_out.items() if k in kaggle}),
        )
        datasets.append(load_dataset(Data(source="shot-log"), home=tmp_path))
    assert datasets[0].digest == datasets[1].digest
    assert list(datasets[0].table) == ["GAME_CLOCK", "TOUCH_TIME", "SHOT_DIST"]
    assert datasets[0].classes == ("missed", "made") and datasets[0].group == "GAME_ID"
    assert "PTS left out: it is zero exactly when the shot missed" in datasets[0].notes
    chosen = load_dataset(Data(source="shot-log", features=["PTS"]), home=tmp_path)
    assert list(chosen.table) == ["PTS"] and "PTS is an input since data.features names it" in chosen.notes[0]


@pytest.mark.parametrize("data", [{"read": {"header": False}}, {"drop": ["x"]}, {"split": {"group": "x"}}])
def test_what_has_no_effect_on_images_is_refused(tmp_path: Path, data: dict) -> None:
    with pytest.raises(BadInput, match="has no effect on"):
        load_dataset(Data(source="digits", **data), home=tmp_path)


def test_digits_need_no_file(tmp_path: Path) -> None:
    dataset = load_dataset(Data(source="digits"), home=tmp_path)
    assert array_of(dataset).shape == (1797, 8, 8, 1)
    assert array_of(dataset).dtype == np.uint8 and array_of(dataset).max() == 16
    assert dataset.classes == tuple("0123456789") and dataset.table.shape == (1797, 0)
    assert not list(tmp_path.iterdir())


LETTERS = "id,title,body,pages,bought\n" + "".join(
    f"N{i},title {'ab'[i % 2]} {i},body number {i},{i % 7},{i % 2}\n" for i in range(60)
)


def test_texts_stand_beside_columns_and_ids_are_left_out(tmp_path: Path) -> None:
    dataset = load(tmp_path, LETTERS.replace("title b 1,", ","), text=["title", "body"])
    assert (dataset.texts, dataset.numbers, dataset.categories) == (["title", "body"], ["pages"], [])
    assert dataset.form.name == "text and columns"
    assert dataset.table["title"][1] is None and dataset.rows == 60  # a missing text among others is no fault
    assert dataset.notes == ("id is text with 60 distinct values in 60 rows: left out",)
    said = {column["facts"]["name"]: column["facts"]["kind"] for column in dataset.columns}
    assert said == {"id": "ignore", "title": "text", "body": "text", "pages": "number", "bought": "target"}


def test_a_text_is_declared_among_the_columns_too(tmp_path: Path) -> None:
    dataset = load(tmp_path, LETTERS, columns={"body": "text", "pages": "ignore"})
    assert dataset.texts == [] and dataset.form.name == "text"  # no other column is left: texts are the only input
    assert load(tmp_path, LETTERS, columns={"body": "text"}).texts == ["body"]


def test_features_say_what_stands_beside_a_text(tmp_path: Path) -> None:
    assert load(tmp_path, LETTERS, text="body", features=["body"]).form.name == "text"
    both = load(tmp_path, LETTERS, text="body", features=["body", "pages"])
    assert list(both.table) == ["body", "pages"]


def test_what_texts_are_divided_into_enters_the_digest(tmp_path: Path) -> None:
    digests = {load(tmp_path, LETTERS, text="body", tokens=tokens).digest for tokens in ("words", "trigrams")}
    assert len({*digests, load(tmp_path, LETTERS, columns={"body": "category"}).digest}) == 3


def test_a_column_of_a_wide_table_does_not_copy_what_is_known_of_the_others(tmp_path: Path) -> None:
    """pandas copies `attrs` with every column; of 10,000 columns that took minutes."""
    from tasks.datasets.delimited import read_delimited
    from tasks.datasets.named_rows import MISSING_TEXTS
    from tasks.spec.data import Read

    (tmp_path / "a.csv").write_text("a,b\nNA,1\n2,NA\n")
    frame = read_delimited(tmp_path / "a.csv", Read(), "a.csv")
    assert frame["a"].rename("c").attrs[MISSING_TEXTS] is frame.attrs[MISSING_TEXTS]


def test_an_unscaled_number_is_another_data_set_and_said(tmp_path: Path) -> None:
    plain, said = load(tmp_path), load(tmp_path, columns={"age": {"kind": "number"}})
    unscaled = load(tmp_path, columns={"age": {"kind": "number", "scale": "none"}})
    assert plain.digest == said.digest != unscaled.digest
    assert unscaled.kinds["age"].name == "unscaled" and unscaled.kinds["member"].name == "number"
    assert [c["facts"]["becomes"] for c in unscaled.columns if c["facts"]["name"] == "age"] == ["a number, not scaled"]
    with pytest.raises(BadInput, match=r"data\.columns\.bought\.scale: has no effect on the target"):
        load(tmp_path, columns={"bought": {"kind": "number", "scale": "none"}}, task="regression")
