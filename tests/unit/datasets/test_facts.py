"""Every column of a source is listed, with what it was taken for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.datasets.load import load_dataset
from tasks.records.plan import SourceColumn
from tasks.spec.data import Data

HEAD = "income,zone,member,since,zip,name,plan,left,extra"


def columns(folder: Path, **data: Any) -> dict[str, SourceColumn]:
    rows = [
        f'"{i:,}",{"ABCD"[i % 4]},{["yes", "no", ""][i // 3 % 3]},2024-{1 + i % 9:02d}-15,0{i % 7}501,person {i},'
        f"{i % 2},{['stay', 'go', 'NA'][i % 3]},{i}"
        for i in range(900, 1100)
    ]
    (folder / "d.csv").write_text("\n".join([HEAD, *rows]))
    spec = {"source": "d.csv", "target": "left", "split": {"group": "plan"}, "drop": ["extra"]} | data
    dataset = load_dataset(Data.model_validate(spec), home=folder, base=folder)
    found = [SourceColumn(**column["facts"]) for column in dataset.columns]
    return {column.name: column for column in found}


def test_each_says_its_kind_what_it_becomes_and_why(tmp_path: Path) -> None:
    found = columns(tmp_path)
    assert list(found) == ["income", "zone", "member", "since", "zip", "name", "plan", "left", "extra"]
    assert {name: each.kind for name, each in found.items()} == {
        "income": "number",
        "zone": "category",
        "member": "number",
        "since": "date",
        "zip": "category",
        "name": "ignore",
        "plan": "split",
        "left": "target",
        "extra": "ignore",
    }
    assert found["zone"].becomes == "one of 4 categories"
    assert found["member"].becomes == "a number: yes = 1, no = 0"
    assert found["since"].becomes == "since month, since days, since weekday"
    assert found["extra"].becomes == found["name"].becomes == "no input"
    assert all(each.why for each in found.values())


def test_what_is_missing_and_what_is_surprising(tmp_path: Path) -> None:
    found = columns(tmp_path)
    assert 0.3 < found["member"].missing < 0.4 and found["member"].missing_texts == {}
    assert found["left"].missing_texts == {"NA": 66} and "'NA' in 66 rows is taken as no value" in found["left"].note
    assert {name for name, each in found.items() if each.note} == {"income", "since", "zip", "name", "left"}


def test_what_the_spec_says_is_the_reason(tmp_path: Path) -> None:
    found = columns(tmp_path, columns={"zip": "number", "zone": "ignore"})
    assert (found["zip"].kind, found["zip"].why) == ("number", "data.columns says so")
    assert found["zone"].kind == "ignore"
