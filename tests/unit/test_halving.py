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
    assert all(
        late.settings == max(1, early.settings // KEPT) or late.settings <= early.settings / 2
        for early, late in zip(ladder, ladder[1:], strict=False)
    )
    assert spent(ladder) <= max(trials * epochs, spent(rungs(1, epochs)))


def test_one_setting_more_would_cost_too_much() -> None:
    assert rungs(20, 27) == [Rung(160, 1), Rung(53, 3), Rung(17, 9), Rung(5, 27)]
