"""Scores the final trials on the test part. Before this, no network sees a test row.

Training measures each trial on the training and validation rows and keeps its weights. Here the kept weights score the
test rows, stack by stack. A stack's results are written once, when they are complete, so a run that was killed goes on
with the next stack.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.dataset import TEST, TRAIN, VAL
from tasks.evaluation.decisions import recorded_thresholds
from tasks.evaluation.metrics import METRICS
from tasks.evaluation.recipe_results import ranked, read_results
from tasks.execution.out_of_fold import OutOfFold
from tasks.execution.recording import (
    Reading,
    calibrated,
    kept_calibrators,
    output_rows,
    prediction_rows,
    scores_id,
    write_folder,
)
from tasks.inputs.prepared import Prepared
from tasks.planning.peak import PREDICTED_VALUES
from tasks.planning.trials import bind_trial
from tasks.records.plan import Plan, counts_alike
from tasks.records.stacks import PlannedStack
from tasks.records.tables import METRICS as METRICS_TABLE
from tasks.records.tables import PREDICTIONS, TRIALS, Table
from tasks.records.weights import folder_of, kept_weights
from tasks.training.fit import fit_outputs
from tasks.training.scoring import stacked_outputs
from tasks.training.trial import InputRows


def score_final_trials(plan: Plan, prepared: Prepared, run: Path) -> None:
    """Records metrics on the test rows, and predictions for validation and test rows, of every final trial that ended
    well. Earlier records are kept. Without a test part, the test results are those of the trials that stand for a final
    trial in the folds that were held out (see `OutOfFold`)."""
    waiting = [stack for stack in plan.stacks if not folder_of(run, scores_id(stack)).exists()]
    if not waiting:
        return
    predicted = predicted_trials(plan, prepared, run)
    judged = OutOfFold.read(plan, prepared, run) if plan.held_out else None
    inputs = prepared.inputs((VAL,) if judged else (VAL, TEST))
    variants = {trial.trial_id: trial.variant_id for trial in plan.trials}
    for stack in waiting:
        parts = {part: rows for part, rows in inputs.items() if part == TEST or predicted & set(stack.trials)}
        outputs = _outputs(plan, prepared, run, stack, parts) if parts else {}
        trained = folder_of(run, stack.stack_id)
        thresholds, calibrators = recorded_thresholds(METRICS_TABLE.read(trained)), kept_calibrators(trained)
        readings = {
            each: Reading(counts_alike(plan.variant(variants[each])), calibrators.get(each), thresholds.get(each))
            for each in stack.trials
        }
        metrics: list[dict[str, Any]] = []
        for trial_id, reading in readings.items():
            if TEST in outputs.get(trial_id, {}):
                values = outputs[trial_id][TEST]
                read = _read(TEST, values, prepared, reading)
                metrics += output_rows(trial_id, TEST, values, read, plan.metrics, prepared, reading.threshold)
        predictions = chain.from_iterable(
            prediction_rows(trial_id, part, _read(part, values, prepared, reading), prepared)
            for trial_id, reading in readings.items()
            if trial_id in predicted
            for part, values in outputs.get(trial_id, {}).items()
        )
        if judged:
            ended = [each for each in stack.trials if not parts or each in outputs]
            metrics = [row for each in ended for row in judged.metric_rows(each)]
            held_out = (judged.prediction_rows(each) for each in ended if each in predicted)
            predictions = chain(predictions, chain.from_iterable(held_out))
        tables: dict[Table, Any] = {METRICS_TABLE: metrics, PREDICTIONS: predictions}
        write_folder(folder_of(run, scores_id(stack)), tables)


def _read(part: str, outputs: np.ndarray, prepared: Prepared, reading: Reading) -> np.ndarray:
    """A trial's answers for a part. Answers for the validation rows are made as they were when its threshold was
    chosen."""
    if part == VAL:
        _, prediction = calibrated(prepared, prepared.given(outputs), reading.alike)
        return prediction
    return prepared.prediction(outputs, reading.alike, reading.calibrator)


def predicted_trials(plan: Plan, prepared: Prepared, run: Path, values: int = PREDICTED_VALUES) -> set[str]:
    """The trials whose predictions are kept.

    Args:
        values: The largest number of predicted values kept for all final trials together.

    Returns:
        All final trials where that is few enough values. Else all trials of the leading recipe, and of each other
        recipe the trial that would be shipped.
    """
    rows = len(prepared.rows[VAL]) + len(prepared.rows[TEST])
    classes = len(prepared.dataset.classes or ()) or 1
    if rows * classes * len(plan.trials) <= values:
        return {trial.trial_id for trial in plan.trials}
    metric = METRICS[plan.metric]
    trials, metrics = (
        pd.concat([table.read(folder_of(run, stack.stack_id)) for stack in plan.stacks])
        for table in (TRIALS, METRICS_TABLE)
    )
    results = [
        result
        for result in ranked(read_results(plan.recipes, trials, metrics), metric)
        if result.by_seed(VAL, metric.name)
    ]
    leaders = results[0].ended.values() if results else ()
    return {*leaders, *(result.best_trial(metric) for result in results)}


def _outputs(
    plan: Plan, prepared: Prepared, run: Path, stack: PlannedStack, parts: Mapping[str, InputRows]
) -> dict[str, dict[str, np.ndarray]]:
    """By trial and part, the outputs of the kept weights, computed in the same way as while the stack was trained."""
    planned = {trial.trial_id: trial for trial in plan.trials}
    trials = [
        bind_trial(
            planned[each], plan.variant(planned[each].variant_id), stack.evaluate_every, lengths=prepared.lengths
        )
        for each in stack.trials
    ]
    weights = kept_weights(run, stack.stack_id)
    classes = len(prepared.dataset.classes) if prepared.dataset.classes else None
    if not stack.stacked:
        return {
            trial.trial_id: fit_outputs(trial, weights[trial.trial_id], parts, classes=classes)
            for trial in trials
            if trial.trial_id in weights
        }
    largest = max(len(prepared.scored[part]) for part in (TRAIN, VAL))
    return stacked_outputs(trials, weights, parts, classes=classes, largest=largest, xla=stack.xla)
