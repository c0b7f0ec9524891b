"""Runs of each kind that are killed while they train, and resumed inside their stacks."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.bench.kill import SPECS, Forked, measure


@pytest.mark.slow
@pytest.mark.parametrize("kind", SPECS)
def test_killed_runs_end_like_one_that_never_stopped(kind: str, tmp_path: Path) -> None:
    said: list[str] = []
    assert measure(kind, Forked, 3, random.Random(1), tmp_path / kind, said.append), "\n".join(said)
