"""The rule that descends hypergradients: on functions whose minimum is known, on divergence, and on real training."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.search.gradient import Tried, next_setting
from tasks.training.hypergradient import hypergradients
from tasks.training.models import MODELS, Penalties
from tasks.training.optimizers import OPTIMIZERS
from tasks.training.trial import Trial
from tests.small_trials import arrays_of, trial_of

BOUNDS = {"learning_rate": (1e-5, 10.0), "l2": (1e-8, 1.0), "momentum": (0.0, 0.999)}
BEST = {"learning_rate": 0.03, "l2": 1e-4, "momentum": 0.9}


def below(worst: float, history: list[Tried]) -> list[Tried]:
    """A history in which a loss above `worst` counts as a divergence."""
    return [replace(tried, loss=tried.loss if tried.loss <= worst else math.inf) for tried in history]


def bowl(values: dict[str, float]) -> Tried:
    """A loss that is quadratic on the hyperparameters' scales."""
    off = {name: math.log(values[name] / BEST[name]) for name in ("learning_rate", "l2")}
    rest = math.log((1 - values["momentum"]) / (1 - BEST["momentum"]))
    slopes = {**{name: off[name] / values[name] for name in off}, "momentum": -rest / (1 - values["momentum"])}
    return Tried(values, 0.5 * (sum(each**2 for each in off.values()) + rest**2), slopes)


def cliff(values: dict[str, float]) -> Tried:
    """The same, but training diverges a little above the best learning rate."""
    return bowl(values) if values["learning_rate"] < 0.1 else Tried(values, math.nan, {})


def descend(function: Callable[[dict[str, float]], Tried], start: dict[str, float], steps: int) -> list[Tried]:
    history = [function(start)]
    for _ in range(steps):
        history.append(function(next_setting(history, BOUNDS)))
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
    history = descend(function, start, 30)
    assert min(distance(dict(tried.values)) for tried in history if math.isfinite(tried.loss)) < 1.5


derivatives = st.one_of(st.floats(-1e30, 1e30), st.just(math.nan), st.just(math.inf), st.just(0.0))
answers = st.tuples(st.floats(0.0, 3.0), st.fixed_dictionaries(dict.fromkeys(BOUNDS, derivatives)))


@given(st.lists(answers, min_size=1, max_size=12), settings)
def test_settings_stay_within_bounds_and_depend_on_the_history_alone(answers: list, start: dict[str, float]) -> None:
    history: list[Tried] = []
    setting = start
    for loss, gradients in answers:
        history.append(Tried(setting, loss, gradients))
        setting = next_setting(below(2.0, history), BOUNDS)
        assert setting == next_setting(below(2.0, history), BOUNDS)
        assert list(setting) == list(BOUNDS)
        assert all(low <= setting[name] <= high for name, (low, high) in BOUNDS.items())


GOOD = Tried(
    {"learning_rate": 0.1, "l2": 0.01, "momentum": 0.9}, 1.0, {"learning_rate": -1.0, "l2": 1.0, "momentum": 0.0}
)


def test_a_step_goes_against_the_signs_by_a_factor_of_three() -> None:
    assert next_setting([GOOD], BOUNDS) == pytest.approx({"learning_rate": 0.3, "l2": 0.01 / 3, "momentum": 0.9})
    remembered = replace(GOOD, gradients={"learning_rate": 0.0, "l2": 0.0, "momentum": -1.0})
    assert next_setting([remembered], BOUNDS)["momentum"] == pytest.approx(1 - 0.1 / 3)


def test_what_is_no_better_is_answered_from_the_best_setting() -> None:
    tried = next_setting([GOOD], BOUNDS)
    worse = Tried(tried, 2.0, {"learning_rate": 1.0, "l2": 1.0, "momentum": 0.0})
    assert next_setting([GOOD, worse], BOUNDS) == pytest.approx(
        {"learning_rate": 0.1 * 3**0.5, "l2": 0.01 / 3, "momentum": 0.9}
    ), "halfway only where the sign has changed"


def test_a_divergence_is_answered_from_the_best_setting_at_a_lower_learning_rate() -> None:
    tried = next_setting([GOOD], BOUNDS)
    wild = Tried(tried, math.inf, {})
    back = next_setting([GOOD, wild], BOUNDS)
    assert 0.1 < back["learning_rate"] < 0.3 and 0.01 / 3 < back["l2"] < 0.01
    assert back == next_setting([GOOD, Tried(tried, math.inf, GOOD.gradients)], BOUNDS)
    again = next_setting([GOOD, wild, Tried(back, math.nan, {})], BOUNDS)
    assert 0.1 < again["learning_rate"] < back["learning_rate"]
    still = replace(GOOD, gradients={"learning_rate": 0.0, "l2": 1.0, "momentum": -1.0})
    assert next_setting([still, wild], BOUNDS)["learning_rate"] < 0.1


def test_a_start_that_diverges_lowers_the_learning_rate_or_all() -> None:
    start = Tried({"learning_rate": 5.0, "l2": 0.01, "momentum": 0.9}, math.nan, {})
    assert next_setting([start], BOUNDS) == pytest.approx({"learning_rate": 0.5, "l2": 0.01, "momentum": 0.9})
    assert next_setting([Tried({"l2": 1.0}, math.nan, {})], {"l2": (1e-8, 1.0)}) == pytest.approx({"l2": 1e-4})


def bound(values: dict[str, float], number: int) -> Trial:
    trial = trial_of("momentum", label=f" {number}", architecture=MODELS["mlp"](hidden=[8]), epochs=4)
    return replace(
        trial,
        learning_rate=values["learning_rate"],
        penalties=Penalties(l2=values["l2"]),
        optimizer=OPTIMIZERS["momentum"](momentum=values["momentum"]),
    )


def test_a_few_steps_improve_on_bad_starts() -> None:
    """One that hardly moves and one that overshoots, side by side; one program for all outer steps."""
    arrays = arrays_of()
    starts = [
        {"learning_rate": 0.002, "l2": 1e-5, "momentum": 0.5},
        {"learning_rate": 3.0, "l2": 1e-4, "momentum": 0.9},
    ]
    histories: list[list[Tried]] = [[], []]
    for _ in range(8):
        suggested = [
            next_setting(below(2 * math.log(3), history), BOUNDS) if history else start
            for start, history in zip(starts, histories, strict=True)
        ]
        trials = [bound(setting, number) for number, setting in enumerate(suggested)]
        found = hypergradients(trials, arrays, list(BOUNDS), xla=False)
        for setting, (outcome, gradients), history in zip(suggested, found, histories, strict=True):
            rows = outcome.outputs["val"].astype(float)
            logs = rows - np.logaddexp.reduce(rows, axis=1, keepdims=True)
            history.append(Tried(setting, -logs[np.arange(len(rows)), arrays.val_targets].mean(), gradients))
    reached = [min(tried.loss for tried in history) for history in histories]
    assert histories[0][0].loss > 1.05 and histories[1][0].loss > 3
    assert max(reached) < 0.95, reached
