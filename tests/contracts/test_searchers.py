"""What holds for every search method of the table; a new entry is tested without a line added."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.search.method import Method, Observation
from tasks.search.methods import METHODS
from tasks.search.points import inside, key, numbered
from tasks.search.space import Choices, Dimension, Range, Setting, Space

LISTED: Space = (
    Dimension("optimizer", Choices(("sgd", "adam", "lion"))),
    Dimension("momentum", Range(0, 0.9, step=0.3), when={"optimizer": ("sgd",)}),
    Dimension("hidden", Choices(([16], [32, 16], None)), shapes=True),
    Dimension("batch_size", Range(1, 3, integer=True), when={"hidden": ([16], None)}, shapes=True),
)
"""(4 + 1 + 1) * (3 + 1 + 3) = 42 settings."""

EVERYWHERE = {name: method for name, method in METHODS.items() if method.training != "gradients"}
"""A gradient search goes along ranges alone, and learns from derivatives (`tests/unit/search/test_descent.py`)."""
every_method = pytest.mark.parametrize("method", EVERYWHERE.values(), ids=EVERYWHERE)


def score(setting: Setting) -> float | None:
    """Something that depends on the setting; None, as if it diverged, for every seventh."""
    number = sum(key(setting).encode())
    return None if number % 7 == 0 else number % 50 / 50


def search(method: Method, space: Space, trials: int, seed: int) -> list[Observation]:
    seen: list[Observation] = []
    for count in method.batches(space, trials):
        seen += [Observation(setting, score(setting)) for setting in method.suggest(space, seen, count, trials, seed)]
    return seen


CHOICES = st.sampled_from([("a", "b"), (1, 1.0, True), ([1], [1, 2], None), ({"x": 1}, "x", 2.5)]).map(Choices)
STEPPED = st.builds(
    lambda low, step, count: Range(low, low + step * count, step=step),
    st.sampled_from([-1.0, 0.0, 0.1]),
    st.sampled_from([0.1, 0.25]),
    st.integers(0, 5),
)
WHOLE = st.builds(
    lambda low, more, log, step: Range(low, low + more, log=log, integer=True, step=None if log else step),
    st.integers(1, 5),
    st.integers(0, 20),
    st.booleans(),
    st.sampled_from([None, 2]),
)
CONTINUOUS = st.builds(
    lambda low, factor, log: Range(low, low * factor, log=log),
    st.sampled_from([1e-5, 0.3]),
    st.sampled_from([1.0, 3.0, 1e4]),
    st.booleans(),
)


@st.composite
def spaces(draw: st.DrawFn, continuous: bool) -> Space:
    """One to four dimensions, each of which may hang on choices before it."""
    overs = st.one_of(
        CHOICES, STEPPED, WHOLE.filter(lambda over: continuous or not over.log), *[CONTINUOUS] * continuous
    )
    space: list[Dimension] = []
    for place in range(draw(st.integers(1, 4))):
        parents = [dimension for dimension in space if isinstance(dimension.over, Choices)]
        when = {}
        if parents and draw(st.booleans()):
            parent = draw(st.sampled_from(parents))
            when = {parent.name: parent.over.points()[: draw(st.integers(1, 2))]}
        space.append(Dimension(f"d{place}", draw(overs), when, shapes=draw(st.booleans())))
    return tuple(space)


@every_method
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(data=st.data(), trials=st.integers(1, 20), seed=st.integers(0, 2**31))
def test_every_setting_lies_in_the_space(method: Method, data: st.DataObject, trials: int, seed: int) -> None:
    space = data.draw(spaces(continuous=method is not METHODS["grid"]))
    batches = method.batches(space, trials)
    assert all(count > 0 for count in batches) and sum(batches) <= trials
    seen = search(method, space, trials, seed)
    assert len(seen) == sum(batches)
    assert all(inside(space, each.setting) for each in seen)
    for each in seen:
        assert json.loads(json.dumps(each.setting)) == each.setting
    settings_ = numbered(space)
    if settings_ is not None:
        assert len(seen) == min(trials, settings_.number)
        assert len({key(each.setting) for each in seen}) == len(seen), "none is tried twice while others are left"


@every_method
def test_a_small_space_is_tried_whole(method: Method) -> None:
    seen = search(method, LISTED, 1000, seed=3)
    assert len({key(each.setting) for each in seen}) == len(seen) == numbered(LISTED).number == 42


@every_method
def test_another_seed_asks_for_other_settings(method: Method) -> None:
    first, again, other = ([each.setting for each in search(method, LISTED, 12, seed)] for seed in (1, 1, 2))
    assert first == again != other


@every_method
def test_a_search_goes_on_as_if_it_had_never_stopped(method: Method) -> None:
    """Asking remembers nothing: what is found after a pause follows from what was seen."""
    whole, space = search(method, LISTED, 30, 5), LISTED
    seen: list[Observation] = []
    for count in method.batches(space, 30):
        method.suggest(space, whole[:3], 2, 30, 9)  # another search in between
        assert method.suggest(space, list(seen), count, 30, 5) == [
            e.setting for e in whole[len(seen) : len(seen) + count]
        ]
        seen = whole[: len(seen) + count]


@every_method
def test_where_everything_diverges_the_search_goes_on(method: Method) -> None:
    seen: list[Observation] = []
    for count in method.batches(LISTED, 40):
        seen += [Observation(setting, None) for setting in method.suggest(LISTED, seen, count, 40, 0)]
    assert len(seen) == 40


@every_method
def test_nothing_is_logged(method: Method, capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search(method, LISTED, 20, 0)
    assert "".join(capfd.readouterr()) == ""


APART = """
from tests.contracts.test_searchers import EVERYWHERE, LISTED, search
print({name: [each.setting for each in search(method, LISTED, 16, 7)] for name, method in EVERYWHERE.items()})
"""


def test_a_process_that_hashes_otherwise_asks_for_the_same() -> None:
    path = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": "17"}
    call = [sys.executable, "-c", APART]
    done = subprocess.run(call, env=environment, capture_output=True, text=True, check=True, timeout=120)
    here = {name: [each.setting for each in search(method, LISTED, 16, 7)] for name, method in EVERYWHERE.items()}
    assert done.stdout == f"{here}\n"
