"""The baselines of a run: trained once for its data, recorded as trials of stage `baseline`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.augmentation.imbalance import class_weights
from tasks.dataset import TEST, TRAIN, VAL
from tasks.evaluation.baselines import Baseline, OnDisk, fit_baselines
from tasks.execution.recording import (
    Reading,
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
from tasks.records.plan import FOLD, Plan
from tasks.records.tables import METRICS as METRICS_TABLE
from tasks.records.tables import PREDICTIONS, TRIALS
from tasks.records.weights import folder_of


def train_baselines(plan: Plan, prepared: Prepared, run: Path) -> None:
    """Trains the baselines and records them as trials of stage `baseline`. Where folds are held out, also trains them
    on the rows that each fold learns from, recorded as trials of stage `fold`."""
    folder = folder_of(run, baselines_id(plan))
    if folder.exists():
        return
    records = [_Record.of(each, plan, prepared) for each in _fitted(plan, prepared)]
    held_out = [
        [_Record.of(each, plan, of_fold, fold) for each in _fitted(plan, of_fold)]
        for fold, of_fold in enumerate(prepared.held_out)
    ]
    if plan.held_out is not None:
        records = [_judged(each, held_out, plan.held_out.folds) for each in records]
    everything = [*records, *chain.from_iterable(held_out)]
    predicted = chain.from_iterable(each.predictions() for each in records)
    tables = {
        TRIALS: [each.trial for each in everything],
        METRICS_TABLE: [row for each in everything for row in each.metrics],
        PREDICTIONS: predicted,
    }
    estimators = {each.trial_id: each.baseline.estimator for each in records if each.baseline.estimator}
    calibrators = {each.trial_id: each.reading.calibrator for each in records if each.reading.calibrator}
    answers = {each.trial_id: each.answers[-1][1] for of_fold in held_out for each in of_fold}
    uncalibrated = {each.trial_id: each.uncalibrated for each in records if each.uncalibrated is not None}
    write_folder(
        folder, tables, estimators=estimators, calibrators=calibrators, answers=answers, uncalibrated=uncalibrated
    )


def _fitted(plan: Plan, prepared: Prepared) -> list[Baseline]:
    dataset, tokens, learned = prepared.dataset, sum(prepared.lengths), prepared.limited(most_rows(plan))
    # Where there are no test rows, the validation rows stand in for them; nothing reads these answers.
    rows = learned.rows if len(learned.rows[TEST]) else {**learned.rows, TEST: learned.rows[VAL]}
    return fit_baselines(
        prepared.features[:, :-tokens] if tokens else prepared.features,
        dataset.target,
        rows,
        classes=dataset.classes,
        rivals=dataset.form.rivals(dataset),
        table=dataset.raw if isinstance(dataset.raw, pd.DataFrame) else None,
        class_weights=_class_weights(plan, learned),
        streamed=OnDisk(dataset.streamed.sample, prepared.inputs((VAL, TEST))) if dataset.streamed else None,
    )


@dataclass(frozen=True)
class _Record:
    """The records of one baseline.

    Args:
        fold: The fold that it was trained in; None: trained on the run's own parts.
        trial: Its row of table `trials`.
        metrics: Its rows of table `metrics`.
        answers: Pairs of part and answers, each with the data whose rows are answered.
        uncalibrated: The answers for the rows that its fold holds out, before calibration; None where they are not
            calibrated, or the baseline was trained in no fold.
    """

    baseline: Baseline
    fold: int | None
    trial: dict[str, Any]
    metrics: list[dict[str, Any]]
    reading: Reading
    answers: Sequence[tuple[str, np.ndarray, Prepared]]
    uncalibrated: np.ndarray | None = None

    @property
    def trial_id(self) -> str:
        return str(self.trial["trial_id"])

    @classmethod
    def of(cls, baseline: Baseline, plan: Plan, prepared: Prepared, fold: int | None = None) -> _Record:
        facts = {"baseline": baseline.name, "of": baselines_key(plan)}
        trial_id = identifier(facts if fold is None else facts | {"fold": fold})
        trial = {
            "trial_id": trial_id,
            "recipe_id": trial_id,
            "recipe": baseline.name,
            "variant_id": trial_id,
            "stage": "baseline" if fold is None else FOLD,
            "fold": fold,
            "params": json.dumps(baseline.params),
            "status": "ok",
            "reason": baseline.note,
            "trainer": "sklearn",
            "seconds": baseline.seconds,
        }
        alike = counted_alike(plan) and baseline.estimator is not None
        reading, val = on_validation(prepared, baseline.val, alike)
        answers = [(VAL, val, prepared)]
        if len(prepared.rows[TEST]):
            answers.append((TEST, prepared.corrected(baseline.test, alike, reading.calibrator), prepared))
        metrics = threshold_rows(trial_id, reading.threshold, prepared)
        for part, prediction, _ in answers:
            metrics += metric_rows(trial_id, part, prediction, plan.metrics, prepared, reading.threshold)
        before = prepared.corrected(baseline.test, alike) if reading.calibrator and fold is not None else None
        return cls(baseline, fold, trial, metrics, reading, answers, before)

    def predictions(self) -> Iterator[pd.DataFrame]:
        for part, prediction, prepared in self.answers:
            yield from prediction_rows(self.trial_id, part, prediction, prepared)


def _judged(record: _Record, held_out: Sequence[Sequence[_Record]], folds: int) -> _Record:
    """The record of a baseline with its results from the folds that were held out added: the mean of each metric, and
    the answers of the first repeat."""
    own = [each for of_fold in held_out for each in of_fold if each.baseline.name == record.baseline.name]
    values: dict[str, list[float]] = {}
    rows = 0
    for each in own:
        for row in each.metrics:
            if row["part"] == TEST:
                values.setdefault(row["metric"], []).append(row["value"])
        rows += len(each.answers[-1][1])
    means = [
        {"trial_id": record.trial_id, "part": TEST, "metric": name, "value": float(np.mean(found)), "rows": rows}
        for name, found in values.items()
    ]
    first = [each.answers[-1] for each in own if (each.fold or 0) < folds]
    return replace(record, metrics=[*record.metrics, *means], answers=[*record.answers, *first])


def _class_weights(plan: Plan, prepared: Prepared) -> np.ndarray | None:
    """The class weights of the networks, where classes count alike in every recipe, by weights or by resampling: in
    expectation both give the same loss. Else None."""
    if not counted_alike(plan):
        return None
    dataset = prepared.dataset
    return class_weights(dataset.target[prepared.rows[TRAIN]], len(dataset.classes or ()))
