"""What an explainer gives: pictures as plain data, checks against theory, and sentences."""

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
    """A run as explainers read it.

    Args:
        plan: What was planned.
        trials, curves, metrics: The run's tables of these names.
        inspected: What was found in the shipped network; None where none was shipped.
        weights: Of a trial, the weights that it kept, in the order of its Keras model's; empty where it kept none.
    """

    plan: Plan
    trials: pd.DataFrame
    curves: pd.DataFrame
    inspected: Inspection | None = None
    metrics: pd.DataFrame = field(default_factory=tables.METRICS.frame)
    weights: Callable[[str], Sequence[np.ndarray]] = _none_kept

    def histories(self, recipe: Recipe) -> list[History]:
        """Of the recipe's final trials, by seed."""
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
        """Of the recipe's final trials that kept weights, by seed: those with two axes or more, biases not among
        them."""
        kept = [self.weights(str(trial)) for trial in self.final(recipe)["trial_id"]]
        return [[each for each in weights if each.ndim > 1] for weights in kept if len(weights)]


@dataclass(frozen=True)
class Axis:
    """An axis of a picture.

    Args:
        title: What is along it, with its unit.
        log: Whether its scale is logarithmic; points that are not above 0 are then left out.
        low, high: Where it ends; what lies beyond is cut off. None: where the points end.
    """

    title: str
    log: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Line:
    """A line or points of a picture. Lines of one name have one colour.

    Args:
        name: In the legend.
        x, y: Points in order; those that are not finite are left out.
        mark: A line, a dashed line (what theory says), or points.
    """

    name: str
    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray
    mark: Literal["line", "theory", "points"] = "line"


@dataclass(frozen=True)
class Heights:
    """Heights over a rectangle, as colours on a logarithmic scale.

    Args:
        title: What they are, with their unit.
        x, y: Evenly spaced, ascending: the middles of the cells.
        values: `[len(y)][len(x)]`, above 0; None where there is none.
        high: What is above has the last colour.
    """

    title: str
    x: Sequence[float]
    y: Sequence[float]
    values: Sequence[Sequence[float | None]]
    high: float


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture: what it shows, how to read it, its lines, and heights below them."""

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
        theory: What theory says of it; None: a bound only.
        low, high: Within which it counts as met; None: no bound on that side.
    """

    claim: str
    measured: float
    theory: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def met(self) -> bool | None:
        """None where nothing was measured."""
        if not np.isfinite(self.measured):
            return None
        above = self.low is None or self.measured >= self.low
        return above and (self.high is None or self.measured <= self.high)


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What an explainer says of a run.

    Args:
        seen: What the run shows, with its figures, in whole sentences.
        pictures, checks: In the order of the page.
    """

    seen: Sequence[str]
    pictures: Sequence[Picture]
    checks: Sequence[Check]


@dataclass(frozen=True)
class Change:
    """A change to try: what follows `--set`, and what to look for then."""

    assignment: str
    look_for: str


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """Why an explainer does not apply to a run: what the run has, what it needs, and what to do."""

    got: str
    accepted: str
    remedy: str


def ratio(value: float, over: float) -> float:
    """NaN where there is nothing to divide by."""
    return float(value / over) if over else np.nan


def shared(recipe: Recipe, *names: str) -> str:
    """What a recipe has in common with others that differ in these settings only, to group them by."""
    return json.dumps(settings_without(recipe, *names), sort_keys=True)


def spaced(count: int, most: int) -> np.ndarray:
    """Places of at most so many of `count` points, evenly along the logarithm: the first and the last, and others."""
    return np.unique(np.geomspace(1, max(count, 1), most).astype(int) - 1)[:count]


def settings_without(recipe: Recipe, *names: str) -> Mapping[str, object]:
    """A recipe's settings without these; `learning_rate` is a parameter of its optimizer."""
    kept = recipe.settings.without(names)
    if "learning_rate" in names:
        optimizer, parameters = recipe.settings.optimizer
        kept["optimizer"] = {optimizer: {key: each for key, each in parameters.items() if key != "learning_rate"}}
    return kept
