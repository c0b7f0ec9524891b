"""Counting and numbering settings, telling whether one lies in a space, and what of it is shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from tasks.search.points import Settings, inside, numbered, possible, shape, values
from tasks.search.space import Choices, Dimension, Range, Setting, Space

NESTED: Space = (
    Dimension("kind", Choices(("mlp", "cnn"))),
    Dimension("layers", Range(1, 3, integer=True), when={"kind": ("mlp",)}, shapes=True),
    Dimension("third", Range(0, 1, step=0.25), when={"layers": (3,)}),
    Dimension("rate", Choices((0.1, [1, 2]))),
)


def grid(space: Space) -> Iterator[Setting]:
    """Every setting once, the last dimension fastest.

    Raises:
        ValueError: a range has no points.
    """
    return _extended({}, space)


def _extended(setting: Setting, rest: Sequence[Dimension]) -> Iterator[Setting]:
    if not rest:
        yield setting
        return
    dimension, *others = rest
    if not dimension.active(setting):
        yield from _extended(setting, others)
        return
    points = dimension.over.points()
    if points is None:
        raise ValueError(f"{dimension.name} has no list of points")
    for value in points:
        yield from _extended({**setting, dimension.name: value}, others)


def test_numbers_follow_the_grid() -> None:
    settings = Settings(NESTED)
    assert [settings[number] for number in range(settings.number)] == list(grid(NESTED))
    assert settings.number == (1 + 1 + 5 + 1) * 2


def test_many_millions_of_settings_are_counted_at_once() -> None:
    owners = tuple(f"o{number}" for number in range(11))
    own = [Dimension(f"of_{name}", Range(1, 50, integer=True), when={"optimizer": (name,)}) for name in owners]
    space = (Dimension("optimizer", Choices(owners)), *own, Dimension("seed", Range(1, 10**6, integer=True)))
    settings = Settings(space)
    assert settings.number == 11 * 50 * 10**6
    assert settings[settings.number - 1] == {"optimizer": "o10", "of_o10": 50, "seed": 10**6}


def test_a_continuous_range_has_no_numbers() -> None:
    space = (Dimension("rate", Range(0.1, 1, log=True)),)
    assert numbered(space) is None and possible(space, 7) == 7
    with pytest.raises(ValueError, match="rate has no list of points"):
        Settings(space)


def test_whole_numbers_are_whole() -> None:
    assert list(values(Range(2.0, 7.0, integer=True, step=2)) or ()) == [2, 4, 6]
    assert list(values(Range(1, 4, integer=True, log=True)) or ()) == [1, 2, 3, 4]
    assert all(type(value) is int for value in values(Range(2.0, 7.0, integer=True)) or ())


@pytest.mark.parametrize(
    "setting",
    [
        {"kind": "mlp", "layers": 2, "rate": 0.1},
        {"kind": "mlp", "layers": 3, "third": 0.75, "rate": [1, 2]},
        {"kind": "cnn", "rate": 0.1},
    ],
)
def test_inside(setting: dict[str, object]) -> None:
    assert inside(NESTED, setting)


@pytest.mark.parametrize(
    "setting",
    [
        {"kind": "mlp", "rate": 0.1},
        {"kind": "cnn", "layers": 2, "rate": 0.1},
        {"kind": "mlp", "layers": 4, "rate": 0.1},
        {"kind": "mlp", "layers": 1.5, "rate": 0.1},
        {"kind": "mlp", "layers": 3, "third": 0.3, "rate": 0.1},
        {"kind": "cnn", "rate": 0.2},
        {"kind": "cnn", "rate": 0.1, "more": 1},
    ],
)
def test_outside(setting: dict[str, object]) -> None:
    assert not inside(NESTED, setting)


def test_a_shape_holds_what_it_hangs_on() -> None:
    assert shape(NESTED, {"kind": "mlp", "layers": 3, "third": 0.5, "rate": 0.1}) == {"kind": "mlp", "layers": 3}
    assert shape(NESTED[:1], {"kind": "mlp"}) == {}


def test_billions_of_steps_are_counted_and_found_without_being_written_out() -> None:
    fine = Range(0.1, 0.9, step=4e-10)
    steps = values(fine)
    assert steps is not None and len(steps) == 2_000_000_001 and steps[-1] == 0.9 and 0.5 in steps
    assert 0.50000000001 not in steps and "0.5" not in steps
    space = (
        Dimension("units", Range(1, 10**9, integer=True)),
        Dimension("rate", fine, when={"units": (7, 10**9)}),
    )
    settings = Settings(space)
    assert settings.number == 10**9 - 2 + 2 * 2_000_000_001
    assert settings[6 + 2_000_000_001] == {"units": 8} and settings[6] == {"units": 7, "rate": 0.1}
    assert settings[settings.number - 1] == {"units": 10**9, "rate": 0.9}
    assert inside(space, {"units": 7, "rate": 0.1000000004}) and not inside(space, {"units": 8, "rate": 0.1})
