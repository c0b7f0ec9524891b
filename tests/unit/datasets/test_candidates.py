from __future__ import annotations

import numpy as np
import pandas as pd

from tasks.datasets.candidates import candidates
from tasks.datasets.parquet import open_parquet

ROWS = 80


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "CustomerId": rng.permutation(10_000)[:ROWS].astype(str),
            "line": np.arange(ROWS).astype(str),
            "income": rng.normal(size=ROWS).astype(str),
            "constant": ["x"] * ROWS,
            "empty": [None] * ROWS,
            "since": [f"2024-01-{1 + i % 28:02d}" for i in range(ROWS)],
            "note": [f"said {i} things" for i in range(ROWS)],
            "town": [f"{'ABC'[i % 3]}" for i in range(ROWS)],
            "amount": ["1,234", "5,678"] * (ROWS // 2),
            "is_label": ["yes", "no"] * (ROWS // 2),
            "left": ["0", "1"] * (ROWS // 2),
        },
        dtype=object,
    )


def test_the_likeliest_comes_first_and_what_can_not_be_predicted_is_no_candidate() -> None:
    found = candidates(frame())
    assert [each.name for each in found] == ["is_label", "left", "town", "income"]
    assert [each.task for each in found] == ["classification"] * 3 + ["regression"]
    assert found[2].values == "A, B, C" and "80 different values" in found[3].values


def test_parquet_has_the_same_candidates(tmp_path) -> None:
    numbers = frame()[["income", "left", "town"]].astype({"income": float, "left": int})
    numbers.to_parquet(tmp_path / "d.parquet")
    table, _ = open_parquet(tmp_path / "d.parquet", "d.parquet")
    assert [each.name for each in candidates(table)] == ["town", "income", "left"]
