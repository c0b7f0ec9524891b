"""Records of what was trained: written stack by stack under `checkpoints/`, then joined into the run's tables.

A folder of records appears only when it is complete. So a killed process loses only the stacks that it was training.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.calibrator import Calibrator
from tasks.dataset import TEST, VAL, always_meant
from tasks.evaluation.decisions import THRESHOLD
from tasks.evaluation.metrics import METRICS
from tasks.evaluation.recalibration import fitted
from tasks.inputs.prepared import Prepared
from tasks.memory import give_back
from tasks.planning.decisions import identity
from tasks.planning.jobs import Job
from tasks.planning.recipes import identifier
from tasks.preprocessing.estimators import Estimator
from tasks.records.plan import FINAL, WITHOUT_A_FOLD, Plan, PlannedTrial, counts_alike, weighted_recipes
from tasks.records.stacks import PlannedStack
from tasks.records.tables import CURVES, PREDICTIONS, TRIALS, Table
from tasks.records.tables import METRICS as METRICS_TABLE
from tasks.records.weights import WEIGHTS, folder_of
from tasks.run_folder import read_json, write_json
from tasks.training.trial import Outcome

PreparedByFold = Mapping[int | None, Prepared]

RECORDED = (TRIALS, METRICS_TABLE, CURVES, PREDICTIONS)
GRADIENTS, CALIBRATORS = "gradients.json", "calibrators.json"
ANSWERS, UNCALIBRATED = "answers.npz", "uncalibrated.npz"
LOSS = "loss"
"""Name in table `metrics`, beside the plan's metrics: the value of the loss function without penalties."""


@dataclass(frozen=True)
class Searched:
    """Results of a stack's trials that a search needs beyond their records.

    Args:
        gradients: By trial, the derivatives of the validation loss with respect to the hyperparameters that are
            searched.
        rungs: By trial, the last rung that it reached.
    """

    gradients: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    rungs: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """How a trial's outputs become answers.

    Args:
        alike: Whether classes counted alike in its training.
        calibrator: The calibrator of its probabilities; None: they are not calibrated.
        threshold: The least probability at which it predicts the positive class; None: it predicts the likeliest class,
            or the class of least expected cost.
    """

    alike: bool = False
    calibrator: Calibrator | None = None
    threshold: float | None = None


def collect(plan: Plan, run: Path) -> dict[str, pd.DataFrame]:
    """Joins all records into the run's tables, writes them, and returns them by name."""
    searched = plan.search.stacks if plan.search else []
    names = [stack.stack_id for stack in (*searched, *(plan.held_out.stacks if plan.held_out else ()))]
    for stack in plan.stacks:
        names += [stack.stack_id, scores_id(stack)]
    folders = [folder_of(run, name) for name in (*names, baselines_id(plan))]
    tables = {}
    for table in RECORDED:
        with_it = [folder for folder in folders if (folder / f"{table.name}.parquet").exists()]
        if table is PREDICTIONS:  # by far the largest, and all rows of a trial are in one folder: joined piece by piece
            table.join(with_it, run)
            give_back()
            tables[table.name] = table.read(run)
            continue
        frame = _by_trial(pd.concat([table.read(folder) for folder in with_it], ignore_index=True))
        table.write(frame, run)
        tables[table.name] = table.frame(frame)
    return tables


def _by_trial(frame: pd.DataFrame) -> pd.DataFrame:
    """Brings the rows of each trial together, since a trial's test rows are recorded in another folder. Keeps the
    order."""
    order, _ = pd.factorize(frame["trial_id"])
    return frame.iloc[np.argsort(order, kind="stable")]


def kept_estimator(run: Path, plan: Plan, trial_id: str) -> Estimator:
    """Loads the fitted model of a baseline. The constant baseline has none."""
    return Estimator.load(folder_of(run, baselines_id(plan)) / _file_of(trial_id))


def _file_of(trial_id: str) -> str:
    return f"{trial_id}.skops"


