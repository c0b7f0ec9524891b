from __future__ import annotations

import datetime
import shutil
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from tasks.dataset import Dataset
from tasks.datasets.excel import read_excel
from tasks.datasets.load import load_dataset
from tasks.errors import BadInput
from tasks.spec.data import Data, Read

OLD = Path(__file__).parent / "excel" / "people.xls"
"""Two sheets: People (age, member, city, since; three rows with a blank each in two of them) and Notes."""


def write(path: Path, *sheets: tuple[str, list[list[object]]]) -> None:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)


def people(rows: int = 40) -> list[list[object]]:
    when = [datetime.datetime(2024, 1 + i % 12, 1 + i % 28, 12 * (i % 2)) for i in range(rows)]
    body = [[20 + i, 0.1 * i, i % 2 == 0, "ABC"[i % 3], when[i], f"0{i % 5}50", i % 2] for i in range(rows)]
    body[3][1] = body[4][3] = None
    return [["age", "share", "member", "town", "since", "zip", "left"], *body]


def load(folder: Path, name: str, **data: object) -> Dataset:
    return load_dataset(Data.model_validate({"source": name, "target": "left"} | data), home=folder, base=folder)


def test_cells_mean_what_the_same_texts_in_a_csv_file_mean(tmp_path: Path) -> None:
    write(tmp_path / "d.xlsx", ("People", people()))
    frame, _ = read_excel(tmp_path / "d.xlsx", Read(), "d.xlsx")
    assert list(frame.iloc[1]) == ["21", "0.1", "false", "B", "2024-02-02 12:00:00", "0150", "1"]
    frame.to_csv(tmp_path / "d.csv", index=False)
    sheet, delimited = load(tmp_path, "d.xlsx"), load(tmp_path, "d.csv")
    assert sheet.digest == delimited.digest and sheet.notes == delimited.notes
    assert {"age", "share", "member", "since hour"} <= set(sheet.numbers) and {"town", "zip"} <= set(sheet.categories)


def test_the_old_format() -> None:
    frame, notes = read_excel(OLD, Read(), "people.xls")
    assert frame.to_dict("list") == {
        "age": ["31", "42.5", None],
        "member": ["true", "false", "true"],
        "city": ["Oslo", None, "Rome"],
        "since": ["2024-01-15", "2024-02-16", "2024-03-17"],
    }
    assert notes == ("sheet People is read, of 2: People, Notes; data.read.sheet chooses",)


def test_a_sheet_is_chosen_by_name(tmp_path: Path) -> None:
    write(tmp_path / "d.xlsx", ("Cover", [["x", "left"], [1, 2]]), ("People", people()), ("Empty", []))
    dataset = load(tmp_path, "d.xlsx", read={"sheet": "People"})
    assert dataset.rows == 40 and not any("sheet" in note for note in dataset.notes)
    for sheet, said in (("Peple", "did you mean People"), ("Empty", "the sheet is empty")):
        with pytest.raises(BadInput, match=said):
            load(tmp_path, "d.xlsx", read={"sheet": sheet})
    (tmp_path / "d.csv").write_text("x,left\n1,0\n2,1\n")
    with pytest.raises(BadInput, match="only Excel files have sheets"):
        load(tmp_path, "d.csv", read={"sheet": "People"})
    with pytest.raises(BadInput, match="has no effect on an Excel file"):
        load(tmp_path, "d.xlsx", read={"separator": ";"})


def test_blank_rows_columns_and_row_numbers_are_left_out(tmp_path: Path) -> None:
    rows = [[], ["", "a", "", "b", ""], ["0", 1, None, "x", " "], [], ["1", 2, None, None, ""], [None] * 5]
    write(tmp_path / "d.xlsx", ("S", rows))
    frame, _ = read_excel(tmp_path / "d.xlsx", Read(), "d.xlsx")
    assert frame.to_dict("list") == {"unnamed_1": ["0", "1"], "a": ["1", "2"], "b": ["x", None]}
    pd.DataFrame({"a": [3.5, 4.5], "left": [0, 1]}).to_excel(tmp_path / "p.xlsx")
    assert list(load(tmp_path, "p.xlsx").table) == ["a"]


def test_names_stand_once_and_may_be_given(tmp_path: Path) -> None:
    write(tmp_path / "d.xlsx", ("S", [["a", "b", "a"], [1, 2, 3]]))
    with pytest.raises(BadInput, match=r'sheet S, header: .*\n.* column 1 and column 3 are both called "a"'):
        read_excel(tmp_path / "d.xlsx", Read(), "d.xlsx")
    assert list(read_excel(tmp_path / "d.xlsx", Read(columns=["x", "y", "z"]), "d.xlsx")[0]) == ["x", "y", "z"]
    assert len(read_excel(tmp_path / "d.xlsx", Read(header=False), "d.xlsx")[0]) == 2


def test_large_numbers_are_numbers_and_errors_no_value(tmp_path: Path) -> None:
    write(tmp_path / "d.xlsx", ("S", [["a", "b"], [10**17, "=1/0"], [1.5e300, "#N/A"]]))
    frame, _ = read_excel(tmp_path / "d.xlsx", Read(), "d.xlsx")
    assert list(frame["a"]) == ["1e+17", "1.5e+300"] and frame["b"].isna().all()


@pytest.mark.parametrize("name", ["d.xlsx", "d.xls"])
@pytest.mark.parametrize(
    "content", [b"", b"not Excel", b"PK\x03\x04 cut", bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600)]
)
def test_broken_and_encrypted_files_are_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=r"can't be read as an Excel file|is no Excel file"):
        read_excel(tmp_path / name, Read(), name)


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "d.xlsx", ("People", people()))
    whole = (tmp_path / "d.xlsx").read_bytes()
    (tmp_path / "d.xlsx").write_bytes(whole[: len(whole) // 2])
    shutil.copy(OLD, tmp_path / "d.xls")
    (tmp_path / "d.xls").write_bytes(OLD.read_bytes()[:1500])
    for name in ("d.xlsx", "d.xls"):
        with pytest.raises(BadInput, match="can't be read as an Excel file"):
            read_excel(tmp_path / name, Read(), name)
