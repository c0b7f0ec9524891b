"""As many decimals as an interval deserves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.evaluation.rounding import fixed, interval, places, rounded, signed
from tasks.records.estimate import Estimate


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (Estimate(0.8012, 0.7721, 0.8292), "0.801 [0.772, 0.829]"),
        (Estimate(50123.4, 49800.2, 50450.9), "50,123 [49,800, 50,451]"),
        (Estimate(0.00312, 0.00309, 0.00315), "0.003120 [0.003090, 0.003150]"),
        (Estimate(-0.02, -0.05, 0.01), "−0.020 [−0.050, 0.010]"),
        (Estimate(0.9166), "0.9166"),
        (Estimate(3.0, 3.0, 3.0), "3.000 [3.000, 3.000]"),
        (Estimate(None), "–"),
        (None, "–"),
    ],
)
def test_interval(given: Estimate | None, text: str) -> None:
    assert interval(given) == text


def test_one_column_one_number_of_decimals() -> None:
    """A recipe that never learns, with next to no interval, does not add digits to all the others."""
    column = [Estimate(0.8, 0.77, 0.83), Estimate(0.81, 0.78, 0.84), Estimate(0.1, 0.0999999, 0.1000001)]
    assert places(column) == 3


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=5))
def test_any_values_can_be_shown(values: list[float]) -> None:
    decimals = places(Estimate(value, value, value) for value in values)
    assert 0 <= decimals <= 6
    assert all(fixed(value, decimals) for value in values)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (1234.5, 1, "1,234.5"),
        (-0.0001, 2, "0.00"),
        (1.23e9, 0, "1.2×10⁹"),
        (float("inf"), 2, "–"),
        (-2.0, 0, "−2"),
    ],
)
def test_fixed(value: float, decimals: int, text: str) -> None:
    assert fixed(value, decimals) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.79781, "0.7978"), (53169.4, "53,169"), (12.3456, "12.35"), (0.0, "0.000"), (None, "–"), (float("nan"), "–")],
)
def test_a_number_by_itself_has_four_digits_and_no_exponent(value: float | None, text: str) -> None:
    assert rounded(value) == text


def test_signed() -> None:
    assert [signed(value, 1) for value in (0.5, -0.5, 0.0)] == ["+0.5", "−0.5", "0.0"]
