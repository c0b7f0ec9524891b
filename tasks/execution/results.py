"""Results of a search's trials, read from the records of their stacks: one result for each variant."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.dataset import VAL
from tasks.execution.recording import LOSS, gradients_of
from tasks.planning.jobs import Job
from tasks.records.tables import METRICS, TRIALS
from tasks.records.weights import folder_of


@dataclass(frozen=True)
class Result:
    """The result of a variant's trials.

    Args:
        status: `diverged` if any trial diverged, else `pruned` if any left at a rung, else `ok`.
        score: Mean over seeds and folds of the deciding metric on the validation rows. None where a trial diverged, or
            where the metric is not defined on some of them (the area under the curve, where all rows are of one class).
        spread: Standard deviation of these values (n - 1); None for a single trial.
        rung: The last rung reached; None without rungs.
        epochs, seconds: Sums over all its trials.
        loss: Mean of the validation loss without penalties.
        gradients: Mean derivatives of that loss with respect to what is searched; empty where they were not asked for.
    """

    status: str
    score: float | None
    spread: float | None
    rung: int | None
    epochs: float
    seconds: float
    loss: float
    gradients: Mapping[str, float]


def results_of(job: Job, run: Path) -> dict[str, Result]:
    """Reads each variant's result from the records of its stacks."""
    records = Records.read(job, run)
    return records.by_variant({trial.trial_id for trial in job.trials})


@dataclass(frozen=True)
class Records:
    """The records of a job's stacks.

    Args:
        trials: Table `trials`; None where there is no stack.
        values: By trial, the deciding metric on the validation rows.
        losses: By trial, the loss on the validation rows.
        gradients: By trial, the derivatives of that loss.
    """

    trials: pd.DataFrame | None
    values: Mapping[str, float]
    losses: Mapping[str, float]
    gradients: Mapping[str, Mapping[str, float | None]]

    @classmethod
    def read(cls, job: Job, run: Path) -> Records:
        folders = [folder_of(run, stack.stack_id) for stack in job.stacks]
        if not folders:
            return cls(None, {}, {}, {})
        metrics = pd.concat([METRICS.read(folder) for folder in folders])
        on_val = metrics[metrics["part"] == VAL]
        values, losses = (
            dict(zip(measured["trial_id"], measured["value"].astype(float), strict=True))
            for measured in (on_val[on_val["metric"] == job.metrics[0]], on_val[on_val["metric"] == LOSS])
        )
        gradients: dict[str, dict[str, float | None]] = {}
        for folder in folders:
            gradients |= gradients_of(folder)
        return cls(pd.concat([TRIALS.read(folder) for folder in folders]), values, losses, gradients)

    def by_variant(self, trials: Collection[str]) -> dict[str, Result]:
        """The results of these trials, by variant."""
        if self.trials is None:
            return {}
        own = self.trials[self.trials["trial_id"].isin(trials)]
        return {
            str(variant): _result(rows, self.values, self.losses, self.gradients)
            for variant, rows in own.groupby("variant_id", sort=False)
        }


def _result(
    trials: pd.DataFrame,
    values: Mapping[str, float],
    losses: Mapping[str, float],
    gradients: Mapping[str, Mapping[str, float | None]],
) -> Result:
    ids = sorted(trials["trial_id"])
    measured = np.array([values.get(each, np.nan) for each in ids])
    statuses = set(trials["status"])
    sound = bool(np.isfinite(measured).all()) and "diverged" not in statuses
    status = next((each for each in ("diverged", "pruned") if each in statuses), "ok")
    known = [gradients[each] for each in ids if each in gradients]
    return Result(
        status=status,
        score=float(measured.mean()) if sound else None,
        spread=float(measured.std(ddof=1)) if sound and len(ids) > 1 else None,
        rung=None if trials["rung"].isna().all() else int(trials["rung"].max()),
        epochs=float(trials["epochs"].sum()),
        seconds=float(trials["seconds"].sum()),
        loss=float(np.mean([losses.get(each, np.nan) for each in ids])),
        gradients={
            name: float(np.mean([np.nan if each[name] is None else each[name] for each in known]))
            for name in (known[0] if known else {})
        },
    )
