"""Records of what was trained: written stack by stack under `checkpoints/`, put together into the run's tables.

A stack's folder appears whole or not at all, so whoever kills the process loses the stack in flight and nothing else.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.dataset import TEST, VAL
from tasks.evaluation.metrics import METRICS
from tasks.inputs.prepared import Prepared
from tasks.planning.plan import Plan
from tasks.planning.recipes import identifier
from tasks.planning.trials import PlannedStack, PlannedTrial
from tasks.records.tables import CURVES, PREDICTIONS, TRIALS, Table
from tasks.records.tables import METRICS as METRICS_TABLE
from tasks.run_folder import read_json, write_json
from tasks.training.trial import Outcome

PreparedByFold = Mapping[int | None, Prepared]

RECORDED = (TRIALS, METRICS_TABLE, CURVES, PREDICTIONS)
GRADIENTS = "gradients.json"
LOSS = "loss"
"""In `metrics`, beside the plan's metrics: the loss function's value without penalties."""


@dataclass(frozen=True)
class Searched:
    """What a search wants to know of a stack's trials beyond their records.

    Args:
        gradients: By trial, the derivatives of the validation loss by what is searched.
        rungs: By trial, the last rung that it reached.
    """

    gradients: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    rungs: Mapping[str, int] = field(default_factory=dict)


def collect(plan: Plan, run: Path) -> dict[str, pd.DataFrame]:
    """Puts the stacks' records together into the run's tables, writes them, and returns them by name."""
    searched = plan.search["stacks"] if plan.search else []
    names = [stack["stack_id"] for stack in searched] + [stack.stack_id for stack in plan.stacks] + [baselines_id(plan)]
    folders = [folder_of(run, name) for name in names]
    tables = {}
    for table in RECORDED:
        frames = [frame for folder in folders if len(frame := table.read(folder))]
        frame = pd.concat(frames, ignore_index=True) if frames else table.frame()
        table.write(frame, run)
        tables[table.name] = table.frame(frame)
    return tables


def kept_weights(plan: Plan, run: Path, trial_id: str) -> list[np.ndarray]:
    """The weights that a finished trial kept, in the order of its Keras model's `weights`."""
    stack = next(stack for stack in plan.stacks if trial_id in stack.trials)
    with np.load(folder_of(run, stack.stack_id) / "weights.npz", allow_pickle=False) as arrays:
        names = sorted((name for name in arrays.files if name.startswith(f"{trial_id}/")), key=_number)
        return [arrays[name] for name in names]


def gradients_of(folder: Path) -> dict[str, dict[str, float | None]]:
    """By trial of a stack, the derivatives of its validation loss; None where it diverged. Empty without any."""
    path = folder / GRADIENTS
    return read_json(path) if path.exists() else {}


def _known(gradients: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if np.isfinite(value) else None for name, value in gradients.items()}


def _number(name: str) -> int:
    return int(name.rpartition("/")[2])


def folder_of(run: Path, name: str) -> Path:
    """Where the records of a stack lie, once it is done."""
    return run / "checkpoints" / name


def record(
    run: Path,
    stack: PlannedStack,
    outcomes: Sequence[Outcome],
    plan: Plan,
    prepared: PreparedByFold,
    searched: Searched = Searched(),
) -> None:
    """Writes what a stack gave. Of trials of a search, which are not shipped, no weights are kept."""
    planned = {trial.trial_id: trial for trial in plan.trials}
    trials = [
        _trial_row(outcome, planned[outcome.trial.trial_id], stack, plan)
        | {"rung": searched.rungs.get(outcome.trial.trial_id)}
        for outcome in outcomes
    ]
    curves = [
        {"trial_id": outcome.trial.trial_id, "epoch": epoch, "step": step, "name": name, "value": value}
        for outcome in outcomes
        for epoch, step, name, value in outcome.curves
    ]
    metrics: list[dict[str, Any]] = []
    for outcome in outcomes:
        trial_id, own = outcome.trial.trial_id, prepared[outcome.trial.fold]
        for part, outputs in outcome.outputs.items():
            metrics += metric_rows(trial_id, part, own.prediction(outputs), plan, own)
            metrics.append(_metric_row(trial_id, part, LOSS, own.loss(part, outputs), len(outputs)))
    predictions = [
        prediction_rows(outcome.trial.trial_id, part, own.prediction(outcome.outputs[part]), own)
        for outcome in _finalists(outcomes, metrics, planned, plan)
        for own in [prepared[outcome.trial.fold]]
        for part in (VAL, TEST)
    ]
    weights = {
        f"{outcome.trial.trial_id}/{index}": weight
        for outcome in outcomes
        if planned[outcome.trial.trial_id].stage == "final"
        for index, weight in enumerate(outcome.weights or [])
    }
    tables = {
        TRIALS: trials,
        METRICS_TABLE: metrics,
        CURVES: curves,
        PREDICTIONS: pd.concat(predictions) if predictions else [],
    }
    write_folder(folder_of(run, stack.stack_id), tables, weights, searched.gradients)


