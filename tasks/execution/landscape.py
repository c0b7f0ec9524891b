"""The loss surface around the shipped network, for the explainer `landscape`: planes, the path of training, and
curvature. Also the loss between networks of different seeds, for the explainer `overparameterisation`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.dataset import TRAIN
from tasks.inputs.prepared import Prepared
from tasks.planning.trials import bind_trial
from tasks.records.landscape import Between, Curvature, Landscape, Plane, TrainingPath
from tasks.records.plan import Plan, PlannedTrial
from tasks.records.weights import kept_weights
from tasks.training.matching import has_one_hidden_layer, matched
from tasks.training.stack import Stack
from tasks.training.surface import Spectrum, Surface
from tasks.training.trial import Trial

POINTS = 41
"""Grid points of a plane along each side."""

ROWS = 1_000
"""Training rows, at most. Fewer where rows times weights would be more than `WORK`, but at least `FEWEST`."""

WORK, FEWEST = 20_000_000, 128

RECIPES = 16
"""Recipes whose curvature is computed, at most: the first ones of the plan."""

PAIRS = 3
"""Pairs of seeds between which lines are drawn, at most."""

PAUSES = 60
"""Points of the training path, at most, in addition to its start."""

_MARGIN = 0.25
"""Margin around the training path, as a share of its extent."""

_RISE = 1.0
"""Sets the length of the line along the steepest direction: if the loss were a parabola, it would rise from the centre
to the ends by this multiple of the loss at the centre, or of `_LEAST` where that loss is smaller."""

_LEAST = 0.01
_DIGITS = 6


class Looking:
    """Computes loss surfaces of the final trials of a run.

    Args:
        run: The run's folder.
        trials: The run's table `trials`.
    """

    def __init__(self, run: Path, plan: Plan, prepared: Prepared, trials: pd.DataFrame) -> None:
        self._run, self._plan, self._prepared, self._trials = run, plan, prepared, trials
        self._weights: dict[str, Mapping[str, list[np.ndarray]]] = {}
        self._surfaces: dict[str, Surface] = {}
        self._planned = {trial.trial_id: trial for trial in plan.trials}

    def landscape(self, trial_id: str, curves: pd.DataFrame) -> Landscape:
        """The loss surface around a final trial.

        Args:
            curves: The run's table `curves`.
        """
        surface, weights = self._surface(trial_id), self._kept(trial_id)
        rng = np.random.default_rng(0)
        first, second = (surface.filter_normalised(weights, rng) for _ in range(2))
        others = _one_of_each(self._plan, self._trials, trial_id)
        spectra = {each: self._surface(each).spectrum(self._kept(each)) for each in (trial_id, *others)}
        steepest = spectra[trial_id].steepest
        sides = np.linspace(-1, 1, POINTS)
        heights = surface.plane(weights, first, second, sides, sides)
        loss = float(heights[POINTS // 2, POINTS // 2])
        bend = spectra[trial_id].largest
        reach = np.sqrt(2 * _RISE * max(loss, _LEAST) / bend) if bend > 0 else 1.0
        along = np.linspace(-reach, reach, POINTS)
        path, no_path = self._path(trial_id)
        product = surface.times_hessian(weights, first[None])[0]
        return Landscape(
            rows=len(self._rows(trial_id)),
            training_rows=len(self._learned(trial_id).rows[TRAIN]),
            weights=len(surface.vector(weights)),
            loss=_short(loss),
            plane=_plane(sides, sides, heights),
            path=path,
            no_path=no_path,
            curvatures=[self._curvature(each, spectrum, curves) for each, spectrum in spectra.items()],
            along=_shorts(along),
            losses=_known(surface.along(weights, steepest, along)),
            random=_short(_over(product @ first, first @ first)),
        )

    def between(self) -> list[Between]:
        """The loss between networks of one recipe: for the first recipes whose networks have one hidden layer, where at
        least two seeds ended."""
        found = []
        for recipe in self._plan.recipes[:RECIPES]:
            own = self._trials[(self._trials["recipe_id"] == recipe.recipe_id) & (self._trials["stage"] == "final")]
            ended = own[own["status"] == "ok"].sort_values("seed", kind="stable")["trial_id"].tolist()
            pairs = list(zip(ended[::2], ended[1::2], strict=False))[:PAIRS]
            if pairs and has_one_hidden_layer(self._kept(pairs[0][0])):
                found.append(self._on_lines(recipe.recipe_id, pairs))
        return found

    def _on_lines(self, recipe_id: str, pairs: Sequence[tuple[str, str]]) -> Between:
        at = np.linspace(0, 1, POINTS)
        lines: dict[str, list[np.ndarray]] = {"own": [], "matched": []}
        for one, other in pairs:
            surface, weights = self._surface(one, work=None), self._kept(one)
            ends = {"own": self._kept(other), "matched": matched(self._kept(other), weights)}
            for order, end in ends.items():
                lines[order].append(surface.along(weights, surface.vector(end) - surface.vector(weights), at))
        barriers = {
            order: [(each - (1 - at) * each[0] - at * each[-1]).max() for each in losses]
            for order, losses in lines.items()
        }
        return Between(
            recipe_id=recipe_id,
            pairs=len(pairs),
            at=_shorts(at),
            losses=_shorts(np.mean(lines["own"], axis=0)),
            matched=_shorts(np.mean(lines["matched"], axis=0)),
            barrier=_short(float(np.mean(barriers["own"]))),
            matched_barrier=_short(float(np.mean(barriers["matched"]))),
        )

    # -- the networks and the rows --

    def _kept(self, trial_id: str) -> list[np.ndarray]:
        stack_id = self._plan.stack_of(trial_id).stack_id
        if stack_id not in self._weights:
            self._weights[stack_id] = kept_weights(self._run, stack_id)
        return self._weights[stack_id][trial_id]

    def _bound(self, planned: PlannedTrial) -> Trial:
        variant, lengths = self._plan.variant(planned.variant_id), self._prepared.lengths
        return bind_trial(planned, variant, self._plan.stack_of(planned.trial_id).evaluate_every, lengths=lengths)

    def _learned(self, trial_id: str) -> Prepared:
        """The data that the trial learned from."""
        return self._prepared.limited(self._plan.variant(self._planned[trial_id].variant_id).settings.rows)

    def _rows(self, trial_id: str, work: int | None = WORK) -> np.ndarray:
        """Positions among the scored training rows, the same for all networks of one size.

        Args:
            work: Limit of rows times weights; None: a large network gets as many rows as a small one.
        """
        weights, there = (
            sum(int(each.size) for each in self._kept(trial_id)),
            len(self._learned(trial_id).scored[TRAIN]),
        )
        most = ROWS if work is None else min(ROWS, max(FEWEST, work // weights))
        chosen = np.random.default_rng(0).choice(there, most, replace=False) if there > most else np.arange(there)
        return np.sort(chosen)

    def _surface(self, trial_id: str, work: int | None = WORK) -> Surface:
        """The surface, shared by all trials with the same architecture and number of training rows; `work` as in
        `_rows`."""
        trial, stack = self._bound(self._planned[trial_id]), self._plan.stack_of(trial_id)
        prepared = self._learned(trial_id)
        key = f"{trial.architecture} {work} {len(prepared.rows[TRAIN])}"
        if key not in self._surfaces:
            rows = self._rows(trial_id, work)
            classes = len(prepared.dataset.classes) if prepared.dataset.classes else None
            model = trial.architecture.build(
                prepared.features.shape[1:], classes or 1, penalties=trial.penalties, seed=0
            )
            inputs = prepared.inputs((TRAIN,))[TRAIN]
            x = np.asarray(inputs[:])[rows]
            y = prepared.targets[prepared.scored[TRAIN]][rows]
            self._surfaces[key] = Surface(model, x, y, classes, xla=stack.xla and stack.stacked)
        return self._surfaces[key]

    # -- the training path --

    def _path(self, trial_id: str) -> tuple[TrainingPath | None, str | None]:
        """Trains the trial once more, alone, and records its weights on the way. Returns the path, or None and why
        there is none."""
        trial, stack = self._bound(self._planned[trial_id]), self._plan.stack_of(trial_id)
        settings = self._plan.variant(trial.variant_id).settings
        if not stack.stacked:
            return None, "Model.fit trained it, so its weights can't be recorded on the way"
        if settings.augmentation or settings.imbalance == "resample":
            return None, "its training rows were augmented or resampled during training"
        again = Stack([trial], self._learned(trial_id).arrays(), xla=stack.xla)
        steps, way = [0], [self._standing(again, trial)]
        pause = again.interval * max(1, -(-again.total_steps // (again.interval * PAUSES)))
        while again.step < again.total_steps:
            again.train_until(min(steps[-1] + pause, again.total_steps))
            if again.step == steps[-1]:  # it stopped early
                break
            steps.append(again.step)
            way.append(self._standing(again, trial))
        return self._projected(trial_id, steps, np.stack(way)), None

    def _standing(self, again: Stack, trial: Trial) -> np.ndarray:
        """The trial's present trainable weights as one vector."""
        joined = [each.numpy() for each in again.state.weights]
        return self._surface(trial.trial_id).vector(again.networks.of_trial(joined, 0, 0, trial))

    def _projected(self, trial_id: str, steps: Sequence[int], way: np.ndarray) -> TrainingPath:
        """Projects the path `[points, P]` on its two principal components, with the shipped weights as origin."""
        surface, weights = self._surface(trial_id), self._kept(trial_id)
        end = surface.vector(weights).astype(np.float64)
        off = way - end
        _, lengths, components = np.linalg.svd(off, full_matrices=False)
        first, second = (components[place] if place < len(components) else np.zeros_like(end) for place in (0, 1))
        points = off @ np.stack([first, second]).T
        sides = [np.linspace(*_around(points[:, place]), POINTS) for place in (0, 1)]
        return TrainingPath(
            plane=_plane(sides[0], sides[1], surface.plane(weights, first, second, *sides)),
            steps=list(steps),
            x=_shorts(points[:, 0]),
            y=_shorts(points[:, 1]),
            share=_short(_over(np.square(lengths[:2]).sum(), np.square(lengths).sum())),
            apart=_short(_over(np.linalg.norm(off[-1]), np.linalg.norm(end))),
        )

    def _curvature(self, trial_id: str, spectrum: Spectrum, curves: pd.DataFrame) -> Curvature:
        own = curves[(curves["trial_id"] == trial_id) & (curves["name"] == "learning_rate")]
        values = spectrum.all
        return Curvature(
            recipe_id=self._planned[trial_id].recipe_id,
            trial_id=trial_id,
            largest=_short(spectrum.largest) if np.isfinite(spectrum.largest) else None,
            smallest=None if values is None else _short(float(values[0])),
            negative=None if values is None else int((values < -1e-5 * abs(values).max()).sum()),
            rate=float(own["value"].iloc[-1]),
        )


