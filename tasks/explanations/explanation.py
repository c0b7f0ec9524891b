"""The output of an explainer: pictures as plain data, checks against theory, and sentences."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from tasks.diagnosis.case import History
from tasks.records import tables
from tasks.records.inspection import Inspection
from tasks.records.plan import Plan, Recipe


def _none_kept(trial_id: str) -> Sequence[np.ndarray]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Results:
    """The results of a run, as explainers read them.

    Args:
        plan: The run's plan.
        trials, curves, metrics: The run's tables of these names.
        inspected: The inspection of the shipped network; None where none was shipped.
        weights: Returns the kept weights of a trial (`trial_id`), in the order of its Keras model's; empty where none
            were kept.
    """

    plan: Plan
    trials: pd.DataFrame
    curves: pd.DataFrame
    inspected: Inspection | None = None
    metrics: pd.DataFrame = field(default_factory=tables.METRICS.frame)
    weights: Callable[[str], Sequence[np.ndarray]] = _none_kept

    def histories(self, recipe: Recipe) -> list[History]:
        """The histories of the recipe's final trials, one per seed."""
        own = self.final(recipe)
        return [
            History.read(self.curves[self.curves["trial_id"] == trial], int(seed), str(status))
            for trial, seed, status in zip(own["trial_id"], own["seed"], own["status"], strict=True)
        ]

    def final(self, recipe: Recipe) -> pd.DataFrame:
        """The rows of table `trials` of the recipe's final trials."""
        return self.trials[(self.trials["recipe_id"] == recipe.recipe_id) & (self.trials["stage"] == "final")]

    def metric(self, recipe: Recipe, part: str, name: str) -> np.ndarray:
        """A metric of the recipe's final trials that ended, by seed."""
        own = self.metrics[(self.metrics["part"] == part) & (self.metrics["metric"] == name)]
        values = own[own["slice"].isna()].set_index("trial_id")["value"]
        trials = self.final(recipe)["trial_id"]
        return np.array([values[trial] for trial in trials if trial in values.index], np.float64)

    def kernels(self, recipe: Recipe) -> list[list[np.ndarray]]:
        """The kernels of the recipe's final trials that kept weights, one list per seed: arrays with two axes or more,
        so without biases."""
        kept = [self.weights(str(trial)) for trial in self.final(recipe)["trial_id"]]
        return [[each for each in weights if each.ndim > 1] for weights in kept if len(weights)]


@dataclass(frozen=True)
class Axis:
    """An axis of a picture.

    Args:
        title: The quantity along it, with its unit.
        log: Whether its scale is logarithmic; then points at or below 0 are left out.
        low, high: Ends of the axis; points beyond are cut off. None: it ends with the points.
    """

    title: str
    log: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Line:
    """A line or points of a picture. Lines of one name have one colour.

    Args:
        name: Name in the legend.
        x, y: Points in order; points that are not finite are left out.
        mark: `line`, `theory` (a dashed line) or `points`.
    """

    name: str
    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray
    mark: Literal["line", "theory", "points"] = "line"


@dataclass(frozen=True)
class Heights:
    """Heights over a rectangle, as colours on a logarithmic scale.

    Args:
        title: The quantity shown, with its unit.
        x, y: Centres of the cells, evenly spaced and ascending.
        values: `[len(y)][len(x)]`, above 0; None for a cell without a value.
        high: Values above it get the last colour.
    """

    title: str
    x: Sequence[float]
    y: Sequence[float]
    values: Sequence[Sequence[float | None]]
    high: float


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture: its title, a caption that says how to read it, its axes and lines, and heights drawn below the
    lines."""

    title: str
    caption: str
    x: Axis
    y: Axis
    lines: Sequence[Line]
    heights: Heights | None = None


@dataclass(frozen=True, kw_only=True)
class Check:
    """One statement of theory against what the run measured.

    Args:
        claim: The statement, as a sentence.
        measured: The figure; NaN: the run did not measure it.
        theory: The value that theory predicts; None: theory gives only a bound.
        low, high: Bounds within which the check is met; None: no bound on that side.
    """

    claim: str
    measured: float
    theory: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the figure is within the bounds; None where it was not measured."""
        if not np.isfinite(self.measured):
            return None
        above = self.low is None or self.measured >= self.low
        return above and (self.high is None or self.measured <= self.high)


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The explanation of a run by one explainer.

    Args:
        seen: Sentences about what the run shows, with its figures.
        pictures, checks: Pictures and checks, in the order of the page.
    """

    seen: Sequence[str]
    pictures: Sequence[Picture]
    checks: Sequence[Check]


@dataclass(frozen=True)
class Change:
    """A change to try: the argument of `--set`, and what to look for in the new run."""

    assignment: str
    look_for: str


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """Why an explainer does not apply to a run: what the run has, what it needs, and what to do."""

    got: str
    accepted: str
    remedy: str


def ratio(value: float, over: float) -> float:
    """`value / over`; NaN where `over` is 0."""
    return float(value / over) if over else np.nan


def shared(recipe: Recipe, *names: str) -> str:
    """A key to group recipes that differ in these settings only: the other settings as JSON."""
    return json.dumps(settings_without(recipe, *names), sort_keys=True)


def spaced(count: int, most: int) -> np.ndarray:
    """Positions of at most `most` of `count` points, evenly spaced in the logarithm, with the first and the last."""
    return np.unique(np.geomspace(1, max(count, 1), most).astype(int) - 1)[:count]


def settings_without(recipe: Recipe, *names: str) -> Mapping[str, object]:
    """A recipe's settings without these; `learning_rate` is a parameter of its optimizer."""
    kept = recipe.settings.without(names)
    if "learning_rate" in names:
        optimizer, parameters = recipe.settings.optimizer
        kept["optimizer"] = {optimizer: {key: each for key, each in parameters.items() if key != "learning_rate"}}
    return kept
