from __future__ import annotations

import pytest

from tasks.datasets.named_rows import names_of
from tasks.errors import BadInput
from tasks.spec.data import Read


def test_every_repeated_name_is_said_with_its_places() -> None:
    with pytest.raises(BadInput) as error:
        names_of(["x", "a", "x", "", "", "a", "x"], Read(), "d.csv, line 1")
    assert error.value.got == (
        'column 1, column 3 and column 7 are all called "x"; column 2 and column 6 are both called "a"'
    )
    assert "data.read.columns: [x, a, x_2, unnamed_4, unnamed_5, a_2, x_3]" in (error.value.remedy or "")


def test_names_of_the_spec_replace_a_header_that_repeats_some() -> None:
    given = Read(columns=["p", "q"])
    assert names_of(["x", "x"], given, "d.csv, line 1") == ["p", "q"]
    for header in (["x", "y"], ["1", "1"]):  # names that are fine, or a first row of values
        with pytest.raises(BadInput, match="has no effect on a file with a header"):
            names_of(header, given, "d.csv, line 1")
    with pytest.raises(BadInput, match="names 2 columns, but the file has 3"):
        names_of(["x", "x", "x"], given, "d.csv, line 1")
    with pytest.raises(BadInput, match=r"data\.read\.columns: columns have the same name"):
        names_of(["x", "x"], Read(columns=["p", "p"]), "d.csv, line 1")
