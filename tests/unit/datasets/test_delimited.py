from __future__ import annotations

import gzip
from collections.abc import Hashable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.datasets.delimited import read_delimited
from tasks.errors import BadInput
from tasks.spec.data import Read


def read(folder: Path, text: str | bytes, name: str = "a.csv", **options: object) -> dict[Hashable, list]:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_delimited(folder / name, Read(**options), name).to_dict("list")


def test_values_are_stripped_texts_and_blanks_are_missing(tmp_path: Path) -> None:
    assert read(tmp_path, "a, b\n 1 ,\nNA,x y \n\n2,nan\n") == {
        "a": ["1", None, "2"],
        "b": [None, "x y", "nan"],
    }


def test_a_byte_order_mark_and_windows_lines_are_no_part_of_the_names(tmp_path: Path) -> None:
    assert read(tmp_path, b"\xef\xbb\xbfa,b\r\n1,2\r\n") == {"a": ["1"], "b": ["2"]}


def test_quotes_hold_separators_and_lines_together(tmp_path: Path) -> None:
    assert read(tmp_path, 'a,b\n"x, y","1\n2"\n') == {"a": ["x, y"], "b": ["1\n2"]}


def test_quoting_none_takes_quotes_as_characters(tmp_path: Path) -> None:
    text = 'ham\tsay "hi\nspam\t"win"\n'
    columns = read(tmp_path, text, "sms.tsv", header=False, columns=["kind", "text"], quoting="none")
    assert columns == {"kind": ["ham", "spam"], "text": ['say "hi', '"win"']}


def test_comments_own_missing_texts_and_no_header(tmp_path: Path) -> None:
    columns = read(tmp_path, "|note\n1;?\n", header=False, separator=";", missing=["?"], comment="|")
    assert columns == {"column_1": ["1"], "column_2": [None]}


def test_gzip_is_unpacked_and_tabs_follow_from_the_ending(tmp_path: Path) -> None:
    assert read(tmp_path, gzip.compress(b"a\tb\n1\t2\n"), "x.tsv.gz") == {"a": ["1"], "b": ["2"]}


def test_broken_gzip_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"x\.csv\.gz: can't be read"):
        read(tmp_path, gzip.compress(b"a,b\n1,2\n" * 100)[:-20], "x.csv.gz")


@pytest.mark.parametrize("fields", ["1", "1,2,3"])
def test_ragged_rows_name_their_line_after_comments_and_blank_lines(tmp_path: Path, fields: str) -> None:
    with pytest.raises(BadInput, match=r"a\.csv, line 5: has \d fields?, but the first row has 2"):
        read(tmp_path, f"# note\na,b\n\n1,2\n{fields}\n", comment="#")


def test_a_separator_of_two_characters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"data\.read\.separator: is not one character"):
        read(tmp_path, "a,b\n1,2\n", separator=", ")


cell = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=8)


@given(st.lists(st.tuples(cell, cell), min_size=1, max_size=20))
def test_whatever_csv_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    import csv
    import io

    out = io.StringIO()
    csv.writer(out).writerows([("first", "second"), *rows])
    columns = read(tmp_path_factory.mktemp("csv"), out.getvalue(), missing=[])
    assert columns == {"first": [a for a, _ in rows], "second": [b for _, b in rows]}
