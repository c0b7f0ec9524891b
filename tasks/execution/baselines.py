"""The baselines of a run: trained once for its data, recorded as trials of stage `baseline`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.augmentation.imbalance import class_weights
from tasks.dataset import TEST, TRAIN, VAL
from tasks.evaluation.baselines import OnDisk, fit_baselines
from tasks.execution.recording import (
    baselines_id,
    baselines_key,
    counted_alike,
    metric_rows,
    most_rows,
    on_validation,
    prediction_rows,
    threshold_rows,
    write_folder,
)
from tasks.inputs.prepared import Prepared
from tasks.planning.recipes import identifier
from tasks.records.plan import Plan
from tasks.records.tables import METRICS as METRICS_TABLE
from tasks.records.tables import PREDICTIONS, TRIALS
from tasks.records.weights import folder_of


def train_baselines(plan: Plan, prepared: Prepared, run: Path) -> None:
    """Trains what every figure is compared with, and records it as trials of stage `baseline`."""
    folder = folder_of(run, baselines_id(plan))
    if folder.exists():
        return
    dataset, learned = prepared.dataset, prepared.limited(most_rows(plan))
    tokens = sum(prepared.lengths)
    baselines = fit_baselines(
        prepared.features[:, :-tokens] if tokens else prepared.features,
        dataset.target,
        learned.rows,
        classes=dataset.classes,
        rivals=dataset.form.rivals(dataset),
        table=dataset.raw if isinstance(dataset.raw, pd.DataFrame) else None,
        class_weights=_class_weights(plan, learned),
        streamed=OnDisk(dataset.streamed.sample, prepared.inputs((VAL, TEST))) if dataset.streamed else None,
    )
    trials, metrics, estimators, calibrators = [], [], {}, {}
    predictions: list[Iterator[pd.DataFrame]] = []
    for baseline in baselines:
        trial_id = identifier({"baseline": baseline.name, "of": baselines_key(plan)})
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
        if baseline.estimator:
            estimators[trial_id] = baseline.estimator
        alike = counted_alike(plan) and baseline.estimator is not None
        reading, val = on_validation(prepared, baseline.val, alike)
        if reading.calibrator:
            calibrators[trial_id] = reading.calibrator
        test = prepared.corrected(baseline.test, alike, reading.calibrator)
        metrics += threshold_rows(trial_id, reading.threshold, prepared)
        for part, prediction in ((VAL, val), (TEST, test)):
            metrics += metric_rows(trial_id, part, prediction, plan.metrics, prepared, reading.threshold)
            predictions.append(prediction_rows(trial_id, part, prediction, prepared))
    predicted = chain.from_iterable(predictions)
    tables = {TRIALS: trials, METRICS_TABLE: metrics, PREDICTIONS: predicted}
    write_folder(folder, tables, estimators=estimators, calibrators=calibrators)


def _class_weights(plan: Plan, prepared: Prepared) -> np.ndarray | None:
    """Those of the network, where every recipe's classes count alike, by weights or by resampling: in expectation both
    are the same loss."""
    if not counted_alike(plan):
        return None
    dataset = prepared.dataset
    return class_weights(dataset.target[prepared.rows[TRAIN]], len(dataset.classes or ()))
