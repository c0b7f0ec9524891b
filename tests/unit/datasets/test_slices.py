"""Rows divided into slices by the columns of a file, inputs or not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tasks.dataset import Dataset
from tasks.datasets.load import load_dataset
from tasks.datasets.slices import slicings_of
from tasks.errors import BadInput
from tasks.evaluation.slices import Slicing
from tasks.spec.load import parse_spec
from tasks.spec.models import Spec

FRAME = pd.DataFrame(
    {
        "age": ["20", "", "30", "40", "50", "60", "70", "80"] * 5,
        "sex": ["F", "M", "", "F"] * 10,
        "code": ["007", "7", "007", "7"] * 10,
        "x": range(40),
        "y": ["no", "yes"] * 20,
    }
)


def spec_of(folder: Path, slices: list[Any], **more: Any) -> Spec:
    FRAME.to_csv(folder / "data.csv", index=False)
    data = {"source": str(folder / "data.csv"), "target": "y", "drop": ["age", "sex", "code"]}
    return parse_spec({"data": data, "evaluate": {"slices": slices}} | more)


def loaded(spec: Spec, folder: Path) -> Dataset:
    return load_dataset(spec.data, home=folder)


def sliced(folder: Path, entry: Any) -> Slicing:
    spec = spec_of(folder, [entry])
    return slicings_of(spec, loaded(spec, folder))[0]


def counts(slicing: Slicing) -> dict[tuple[str, ...], int]:
    return {each.values: int((slicing.of_row == place).sum()) for place, each in enumerate(slicing.slices)}


def test_rows_without_a_value_are_a_slice(tmp_path: Path) -> None:
    assert counts(sliced(tmp_path, "sex")) == {("F",): 20, ("M",): 10, ("missing",): 10}


def test_values_stay_as_the_file_writes_them(tmp_path: Path) -> None:
    found = sliced(tmp_path, "code")
    assert counts(found) == {("007",): 20, ("7",): 20}
    assert found.at({"code": "007"}) == 0 and found.at({"code": "07"}) is None


def test_two_columns_make_the_slices_that_occur(tmp_path: Path) -> None:
    found = sliced(tmp_path, ["sex", "code"])
    assert counts(found) == {("F", "007"): 10, ("F", "7"): 10, ("M", "7"): 10, ("missing", "007"): 10}
    assert found.at({"code": "7", "sex": "M"}) == 2  # in any order


def test_quantiles_are_of_the_rows_that_have_the_number(tmp_path: Path) -> None:
    found = sliced(tmp_path, {"age": 2})
    assert counts(found) == {("1",): 20, ("2",): 15, ("missing",): 5}
    assert [each.name for each in found.slices] == ["20 to 50 (1)", "60 to 80 (2)", "missing"]


def test_streamed_rows_have_no_columns_at_hand(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, ["sex"])
    streamed = replace(loaded(spec, tmp_path), streamed=object())
    with pytest.raises(BadInput, match="slices need a table in memory") as refused:
        slicings_of(spec, streamed)
    assert refused.value.remedy == "raise data.memory"


def test_a_spec_without_slices_looks_at_no_column(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, [])
    assert slicings_of(spec, replace(loaded(spec, tmp_path), streamed=object())) == ()