def _trial_row(outcome: Outcome, planned: PlannedTrial, stack: PlannedStack, plan: Plan) -> dict[str, Any]:
    recipe = plan.variant(planned.variant_id)
    return {
        **{key: value for key, value in asdict(planned).items() if key != "epochs"},
        "recipe": recipe.recipe,
        "optimizer": recipe.optimizer,
        "schedule": recipe.schedule,
        "params": json.dumps(recipe.settings, sort_keys=True),
        "status": outcome.status,
        "reason": outcome.reason,
        "trainer": stack.trainer,
        "epochs": outcome.epochs,
        "steps": outcome.steps,
        "best_step": outcome.best_step or None,
        "parameters": stack.parameters_of(planned.trial_id),
        "seconds": outcome.seconds,
        "stack_id": stack.stack_id,
    }


def metric_rows(
    trial_id: str, part: str, prediction: np.ndarray, plan: Plan, prepared: Prepared
) -> list[dict[str, Any]]:
    target = prepared.dataset.target[prepared.scored[part]]
    return [
        _metric_row(trial_id, part, name, METRICS[name].function(target, prediction), len(target))
        for name in (plan.metric, *plan.also)
    ]


def _metric_row(trial_id: str, part: str, name: str, value: float, rows: int) -> dict[str, Any]:
    return {"trial_id": trial_id, "part": part, "metric": name, "value": value, "rows": rows}


def prediction_rows(trial_id: str, part: str, prediction: np.ndarray, prepared: Prepared) -> pd.DataFrame:
    rows = prepared.rows[part]
    columns = 1 if prediction.ndim == 1 else prediction.shape[1]
    frame = pd.DataFrame(
        {
            "row": np.repeat(rows, columns),
            "target": np.repeat(prepared.dataset.target[rows].astype(np.float64), columns),
            "value": prediction.reshape(-1),
        }
    ).assign(trial_id=trial_id, part=part)
    return frame if prediction.ndim == 1 else frame.assign(class_index=np.tile(np.arange(columns), len(rows)))


def _finalists(
    outcomes: Sequence[Outcome],
    metrics: Sequence[dict[str, Any]],
    planned: dict[str, PlannedTrial],
    plan: Plan,
) -> list[Outcome]:
    """Of each recipe the trial that would be shipped: the best by the deciding metric on the validation part. Trials
    of a search are not shipped."""
    sign = METRICS[plan.metric].sign
    scores = {
        row["trial_id"]: sign * row["value"] for row in metrics if (row["part"], row["metric"]) == (VAL, plan.metric)
    }
    best: dict[str, Outcome] = {}
    for outcome in sorted(outcomes, key=lambda each: each.trial.seed):
        trial = planned[outcome.trial.trial_id]
        if trial.stage != "final" or outcome.status != "ok" or not np.isfinite(scores[trial.trial_id]):
            continue
        recipe = trial.recipe_id
        if recipe not in best or scores[outcome.trial.trial_id] > scores[best[recipe].trial.trial_id]:
            best[recipe] = outcome
    return list(best.values())


def write_folder(
    folder: Path,
    tables: dict[Table, Any],
    weights: dict[str, np.ndarray],
    gradients: Mapping[str, Mapping[str, float]] = {},
) -> None:
    """Writes one stack's records; the folder is there when all of it is."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.t{time.monotonic_ns()}")
    temporary.mkdir(parents=True)
    try:
        for table, rows in tables.items():
            table.write(rows, temporary)
        np.savez(temporary / "weights.npz", allow_pickle=False, **weights)
        if gradients:
            write_json(temporary / GRADIENTS, {trial: _known(own) for trial, own in gradients.items()})
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def baselines_id(plan: Plan) -> str:
    """The folder of the baselines' records: named by their data and by what was measured."""
    return "baselines-" + identifier({"of": data_key(plan), "metrics": [plan.metric, *plan.also]})


def data_key(plan: Plan) -> dict[str, Any]:
    return {"data": plan.data["digest"], "split": plan.spec["data"]["split"]}
