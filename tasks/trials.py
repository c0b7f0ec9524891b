"""Runs the plan's trials, stack by stack, and records each stack's results under `checkpoints/` as it ends.

A stack's folder appears whole or not at all, so whoever kills the process loses the stack in flight and nothing else.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.augmentation.policy import policy_of
from tasks.augmented import Makers, augmented, makers
from tasks.dataset import TABLE, TEST, VAL
from tasks.evaluation.baselines import OnDisk, fit_baselines
from tasks.evaluation.metrics import METRICS
from tasks.plan import Plan, PlannedStack, PlannedTrial, bind_trial
from tasks.prepared import Prepared
from tasks.recipes import identifier
from tasks.records import CURVES, PREDICTIONS, TRIALS, Table
from tasks.records import METRICS as METRICS_TABLE
from tasks.stacking import cores
from tasks.training.fit import train_fit
from tasks.training.stack import train_stack
from tasks.training.trial import Outcome

StackProgress = Callable[[str, int, int], None]
"""Told (what is being done, training steps done, steps in all) over the whole plan, steps counted per trial."""

PreparedByFold = Mapping[int | None, Prepared]

RECORDED = (TRIALS, METRICS_TABLE, CURVES, PREDICTIONS)
LOSS = "loss"
"""In `metrics`, beside the plan's metrics: the loss function's value without penalties."""


def train(
    plan: Plan,
    prepared: Prepared | PreparedByFold,
    run: Path,
    home: Path,
    progress: StackProgress | None = None,
) -> None:
    """Trains every stack whose results are not there yet: stacks side by side, one a core, then what needs `Model.fit`.

    After Ctrl-C, stacks in flight end with their next evaluation and are lost; finished ones stay.

    Args:
        prepared: What the trials learn from; of trials in folds, by fold.
        run: The run's folder.
        home: Where augmented copies are kept for other runs.
    """
    waiting = [stack for stack in plan.stacks if not folder_of(run, stack.stack_id).exists()]
    by_fold: PreparedByFold = {None: prepared} if isinstance(prepared, Prepared) else prepared
    with makers(cores(), _processes(by_fold, waiting)) as making:
        _train(plan, by_fold, run, home, waiting, making, progress)


_PROCESSES_PAY = 10.0
"""Seconds of augmentation ahead; starting processes takes some, and tables are changed as fast as they travel."""


def _processes(prepared: PreparedByFold, waiting: Sequence[PlannedStack]) -> int:
    """How many processes make augmented rows; 1: this one alone."""
    pays = sum(stack.augmentation_seconds for stack in waiting) > _PROCESSES_PAY
    return cores() if pays and all(each.dataset.kind != TABLE for each in prepared.values()) else 1


def _train(
    plan: Plan,
    prepared: PreparedByFold,
    run: Path,
    home: Path,
    waiting: Sequence[PlannedStack],
    making: Makers,
    progress: StackProgress | None,
) -> None:

    def writing(done: int, rows: int) -> None:
        if progress:
            progress(f"preprocessed {done:,} of {rows:,} rows to disk", 0, 1)

    board = _Board(plan, waiting)
    planned = {trial.trial_id: trial for trial in plan.trials}
    folds = dict.fromkeys(planned[each].fold for stack in waiting for each in stack.trials)
    arrays = {fold: prepared[fold].arrays(writing) for fold in folds}
    if all(trial.stage == "search" for trial in plan.trials):  # which the validation part alone decides
        arrays = {fold: replace(own, to_score={VAL: own.to_score[VAL]}) for fold, own in arrays.items()}

    def work(stack: PlannedStack) -> None:
        trials = [
            bind_trial(planned[each], plan.variant(planned[each].variant_id), stack.evaluate_every)
            for each in stack.trials
        ]

        def note(step: int, steps: int) -> None:
            board.note(stack, step / steps)

        def copied(done: int, total: int) -> None:
            board.note(stack, 0.0)
            board.doing = f"augmented {done:,} of {total:,} copies"

        settings = plan.variant(planned[stack.trials[0]].variant_id).settings
        own = {
            fold: augmented(
                prepared[fold],
                arrays[fold],
                policy_of(settings.get("augmentation")),
                sorted({trial.seed for trial in trials if trial.fold == fold}),
                resampled=settings.get("imbalance") == "resample",
                home=home,
                makers=making,
                progress=copied,
            )
            for fold in dict.fromkeys(trial.fold for trial in trials)
        }
        board.doing = ""
        if stack.trainer == "stack":
            outcomes = train_stack(trials, own, xla=stack.xla, progress=note)
        else:
            outcomes = train_fit(trials, own, progress=note)
        _record(run, stack, outcomes, plan, prepared)
        board.note(stack, 1.0)

    stacked = [stack for stack in waiting if stack.trainer == "stack"]
    with ThreadPoolExecutor(cores()) as pool:
        # The longest first, so that no core waits for a late one.
        futures = [pool.submit(work, each) for each in sorted(stacked, key=lambda each: -each.steps * each.size)]
        try:
            while wait(futures, timeout=0.2).not_done and not any(each.done() and each.exception() for each in futures):
                board.show(progress)
            for future in futures:
                if future.done():
                    future.result()
        except BaseException:
            board.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    try:
        for stack in waiting:
            if stack.trainer == "fit":  # Keras's own state is one for all threads, so these go one by one
                board.show(progress)
                work(stack)
    except BaseException:
        board.stop()  # which ends the making of copies, too
        raise
    board.show(progress)


class _Stopped(Exception):
    """Raised inside a stack after an evaluation, when the run is to end."""


class _Board:
    """How far each stack is: written by the threads that train, read by the one that shows progress.

    `doing` is what is done before a stack can train, or empty.
    """

    def __init__(self, plan: Plan, waiting: Sequence[PlannedStack]) -> None:
        self._steps = {stack.stack_id: stack.steps * stack.size for stack in plan.stacks}
        self._shares = dict.fromkeys(self._steps, 1.0) | {stack.stack_id: 0.0 for stack in waiting}
        self._stopping = False
        self.doing = ""

    def note(self, stack: PlannedStack, share: float) -> None:
        if self._stopping:
            raise _Stopped
        self._shares[stack.stack_id] = share

    def stop(self) -> None:
        self._stopping = True

    def show(self, progress: StackProgress | None) -> None:
        if progress:
            done = sum(round(self._steps[name] * share) for name, share in self._shares.items())
            finished = sum(share == 1.0 for share in self._shares.values())
            said = self.doing or f"{finished} of {len(self._shares)} stacks trained"
            progress(said, done, sum(self._steps.values()))


def train_baselines(plan: Plan, prepared: Prepared, run: Path) -> None:
    """Trains what every figure is compared with, and records it as trials of stage `baseline`."""
    folder = folder_of(run, _baselines(plan))
    if folder.exists():
        return
    dataset = prepared.dataset
    baselines = fit_baselines(
        prepared.features,
        dataset.target,
        prepared.rows,
        classes=dataset.classes,
        kind=dataset.kind,
        tokens=dataset.tokens,
        table=dataset.raw if isinstance(dataset.raw, pd.DataFrame) else None,
        streamed=OnDisk(dataset.streamed.sample, prepared.arrays().to_score) if dataset.streamed else None,
    )
    trials, metrics, predictions = [], [], []
    for baseline in baselines:
        trial_id = identifier({"baseline": baseline.name, "of": _data(plan)})
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
            metrics += _metric_rows(trial_id, part, prediction, plan, prepared)
            predictions.append(_prediction_rows(trial_id, part, prediction, prepared))
    tables = {TRIALS: trials, METRICS_TABLE: metrics, CURVES: [], PREDICTIONS: pd.concat(predictions)}
    _write_folder(folder, tables, {})


def _baselines(plan: Plan) -> str:
    """The folder of the baselines' records: named by their data and by what was measured."""
    return "baselines-" + identifier({"of": _data(plan), "metrics": [plan.metric, *plan.also]})


