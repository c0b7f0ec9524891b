"""The bench of curves' bands: that it knows the true curves, and with few draws what it finds."""

from __future__ import annotations

import pytest
from scipy.special import ndtr, ndtri

from tests.bench import curves
from tests.bench.curves import CURVES, PLACES, Cell, measured, tasks, truth
from tests.bench.populations import POPULATIONS


def place_of(name: str) -> int:
    return next(index for index, each in enumerate(POPULATIONS) if each.name == name and "roc_auc" in each.metrics)


def test_the_truth_is_that_of_normal_scores(monkeypatch: pytest.MonkeyPatch):
    index = place_of("binormal, AUC 0.7, 20% positive")
    distance = 2**0.5 * ndtri(0.7)
    inside = (PLACES > 0.02) & (PLACES < 0.98)
    closed = ndtr(distance + ndtri(PLACES))
    assert truth("roc", index)[inside] == pytest.approx(closed[inside], abs=0.01)
    false = ndtr(-(distance - ndtri(PLACES)))
    precision = 0.2 * PLACES / (0.2 * PLACES + 0.8 * false)
    assert truth("pr", index)[inside] == pytest.approx(precision[inside], abs=0.02)


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("rows", [100, 300])
def test_bands_hold_with_few_positives(name: str, rows: int):
    found = measured((name, place_of("binormal, AUC 0.7, 5% positive"), rows), draws=60)
    assert found.least >= 0.88, found  # 53 of 60: fewer is more than chance explains
    assert 0 < found.width < 1


def test_a_band_that_is_too_narrow_is_found(monkeypatch: pytest.MonkeyPatch):
    index = place_of("binormal, AUC 0.7, 20% positive")
    narrow = {name: lambda *given, curve=curve: curve(given[0], given[1], 0.5) for name, curve in CURVES.items()}
    monkeypatch.setattr(curves, "CURVES", narrow)
    assert measured(("roc", index, 300), draws=60).missed


def test_every_population_with_ranked_scores_is_drawn():
    found = tasks()
    assert {name for name, *_ in found} == set(CURVES)
    assert any("groups" in POPULATIONS[index].name for _, index, _ in found)
    assert any("10 classes" in POPULATIONS[index].name for _, index, _ in found)


def test_the_page_marks_what_misses_the_bar():
    cell = Cell("roc", "made up", 100, 5.0, 0.9, 0.5, 0.8, 0.3, 1.0)
    assert cell.missed and "made up (missed)" in curves.page([cell], 100)
