"""The rule that descends hypergradients: on functions whose minimum is known, on divergence, and on real training."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.search.gradient import FACTOR, Tried, next_setting
from tasks.training.hypergradient import hypergradients
from tasks.training.models import MODELS, Penalties
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.trial import Trial
from tests.unit.test_stack import arrays_of, trial_of

BOUNDS = {"learning_rate": (1e-5, 10.0), "l2": (1e-8, 1.0), "momentum": (0.0, 0.999)}
BEST = {"learning_rate": 0.03, "l2": 1e-4, "momentum": 0.9}


def bowl(values: dict[str, float]) -> dict[str, float]:
    """The derivatives of a loss that is quadratic on the hyperparameters' scales."""
    rest = (1 - values["momentum"]) / (1 - BEST["momentum"])
    slopes = {name: math.log(values[name] / BEST[name]) / values[name] for name in ("learning_rate", "l2")}
    return {**slopes, "momentum": -math.log(rest) / (1 - values["momentum"])}


def cliff(values: dict[str, float]) -> dict[str, float]:
    """The same, but training diverges a little above the best learning rate."""
    return bowl(values) if values["learning_rate"] < 0.1 else dict.fromkeys(values, math.nan)


def descend(
    function: Callable[[dict[str, float]], dict[str, float]], start: dict[str, float], steps: int
) -> list[Tried]:
    history = [Tried(start, function(start))]
    for _ in range(steps):
        setting = next_setting(history, BOUNDS)
        history.append(Tried(setting, function(setting)))
    return history


def distance(values: dict[str, float]) -> float:
    """The farthest factor from the best."""
    rests = [(1 - values["momentum"]) / (1 - BEST["momentum"])]
    ratios = [values[name] / BEST[name] for name in ("learning_rate", "l2")] + rests
    return math.exp(max(abs(math.log(ratio)) for ratio in ratios))


settings = st.fixed_dictionaries(
    {
        "learning_rate": st.floats(1e-5, 10.0),
        "l2": st.floats(1e-8, 1.0),
        "momentum": st.floats(0.0, 0.999),
    }
)


@given(settings, st.sampled_from([bowl, cliff]))
def test_every_start_comes_near_the_best(start: dict[str, float], function: Callable) -> None:
    history = descend(function, start, 25)
    assert min(distance(dict(tried.values)) for tried in history if tried.trained(BOUNDS)) < 1.5


derivatives = st.one_of(st.floats(-1e30, 1e30), st.just(math.nan), st.just(math.inf), st.just(0.0))


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(BOUNDS, derivatives)), min_size=1, max_size=12), settings)
def test_steps_stay_within_bounds_and_change_nothing_by_more_than_a_factor(
    gradients: list[dict[str, float]], start: dict[str, float]
) -> None:
    history: list[Tried] = []
    setting = start
    for each in gradients:
        history.append(Tried(setting, each))
        after = next_setting(history, BOUNDS)
        assert after == next_setting(history, BOUNDS)
        for name, (low, high) in BOUNDS.items():
            assert low <= after[name] <= high
            if history[-1].trained(BOUNDS):
                ratio = after[name] / setting[name] if name != "momentum" else (1 - after[name]) / (1 - setting[name])
                assert 1 / FACTOR - 1e-9 <= ratio <= FACTOR + 1e-9
        setting = after


def test_a_divergence_is_answered_from_the_last_setting_that_trained() -> None:
    slope = {"learning_rate": -1.0, "l2": 1.0, "momentum": 0.0}
    good = Tried({"learning_rate": 0.1, "l2": 0.01, "momentum": 0.9}, slope)
    tried = next_setting([good], BOUNDS)
    assert tried == pytest.approx({"learning_rate": 0.3, "l2": 0.01 / 3, "momentum": 0.9})
    wild = Tried(tried, {})
    back = next_setting([good, wild], BOUNDS)
    assert 0.1 < back["learning_rate"] < 0.3 and 0.01 / 3 < back["l2"] < 0.01
    again = next_setting([good, wild, Tried(back, {})], BOUNDS)
    assert 0.1 < again["learning_rate"] < back["learning_rate"]
    raised = Tried({**good.values, "momentum": 0.99}, {})
    assert next_setting([good, raised], BOUNDS)["learning_rate"] < 0.1


def test_a_start_that_diverges_lowers_the_learning_rate_or_all() -> None:
    start = Tried({"learning_rate": 5.0, "l2": 0.01, "momentum": 0.9}, {})
    assert next_setting([start], BOUNDS) == pytest.approx({"learning_rate": 0.5, "l2": 0.01, "momentum": 0.9})
    bounds = {"l2": (1e-8, 1.0)}
    assert next_setting([Tried({"l2": 1.0}, {})], bounds) == pytest.approx({"l2": 1e-4})


def bound(values: dict[str, float], number: int) -> Trial:
    trial = trial_of("momentum", label=f" {number}", architecture=MODELS["mlp"](hidden=[8]), epochs=4)
    return replace(
        trial,
        learning_rate=values["learning_rate"],
        penalties=Penalties(l2=values["l2"]),
        optimizer=OPTIMIZERS["momentum"](momentum=values["momentum"]),
    )


def test_a_few_steps_improve_on_bad_starts() -> None:
    """A start that hardly moves and one that overshoots, side by side: one program for all outer steps."""
    arrays = arrays_of()
    starts = [
        {"learning_rate": 2e-4, "l2": 0.3, "momentum": 0.5},
        {"learning_rate": 3.0, "l2": 1e-4, "momentum": 0.9},
    ]
    histories: list[list[Tried]] = [[] for _ in starts]
    losses: list[list[float]] = [[] for _ in starts]
    names = list(BOUNDS)
    for _ in range(6):
        settings = [
            next_setting(history, BOUNDS) if history else start
            for start, history in zip(starts, histories, strict=True)
        ]
        trials = [bound(setting, number) for number, setting in enumerate(settings)]
        found = hypergradients(trials, arrays, names, xla=False)
        for setting, (outcome, gradients), history, own in zip(settings, found, histories, losses, strict=True):
            history.append(Tried(setting, gradients))
            rows = outcome.outputs.get("val", np.full([len(arrays.val_targets), 3], np.nan)).astype(float)
            logs = rows - np.logaddexp.reduce(rows, axis=1, keepdims=True)
            own.append(-logs[np.arange(len(rows)), arrays.val_targets].mean())
    for own in losses:
        assert np.nanmin(own) < 0.8 * own[0] or np.isnan(own[0]), own
        assert np.nanmin(own) < 0.75, own
    print(np.round(losses, 3))