def _data(plan: Plan) -> dict[str, Any]:
    return {"data": plan.data["digest"], "split": plan.spec["data"]["split"]}


def collect(plan: Plan, run: Path) -> dict[str, pd.DataFrame]:
    """Puts the stacks' records together into the run's tables, writes them, and returns them by name."""
    searched = plan.search["stacks"] if plan.search else []
    names = [stack["stack_id"] for stack in searched] + [stack.stack_id for stack in plan.stacks] + [_baselines(plan)]
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


def _number(name: str) -> int:
    return int(name.rpartition("/")[2])


def folder_of(run: Path, name: str) -> Path:
    """Where the records of a stack lie, once it is done."""
    return run / "checkpoints" / name


def _record(run: Path, stack: PlannedStack, outcomes: Sequence[Outcome], plan: Plan, prepared: PreparedByFold) -> None:
    planned = {trial.trial_id: trial for trial in plan.trials}
    trials = [_trial_row(outcome, planned[outcome.trial.trial_id], stack, plan) for outcome in outcomes]
    curves = [
        {"trial_id": outcome.trial.trial_id, "epoch": epoch, "step": step, "name": name, "value": value}
        for outcome in outcomes
        for epoch, step, name, value in outcome.curves
    ]
    metrics: list[dict[str, Any]] = []
    for outcome in outcomes:
        trial_id, own = outcome.trial.trial_id, prepared[outcome.trial.fold]
        for part, outputs in outcome.outputs.items():
            metrics += _metric_rows(trial_id, part, own.prediction(outputs), plan, own)
            metrics.append(_metric_row(trial_id, part, LOSS, own.loss(part, outputs), len(outputs)))
    predictions = [
        _prediction_rows(outcome.trial.trial_id, part, own.prediction(outcome.outputs[part]), own)
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
    _write_folder(folder_of(run, stack.stack_id), tables, weights)


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


def _metric_rows(
    trial_id: str, part: str, prediction: np.ndarray, plan: Plan, prepared: Prepared
) -> list[dict[str, Any]]:
    target = prepared.dataset.target[prepared.scored[part]]
    return [
        _metric_row(trial_id, part, name, METRICS[name].function(target, prediction), len(target))
        for name in (plan.metric, *plan.also)
    ]


def _metric_row(trial_id: str, part: str, name: str, value: float, rows: int) -> dict[str, Any]:
    return {"trial_id": trial_id, "part": part, "metric": name, "value": value, "rows": rows}


def _prediction_rows(trial_id: str, part: str, prediction: np.ndarray, prepared: Prepared) -> pd.DataFrame:
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


def _write_folder(folder: Path, tables: dict[Table, Any], weights: dict[str, np.ndarray]) -> None:
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.{time.monotonic_ns()}")
    temporary.mkdir(parents=True)
    try:
        for table, rows in tables.items():
            table.write(rows, temporary)
        np.savez(temporary / "weights.npz", allow_pickle=False, **weights)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