def kept_calibrators(folder: Path) -> dict[str, Calibrator]:
    """By trial, the calibrators in a folder of finished records; empty where probabilities are not calibrated."""
    path = folder / CALIBRATORS
    found = read_json(path) if path.exists() else {}
    return {trial_id: Calibrator.of_json(each) for trial_id, each in found.items()}


def kept_answers(folder: Path, name: str = ANSWERS) -> dict[str, np.ndarray]:
    """By trial, the answers in a folder of finished records for the rows that the trial's fold holds out; empty where
    all trials diverged.

    Args:
        name: `UNCALIBRATED` for the probabilities before calibration; empty where they are not calibrated.
    """
    path = folder / name
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def gradients_of(folder: Path) -> dict[str, dict[str, float | None]]:
    """By trial of a stack, the derivatives of its validation loss; None where it diverged. Empty where there are
    none."""
    path = folder / GRADIENTS
    return read_json(path) if path.exists() else {}


def _known(gradients: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if np.isfinite(value) else None for name, value in gradients.items()}


def record(
    run: Path,
    stack: PlannedStack,
    outcomes: Sequence[Outcome],
    job: Job,
    prepared: PreparedByFold,
    searched: Searched = Searched(),
) -> None:
    """Writes the results of a stack's trials. Weights are kept of final trials only, since no other trial is shipped.
    For trials of folds that are held out, the answers for the held-out rows are kept, and no curves."""
    planned = {trial.trial_id: trial for trial in job.trials}
    trials = [
        _trial_row(outcome, planned[outcome.trial.trial_id], stack, job)
        | {"rung": searched.rungs.get(outcome.trial.trial_id)}
        for outcome in outcomes
    ]
    followed = [outcome for outcome in outcomes if planned[outcome.trial.trial_id].stage not in WITHOUT_A_FOLD]
    curves = [
        {"trial_id": outcome.trial.trial_id, "epoch": epoch, "step": step, "name": name, "value": value}
        for outcome in followed
        for epoch, step, name, value in outcome.curves
    ]
    curves += [
        {"trial_id": outcome.trial.trial_id, "epoch": epoch, "step": step, "layer": layer, "name": name, "value": value}
        for outcome in followed
        for epoch, step, layer, name, value in outcome.signals
    ]
    metrics: list[dict[str, Any]] = []
    calibrators: dict[str, Calibrator] = {}
    answers: dict[str, np.ndarray] = {}
    uncalibrated: dict[str, np.ndarray] = {}
    for outcome in outcomes:
        own, trial_id = prepared[outcome.trial.fold], outcome.trial.trial_id
        recipe = job.variant(planned[trial_id].variant_id)
        scored, reading = own.limited(recipe.settings.rows), Reading(alike=counts_alike(recipe))
        predictions = {}
        if VAL in outcome.outputs:
            reading, predictions[VAL] = on_validation(own, own.given(outcome.outputs[VAL]), reading.alike)
            metrics += threshold_rows(trial_id, reading.threshold, own)
            if reading.calibrator:
                calibrators[trial_id] = reading.calibrator
        for part, outputs in outcome.outputs.items():
            prediction = predictions.get(part)
            if prediction is None:
                prediction = own.prediction(outputs, reading.alike, reading.calibrator)
            metrics += output_rows(trial_id, part, outputs, prediction, job.metrics, scored, reading.threshold)
            if part == TEST:
                answers[trial_id] = prediction
                if reading.calibrator:
                    uncalibrated[trial_id] = own.prediction(outputs, reading.alike, None)
    weights = {
        f"{outcome.trial.trial_id}/{index}": weight
        for outcome in outcomes
        if planned[outcome.trial.trial_id].stage == FINAL
        for index, weight in enumerate(outcome.weights or [])
    }
    tables: dict[Table, Any] = {TRIALS: trials, METRICS_TABLE: metrics, CURVES: curves}
    write_folder(
        folder_of(run, stack.stack_id),
        tables,
        weights,
        searched.gradients,
        calibrators=calibrators,
        answers=answers,
        uncalibrated=uncalibrated,
    )


