"""Numbers, shares and names as people read them."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tasks.validation.wording import listing, of, percent, shown, yaml_list


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (128069, "128,069"),
        (0.42, "0.42"),
        (np.float64(-163.6), "-163.6"),
        (np.bool_(True), "true"),
        (None, "missing"),
        (float("nan"), "missing"),
        (np.nan, "missing"),
        ("male", "'male'"),
        ("x" * 99, repr("x" * 37 + "...")),
    ],
)
def test_shown(value, words):
    assert shown(value) == words


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [
        (0, 10, "0%"),
        (1, 100_000, "under 0.1%"),
        (5, 1000, "0.5%"),
        (1, 3, "33%"),
        (995, 1000, "99.5%"),
        (99_999, 100_000, "over 99.9%"),
        (10, 10, "100%"),
        (0, 0, "0%"),
    ],
)
def test_percent(part, whole, words):
    assert percent(part, whole) == words


@given(st.integers(1, 10**6), st.integers(0, 10**6))
def test_a_share_is_never_rounded_to_none_or_all(part, more):
    words = percent(part, part + more)
    assert words not in ("0%", "0.0%")
    assert (words in ("100%", "100.0%")) == (more == 0)


def test_of_and_listing():
    assert of(312, 128069) == "312 of 128,069 rows (0.2%)"
    assert listing([]) == ""
    assert listing(["a"]) == "a"
    assert listing(["a", "b", "c"]) == "a, b and c"
    assert listing("abcdefg") == "a, b, c, d, e and 2 more"


PRINTABLE = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"))


@given(st.lists(st.text(PRINTABLE, min_size=1)))
def test_a_remedys_list_is_the_yaml_list_of_the_names(names):
    assert yaml.safe_load(yaml_list(names)) == names


def test_names_that_yaml_would_read_otherwise_are_quoted():
    assert yaml_list(["PTS", "yes", "1"]) == "[PTS, 'yes', '1']"
