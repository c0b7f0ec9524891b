from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tasks.datasets.guess import guessed_read
from tasks.spec.data import Read


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("age,city\n31,Oslo\n42,Rome\n", Read()),
        ("age;city\n31;Oslo\n42;Rome\n", Read(separator=";")),
        ("price;size\n1,5;2,3\n4,1;2,2\n", Read(separator=";")),
        ("1,5;2,3\n4,1;2,2\n", Read(separator=";", header=False)),
        ("31,Oslo\n42,Rome\n", Read(header=False)),
        ("ham,free prize\nham,hello\nspam,win\n", Read(header=False)),
        ("W,won\n3,W\n4,L\n", Read()),
        ("country,2019,2020\nNorway,1,2\nItaly,3,4\n", Read()),
        ("x,y,x,x_2\n1,2,3,4\n", Read(columns=["x", "y", "x_3", "x_2"])),
        ("one\n1\n2\n", Read()),
        ("a,b\n", Read()),
        ("", Read()),
        ('a,b\n"x, y",1\n"z",2\n', Read()),
    ],
)
def test_separator_and_header(text: str, read: Read, tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(text)
    assert guessed_read(tmp_path / "d.csv", "d.csv") == read


def test_the_ending_says_the_usual_separator(tmp_path: Path) -> None:
    (tmp_path / "d.tsv.gz").write_bytes(gzip.compress(b"a\tb\n1\t2,5\n"))
    assert guessed_read(tmp_path / "d.tsv.gz", "d.tsv.gz") == Read()
