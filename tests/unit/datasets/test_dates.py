"""Dates are told over the whole column, become inputs, and are never one-hot."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.datasets.columns import as_input
from tasks.datasets.dates import ISO, Unclear, compact, date_parts, days, format_of, instants
from tasks.datasets.load import load_dataset
from tasks.errors import BadInput
from tasks.spec.data import Column, Data

DATES = st.dates(datetime.date(1950, 1, 1), datetime.date(2080, 12, 31))


def texts(*values: str | None, name: str = "day") -> pd.Series:
    return pd.Series(list(values), dtype=object, name=name)


@given(st.lists(DATES, min_size=1, max_size=20), st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%Y/%m/%d"]))
def test_what_is_written_in_one_format_is_read_back(dates: list[datetime.date], written: str) -> None:
    decided = [*dates, datetime.date(2020, 12, 31)]  # a day above 12
    column = texts(*(date.strftime(written) for date in decided))
    found = format_of(list(column))
    assert found is not None
    np.testing.assert_array_equal(
        days(instants(column, found)), [(d - datetime.date(1970, 1, 1)).days for d in decided]
    )


@pytest.mark.parametrize(
    ("column", "found"),
    [
        (["2024-12-31 23:59", "2024-01-01 00:00"], ISO),
        (["2024-12-31T23:59:01Z"], ISO),
        (["31/12/2024 14:30"], "%d/%m/%Y"),
        (["12/31/2024 2:30 PM"], "%m/%d/%Y"),
        (["2024-12", "2023-01"], ISO),
        (["31/12/24"], "%d/%m/%y"),
        (["5 Nov 2024", "31 Dec 2024"], "%d %b %Y"),
        (["Nov 5, 2024"], "%b %d, %Y"),
        (["5-Nov-24"], "%d-%b-%y"),
        (["2024"], None),
        (["1234-56"], None),
        (["12 eggs 30"], None),
        (["31/12/2024", "12/31/2024"], None),
        (["31/12/2024", "soon"], None),
        (["1.5", "2.25"], None),
    ],
)
def test_formats(column: list[str], found: str | None) -> None:
    assert format_of(column) == found


def test_a_column_that_does_not_decide_is_refused_with_the_choices() -> None:
    with pytest.raises(Unclear):
        format_of(["05/11/2025", "06/11/2025"])
    with pytest.raises(BadInput, match="dates that can be read in two ways"):
        as_input(texts("05/11/2025", "06/11/2025"), "w")
    values, _ = as_input(texts("05/11/2025"), "w", Column(kind="date", format="%d/%m/%Y"))
    assert values is not None and values[0] == (datetime.date(2025, 11, 5) - datetime.date(1970, 1, 1)).days


def test_a_date_says_its_parts() -> None:
    column = texts("2024-01-01 06:00", "2024-02-01 18:00", None)
    inputs = {name: list(part) for name, part in date_parts("day", days(instants(column, ISO))).items()}
    assert inputs.keys() == {f"day {part}" for part in ("year", "month", "day", "hour", "days", "weekday")}
    assert inputs["day month"][:2] == [1, 2] and inputs["day hour"][:2] == [6, 18]
    assert inputs["day weekday"] == ["Monday", "Thursday", None]
    assert np.isnan([inputs["day days"][2], inputs["day month"][2]]).all()


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (["05112025", "31122024"], "a day, a month and a year"),
        (["5112025"], "a day, a month and a year"),
        (["5.2025", "11.2024"], "a month and a year"),
        (["20251105", "20241231"], None),
        (["2024", "2025"], None),
        (["1700000000"], None),
    ],
)
def test_compact_dates_do_not_sort_as_numbers_do(column: list[str], said: str | None) -> None:
    assert compact(column) == said


def write(folder: Path, dates: list[str]) -> Path:
    rows = [f"{date},{i % 5},{i % 2}" for i, date in enumerate(dates)]
    (folder / "d.csv").write_text("\n".join(["day,x,y", *rows]))
    return folder / "d.csv"


def test_inputs_of_a_file_s_dates_are_numbers_and_weekdays(tmp_path: Path) -> None:
    days = [(datetime.date(2024, 1, 1) + datetime.timedelta(i)).isoformat() for i in range(300)]
    dataset = load_dataset(Data(source=str(write(tmp_path, days)), target="y"), home=tmp_path)
    assert list(dataset.table.columns) == ["day month", "day day", "day days", "day weekday", "x"]
    assert any("day is read as dates (ISO 8601)" in note and "data.split.time: day" in note for note in dataset.notes)


def test_dates_that_the_spec_explains_order_the_split(tmp_path: Path) -> None:
    from tasks.datasets.splits import split_rows

    when = [datetime.date(2023, 1, 1) + datetime.timedelta(5 * i) for i in range(90)]
    source = str(write(tmp_path, [date.strftime("%d%m%Y") for date in when]))
    with pytest.raises(BadInput, match="does not sort as time"):
        data = Data(source=source, target="y", split={"time": "day"})
        split_rows(load_dataset(data, home=tmp_path), data.split)
    told = Data(source=source, target="y", split={"time": "day"}, columns={"day": Column(kind="date", format="%d%m%Y")})
    parts = split_rows(load_dataset(told, home=tmp_path), told.split)["part"].to_numpy()
    assert list(parts) == sorted(parts, key=["train", "val", "test"].index)
