"""Results on folds that were held out, recorded under the names of the final trials that the folds' trials stand
for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.dataset import TEST
from tasks.execution.recording import ANSWERS, baselines_id, kept_answers, prediction_rows
from tasks.inputs.prepared import Prepared
from tasks.records.plan import FOLD, Plan
from tasks.records.tables import METRICS
from tasks.records.weights import folder_of


@dataclass(frozen=True)
class OutOfFold:
    """The finished trials of folds that were held out.

    Args:
        stand_ins: For each final trial, the trial that stands for it in each fold: of the same recipe, with the seed of
            the same place.
        values: By trial of a fold and metric, the metric's value on the fold's rows.
        answers: By trial of a fold of the first repeat, its answers for the fold's rows.
        held_out: What each fold learns from and is judged on.
        folds: The number of folds of one repeat.
    """

    stand_ins: Mapping[str, list[str]]
    values: Mapping[str, Mapping[str, float]]
    answers: Mapping[str, np.ndarray]
    held_out: tuple[Prepared, ...]
    folds: int

    @classmethod
    def read(cls, plan: Plan, prepared: Prepared, run: Path) -> OutOfFold:
        """From the records of a run whose stacks are all trained."""
        assert plan.held_out is not None
        folders = [folder_of(run, stack.stack_id) for stack in plan.held_out.stacks]
        metrics = pd.concat([METRICS.read(folder) for folder in folders])
        values: dict[str, dict[str, float]] = {}
        measured = metrics.loc[(metrics["part"] == TEST).to_numpy(bool), ["trial_id", "metric", "value"]]
        for trial, name, value in measured.itertuples(index=False, name=None):
            values.setdefault(trial, {})[name] = float(value)
        first = {each.trial_id for each in plan.held_out.trials if (each.fold or 0) < plan.held_out.folds}
        answers = {
            trial: found for folder in folders for trial, found in kept_answers(folder).items() if trial in first
        }
        return cls(_stand_ins(plan), values, answers, prepared.held_out, plan.held_out.folds)

    def metric_rows(self, trial_id: str) -> list[dict[str, Any]]:
        """Rows of table `metrics` for a final trial: means over the folds in which its stand-in ended well."""
        ended = [(fold, self.values[each]) for fold, each in enumerate(self.stand_ins[trial_id]) if each in self.values]
        names = dict.fromkeys(name for _, values in ended for name in values)
        rows = sum(len(self.held_out[fold].rows[TEST]) for fold, _ in ended)
        return [
            {
                "trial_id": trial_id,
                "part": TEST,
                "metric": name,
                "value": float(np.mean([values[name] for _, values in ended])),
                "rows": rows,
            }
            for name in names
        ]

    def prediction_rows(self, trial_id: str) -> Iterator[pd.DataFrame]:
        """Rows of table `predictions` for a final trial: answers of its stand-ins in the first repeat, each for the
        rows that it did not learn from; NaN for the rows of a fold in which the stand-in did not end well."""
        known = {each: self.answers[each] for each in self.stand_ins[trial_id] if each in self.answers}
        width = next((found.shape[1:] for found in known.values()), ())
        for fold, each in enumerate(self.stand_ins[trial_id][: self.folds]):
            if known:
                rows = self.held_out[fold].rows[TEST]
                found = known.get(each, np.full((len(rows), *width), np.nan))
                yield from prediction_rows(trial_id, TEST, found, self.held_out[fold])


def _stand_ins(plan: Plan) -> dict[str, list[str]]:
    assert plan.held_out is not None
    seeds = plan.spec["train"]["seeds"]
    judging = [each for each in plan.held_out.trials if each.stage == FOLD]
    by_place = {(each.recipe_id, each.fold, each.seed): each.trial_id for each in judging}
    return {
        trial.trial_id: [
            by_place[trial.recipe_id, fold, fold * seeds + trial.seed] for fold in range(plan.held_out.count)
        ]
        for trial in plan.trials
    }


def fold_answers(plan: Plan, run: Path, name: str = ANSWERS) -> dict[str, np.ndarray]:
    """By trial of a fold, networks and baselines alike: its answers for the rows that the fold holds out.

    Args:
        name: As for `kept_answers`.
    """
    assert plan.held_out is not None
    folders = [folder_of(run, name) for name in (*(each.stack_id for each in plan.held_out.stacks), baselines_id(plan))]
    return {trial: found for folder in folders for trial, found in kept_answers(folder, name).items()}
