"""Imports of large libraries: no garbage is looked for meanwhile, and what came is looked at no more."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest

from tasks.imports import importing


def test_nothing_is_collected_during_an_import_and_what_it_brought_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "brought_by_a_test.py").write_text("things = [[number] for number in range(1000)]\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    frozen = gc.get_freeze_count()
    try:
        with importing():
            assert not gc.isenabled()
            import brought_by_a_test  # type: ignore[import-not-found]

            assert gc.get_freeze_count() <= frozen
        assert gc.isenabled() and gc.get_freeze_count() > frozen + len(brought_by_a_test.things) / 2
    finally:
        sys.modules.pop("brought_by_a_test", None)


def test_where_nothing_came_or_it_failed_collections_go_on() -> None:
    frozen = gc.get_freeze_count()
    with importing():
        import gc as already_there  # noqa: F401
    with pytest.raises(ModuleNotFoundError), importing():
        import that_is_nowhere  # type: ignore[import-not-found]  # noqa: F401
    assert gc.isenabled() and gc.get_freeze_count() <= frozen
