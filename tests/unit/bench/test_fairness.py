"""The bench of fairness differences: its truth, and that a gate on it does not pass by luck."""

from __future__ import annotations

import pytest

from tests.bench.fairness import PATTERNS, measure, table


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_cell_has_its_truth_and_holds(pattern: str) -> None:
    cell = measure((pattern, 3, 60, 0.5, 40))
    assert cell.truth == pytest.approx(0.05 if pattern == "alike but two" else 0.1)
    assert not cell.missed and 0 < cell.estimate_alone < 1 and 0 < cell.width < 1
    assert f"| {pattern} | 3 | 60 | 50% |" in table([cell])