def _trial_row(outcome: Outcome, planned: PlannedTrial, stack: PlannedStack, job: Job) -> dict[str, Any]:
    recipe = job.variant(planned.variant_id)
    return {
        **{key: value for key, value in asdict(planned).items() if key not in ("epochs", "initial")},
        "recipe": recipe.recipe,
        "optimizer": recipe.optimizer,
        "schedule": recipe.schedule,
        "params": json.dumps(recipe.settings.document, sort_keys=True),
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


def output_rows(
    trial_id: str,
    part: str,
    outputs: np.ndarray,
    prediction: np.ndarray,
    names: Sequence[str],
    prepared: Prepared,
    threshold: float | None,
) -> list[dict[str, Any]]:
    """Rows of table `metrics`: the metrics of a network's outputs `[rows, outputs]` on a part, and their loss.

    Args:
        prediction: The answers that the outputs were turned into.
        threshold: As in `Reading`.
    """
    return [
        *metric_rows(trial_id, part, prediction, names, prepared, threshold),
        _metric_row(trial_id, part, LOSS, prepared.loss(part, outputs), len(outputs)),
    ]


def metric_rows(
    trial_id: str,
    part: str,
    prediction: np.ndarray,
    names: Sequence[str],
    prepared: Prepared,
    threshold: float | None,
) -> list[dict[str, Any]]:
    dataset, rows = prepared.dataset, prepared.scored[part]
    target, positive = dataset.target[rows], dataset.positive.index if dataset.positive else None
    answers = prepared.deciding.answers(target, prediction, rows, threshold)
    prior = prepared.deciding.prior
    values = {name: METRICS[name].function(target, answers.read_by(METRICS[name]), positive, prior) for name in names}
    return [_metric_row(trial_id, part, name, value, len(target)) for name, value in values.items()]


def on_validation(prepared: Prepared, given: np.ndarray, alike: bool) -> tuple[Reading, np.ndarray]:
    """Decides from the validation rows how a model's outputs are read. Returns that reading, and the answers for these
    rows.

    Args:
        given: The model's probabilities or values for the validation rows, from `Prepared.given`.
        alike: As in `Reading`.
    """
    calibrator, prediction = calibrated(prepared, given, alike)
    rows = prepared.scored[VAL]
    threshold = prepared.deciding.threshold(prepared.dataset.target[rows], prediction, rows)
    return Reading(alike, calibrator, threshold), prediction


def calibrated(prepared: Prepared, given: np.ndarray, alike: bool) -> tuple[Calibrator | None, np.ndarray]:
    """Fits the calibrator of a model. Returns it, and the model's answers for the validation rows at the real class
    shares. Each row is calibrated by a calibrator that was fitted to other rows. Answers that are not finite are not
    calibrated. Arguments as in `on_validation`."""
    method = prepared.deciding.how.calibrate
    if method is None or not np.isfinite(given).all():
        return None, prepared.corrected(given, alike)
    calibrator, prediction = fitted(method, given, prepared.dataset.target[prepared.scored[VAL]])
    return calibrator, prepared.corrected(prediction, alike=False)


def threshold_rows(trial_id: str, threshold: float | None, prepared: Prepared) -> list[dict[str, Any]]:
    if threshold is None:
        return []
    return [_metric_row(trial_id, VAL, THRESHOLD, threshold, len(prepared.scored[VAL]))]


def _metric_row(trial_id: str, part: str, name: str, value: float, rows: int) -> dict[str, Any]:
    return {"trial_id": trial_id, "part": part, "metric": name, "value": value, "rows": rows}


def prediction_rows(trial_id: str, part: str, prediction: np.ndarray, prepared: Prepared) -> Iterator[pd.DataFrame]:
    """Yields rows of table `predictions`, a piece at a time."""
    rows, target = prepared.rows[part], prepared.dataset.target
    columns = 1 if prediction.ndim == 1 else prediction.shape[1]
    held = max(_PREDICTED // columns, 1)
    for start in range(0, len(rows), held):
        here = rows[start : start + held]
        frame = pd.DataFrame(
            {
                "row": np.repeat(here, columns),
                "target": np.repeat(target[here].astype(np.float64), columns),
                "value": prediction[start : start + held].reshape(-1),
            }
        ).assign(trial_id=trial_id, part=part)
        yield frame if prediction.ndim == 1 else frame.assign(class_index=np.tile(np.arange(columns), len(here)))


_PREDICTED = 2**18
"""Rows of table `predictions` in one piece, about."""


def write_folder(
    folder: Path,
    tables: dict[Table, Any],
    weights: dict[str, np.ndarray] | None = None,
    gradients: Mapping[str, Mapping[str, float]] = {},
    estimators: Mapping[str, Estimator] = {},
    calibrators: Mapping[str, Calibrator] = {},
    answers: Mapping[str, np.ndarray] = {},
    uncalibrated: Mapping[str, np.ndarray] = {},
) -> None:
    """Writes records that belong together. The folder appears only when it is complete. A folder that already exists
    stays as it is.

    Args:
        tables: The rows of each table, or an iterator of frames, of which one is held at a time.
        weights: `TRIAL/NUMBER` to array; None where there are none to keep.
        gradients: Derivatives, by trial and hyperparameter.
        estimators: Fitted models of baselines, by trial.
        calibrators: By trial, where probabilities are calibrated.
        answers: By trial, the answers for the rows that its fold holds out.
        uncalibrated: The same before calibration, where probabilities are calibrated.
    """
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.t{time.monotonic_ns()}")
    temporary.mkdir(parents=True)
    try:
        for table, rows in tables.items():
            if isinstance(rows, Iterator):
                table.write_pieces(rows, temporary)
            else:
                table.write(rows, temporary)
        if weights is not None:
            np.savez(temporary / WEIGHTS, allow_pickle=False, **weights)
        for name, of_trials in ((ANSWERS, answers), (UNCALIBRATED, uncalibrated)):
            if of_trials:
                np.savez(temporary / name, allow_pickle=False, **of_trials)
        if gradients:
            write_json(temporary / GRADIENTS, {trial: _known(of_trial) for trial, of_trial in gradients.items()})
        if calibrators:
            write_json(temporary / CALIBRATORS, {trial: each.as_json() for trial, each in calibrators.items()})
        for trial, estimator in estimators.items():
            estimator.save(temporary / _file_of(trial))
        try:
            temporary.rename(folder)
        except OSError:
            if not folder.exists():  # else another process recorded the same meanwhile: its records stay
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def scores_id(stack: PlannedStack) -> str:
    """Name of the folder with a stack's results on the test part."""
    return f"scores-{stack.stack_id}"


def baselines_id(plan: Plan) -> str:
    """Name of the folder with the baselines' records: made from their data and from what was measured."""
    kept = "estimators" if plan.held_out is None else "estimators, answers"
    return "baselines-" + identifier({"of": baselines_key(plan), "metrics": list(plan.metrics), "kept": kept})


def counted_alike(plan: Plan) -> bool:
    """Whether the classes count alike in the training of every recipe, however many rows each class has."""
    return len(weighted_recipes(plan.recipes)) == len(plan.recipes)


def most_rows(plan: Plan) -> int | None:
    """The largest limit of training rows among the recipes, which holds for baselines too; None: a recipe has no
    limit."""
    limits = [rows for recipe in plan.recipes if (rows := recipe.settings.rows) is not None]
    return max(limits) if len(limits) == len(plan.recipes) else None


def baselines_key(plan: Plan) -> dict[str, Any]:
    """All that decides the baselines' predictions."""
    positive, classes = plan.data.positive, list(plan.data.classes or [])
    key = {"data": plan.data.digest, "split": plan.spec["data"]["split"]}
    meant = always_meant(None if positive is None else classes.index(positive), len(classes))
    key = key if meant else key | {"positive": positive}
    if plan.held_out is not None:
        key["held out"] = [plan.held_out.folds, plan.held_out.repeats]
    if (rows := most_rows(plan)) is not None:
        key["rows"] = rows
    if plan.decides is not None:
        key["answers"] = identity(plan.decides)
    return key | {"classes": "alike"} if counted_alike(plan) else key