def _one_of_each(plan: Plan, trials: pd.DataFrame, shipped: str) -> list[str]:
    """For each other recipe, the trial of the first seed that ended."""
    ended = trials[(trials["stage"] == "final") & (trials["status"] == "ok")].sort_values("seed", kind="stable")
    first = ended.drop_duplicates("recipe_id").set_index("recipe_id")["trial_id"]
    own = next(trial.recipe_id for trial in plan.trials if trial.trial_id == shipped)
    others = [str(first[each.recipe_id]) for each in plan.recipes if each.recipe_id in first.index]
    return [each for each in others if each != first.get(own)][: RECIPES - 1]


def _over(value: np.floating, length: np.floating) -> float:
    """The quotient; 0 where the divisor is 0: all weights are 0, or did not move."""
    return float(value) / float(length) if length else 0.0


def _around(points: np.ndarray) -> tuple[float, float]:
    low, high = float(points.min()), float(points.max())
    margin = _MARGIN * max(high - low, 1e-6)
    return low - margin, high + margin


def _plane(x: np.ndarray, y: np.ndarray, losses: np.ndarray) -> Plane:
    return Plane(x=_shorts(x), y=_shorts(y), losses=[_known(row) for row in losses])


def _known(values: np.ndarray) -> list[float | None]:
    return [_short(float(value)) if np.isfinite(value) else None for value in values]


def _shorts(values: np.ndarray) -> list[float]:
    return [_short(float(value)) for value in values]


def _short(value: float) -> float:
    """Rounds to six significant digits: more cannot be seen, and the file is smaller."""
    return float(f"{value:.{_DIGITS}g}")
