"""The baselines of a run: trained once for its data, recorded as trials of stage `baseline`."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from tasks.dataset import TEST, VAL
from tasks.evaluation.baselines import OnDisk, fit_baselines
from tasks.execution.recording import baselines_id, data_key, folder_of, metric_rows, prediction_rows, write_folder
from tasks.inputs.prepared import Prepared
from tasks.planning.recipes import identifier
from tasks.records.plan import Plan
from tasks.records.tables import METRICS as METRICS_TABLE
from tasks.records.tables import PREDICTIONS, TRIALS


def train_baselines(plan: Plan, prepared: Prepared, run: Path) -> None:
    """Trains what every figure is compared with, and records it as trials of stage `baseline`."""
    folder = folder_of(run, baselines_id(plan))
    if folder.exists():
        return
    dataset = prepared.dataset
    baselines = fit_baselines(
        prepared.features,
        dataset.target,
        prepared.rows,
        classes=dataset.classes,
        rivals=dataset.form.rivals(dataset),
        table=dataset.raw if isinstance(dataset.raw, pd.DataFrame) else None,
        streamed=OnDisk(dataset.streamed.sample, prepared.inputs((VAL, TEST))) if dataset.streamed else None,
    )
    trials, metrics, predictions = [], [], []
    for baseline in baselines:
        trial_id = identifier({"baseline": baseline.name, "of": data_key(plan)})
        trials.append(
            {
                "trial_id": trial_id,
                "recipe_id": trial_id,
                "recipe": baseline.name,
                "variant_id": trial_id,
                "stage": "baseline",
                "params": json.dumps(baseline.params),
                "status": "ok",
                "reason": baseline.note,
                "trainer": "sklearn",
                "seconds": baseline.seconds,
            }
        )
        for part, prediction in ((VAL, baseline.val), (TEST, baseline.test)):
            metrics += metric_rows(trial_id, part, prediction, plan.metrics, prepared)
            predictions.append(prediction_rows(trial_id, part, prediction, prepared))
    write_folder(folder, {TRIALS: trials, METRICS_TABLE: metrics, PREDICTIONS: pd.concat(predictions)})
