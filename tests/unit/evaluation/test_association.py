"""Columns that say the same are one group, numbers and categories alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats.contingency import association

from tasks.evaluation.association import _cramers_v, alike


def test_copies_in_other_clothes_are_found_and_strangers_stay_apart() -> None:
    rng = np.random.default_rng(0)
    number, letters = rng.normal(size=500), rng.choice(["a", "b", "c"], 500)
    table = pd.DataFrame(
        {
            "number": number,
            "noise": rng.normal(size=500),
            "its cube": np.where(rng.random(500) < 0.1, np.nan, -(number**3)),
            "letter": letters,
            "its place": np.searchsorted(["a", "b", "c"], letters) + 0.1 * rng.normal(size=500),
            "its capital": [each.upper() for each in letters],
            "other letter": rng.choice(["x", "y"], 500),
            "constant": 1.0,
        }
    )
    assert alike(table) == [
        ["number", "its cube"],
        ["noise"],
        ["letter", "its place", "its capital"],
        ["other letter"],
        ["constant"],
    ]


def test_a_category_of_many_values_is_like_nothing_by_chance() -> None:
    rng = np.random.default_rng(1)
    many, few = pd.Series([f"ticket {at}" for at in range(300)]), pd.Series(rng.choice(["a", "b"], 300))
    assert alike(pd.DataFrame({"many": many, "few": few})) == [["many"], ["few"]]


def test_cramers_v_is_scipys_but_for_chance() -> None:
    rng = np.random.default_rng(2)
    one = rng.integers(3, size=20_000)
    other = np.where(rng.random(20_000) < 0.6, one, rng.integers(3, size=20_000))
    assert abs(_cramers_v(one, other) - association(pd.crosstab(one, other).to_numpy(), method="cramer")) < 0.001


def test_one_column_is_a_group_and_none_is_none() -> None:
    assert alike(pd.DataFrame({"a": [1.0, 2.0]})) == [["a"]]
    assert alike(pd.DataFrame()) == []
