"""Settings in words."""

from __future__ import annotations

from typing import Any

import pytest

from reports.settings import named, words


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "none"),
        ({}, "none"),
        (True, "yes"),
        (0.0000001, "0.0000001"),
        ([16, 32], "16, 32"),
        ({"constant": {}}, "constant"),
        ({"mlp": {"hidden": [16, 8], "dropout": None}}, "mlp (hidden (16, 8))"),
        ({"l1": 0.0, "l2": 0.01, "max_norm": None}, "l1 0, l2 0.01"),
        ({"steps": [{"flip": {"p": 0.5}}, {"crop": {}}], "times": 2}, "steps (flip (p 0.5), crop), times 2"),
    ],
)
def test_no_literal_of_python_is_left(value: Any, said: str) -> None:
    assert words(value) == said


def test_names_are_words() -> None:
    assert named({"batch_size": 32}) == {"batch size": "32"}
