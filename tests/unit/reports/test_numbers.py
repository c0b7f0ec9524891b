"""Units and counts."""

from __future__ import annotations

import pytest

from reports.numbers import count, duration, probability


def test_count_and_probability() -> None:
    assert count(60000) == "60,000"
    assert [probability(p) for p in (0.00001, 0.0421, None)] == ["< 0.001", "0.042", "–"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.96, "10 s"),
        (41.2, "41 s"),
        (59.7, "1 min 0 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (None, "–"),
    ],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text
