"""The rungs of successive halving spend what other searches spend."""

from hypothesis import given
from hypothesis import strategies as st

from tasks.search.halving import KEPT, Rung, rungs


def spent(ladder: list[Rung]) -> int:
    before = [0, *(rung.epochs for rung in ladder)]
    return sum(rung.settings * (rung.epochs - start) for rung, start in zip(ladder, before, strict=False))


@given(trials=st.integers(1, 60), epochs=st.integers(1, 200))
def test_rungs(trials: int, epochs: int) -> None:
    ladder = rungs(trials, epochs)
    assert ladder[-1].epochs == epochs
    assert ladder[0].settings >= trials
    assert [rung.epochs for rung in ladder] == sorted({rung.epochs for rung in ladder})
    begun = ladder[0].settings
    assert [rung.settings for rung in ladder] == [max(1, begun // KEPT**index) for index in range(len(ladder))]
    assert spent(ladder) <= max(trials * epochs, spent(rungs(1, epochs)))


def test_as_many_begin_as_the_budget_allows() -> None:
    assert rungs(20, 27) == [Rung(188, 1), Rung(62, 3), Rung(20, 9), Rung(6, 27)]
    assert 188 * 1 + 62 * 2 + 20 * 6 + 6 * 18 == 20 * 27
