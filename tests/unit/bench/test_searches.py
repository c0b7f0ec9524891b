"""The bench's searches: equal spaces for the project and its peers, and a table that compares rates."""

from __future__ import annotations

import itertools

import pytest

from tasks.planning.recipes import recipes_of
from tasks.planning.searches import searches_of
from tasks.spec.load import parse_spec
from tests.bench import table
from tests.bench.searches import SEARCHES, Searching


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_the_project_searches_what_the_peers_draw_from(search: Searching) -> None:
    spec = parse_spec(search.spec(search.settings, search.epochs, seed=0))
    (own,) = searches_of(spec, recipes_of(spec, "table"))
    assert own.trials == search.settings  # not capped: there are enough points
    assert own.epochs == search.settings * search.epochs
    setting = search.drawn(lambda name, choices: choices[-1], lambda name, low, high: high)
    settings = own.variant(dict(setting)).settings
    assert settings.hidden == tuple(search.hidden(setting))
    assert settings.learning_rate == setting["learning_rate"]
    assert settings.batch_size == setting.get("batch_size", search.batch_size)


def test_the_house_prices_space_has_27_shapes() -> None:
    space = SEARCHES["S2"].space
    assert len(list(itertools.product(space["layers"], space["width"], space["batch_size"]))) == 27


def test_rates_are_compared_however_many_settings_each_searches() -> None:
    def run(peer: str, turn: int, settings: int, seconds: float) -> dict:
        result = {"workload": "S1", "peer": peer, "round": turn, "settings": settings, "seconds": seconds}
        result |= {"core_seconds": 2 * seconds}
        return {**result, "rate": settings / seconds, "metric": "accuracy", "scores": [0.5]}

    rounds = [run("bakeoff", 0, 40, 10.0), run("optuna", 0, 10, 500.0), run("bakeoff", 1, 40, 20.0)]
    page = table.searches([*rounds, run("optuna", 1, 10, 30.0)], ["optuna"])
    assert page.splitlines()[-1].endswith("| 3/s | 103x (6-200) | 0.75 / 53 | accuracy 0.5 / 0.5 |")
