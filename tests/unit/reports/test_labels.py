"""Labels of recipes: short, and no two equal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.labels import MOST, labels

PARTS = st.lists(st.text(alphabet="ab 0.1(){}漢", min_size=1, max_size=40), min_size=1, max_size=4)


@given(st.lists(PARTS.map(" · ".join), min_size=1, max_size=30, unique=True))
def test_labels_differ_and_fit(names: list[str]) -> None:
    found = labels(names)
    assert len(set(found)) == len(names) == len(found)
    assert all(len(label) <= MOST for label in found)


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["adam", "sgd · cosine"], ["adam", "sgd · cosine"]),
        (
            [f"adam · cosine (warmup 0.1) · l2 0.001 · batch size {size}" for size in (32, 64)],
            ["batch size 32", "batch size 64"],
        ),
        (
            [f"{name} · learning rate {rate} · cosine (warmup 0.1)" for name in ("rmsprop", "sgd") for rate in (1, 2)],
            [f"{name} · learning rate {rate}" for name in ("rmsprop", "sgd") for rate in (1, 2)],
        ),
        (
            ["rmsprop · learning rate 0.001 · a schedule of five words", "sgd · learning rate 0.01 · constant"],
            ["rmsprop · 0.001 · a schedule of five words", "sgd · 0.01 · constant"],
        ),
        (["x" * 60 + "1", "x" * 60 + "2"], ["x" * 22 + "…" + "x" * 20 + "1", "x" * 22 + "…" + "x" * 20 + "2"]),
    ],
)
def test_what_recipes_share_is_left_out_where_names_are_long(names: list[str], short: list[str]) -> None:
    assert labels(names) == short
