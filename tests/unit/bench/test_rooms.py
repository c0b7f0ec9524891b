"""The list of rooms in CONTRIBUTING.md is the code's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.rooms import floors, listing


def test_the_list_is_current() -> None:
    text = (Path(__file__).parents[3] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert f"```\n{listing()}```" in text, "renew it: python -m tests.bench.rooms"


def test_a_floor_is_one_above_what_is_imported() -> None:
    assert floors({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {"a": 3, "b": 2, "c": 1}
    with pytest.raises(RecursionError):
        floors({"a": {"b"}, "b": {"a"}})
