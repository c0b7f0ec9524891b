"""Measures what a model takes, from its files: bytes, and the time from raw rows to answers on this machine."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from tasks.errors import BadInput
from tasks.evaluation.footprint import median
from tasks.records.footprint import Footprint, Footprints, Latency
from tasks.records.plan import Plan
from tasks.training.exported import ESTIMATOR, FEATURES, MODEL, load_exported

Rows = pd.DataFrame | np.ndarray

_SECONDS, _FEWEST, _MOST = 0.3, 12, 300
"""Of all timed calls of one batch; and how many they are at least, which is enough at 99.9%, and at most."""


class Measuring:
    """What the model of a trial takes, measured once for each architecture.

    What an earlier verdict of the run holds is kept: times differ from call to call, and a verdict that differs would
    count as another look at the test rows.

    Args:
        plan: Of the run.
        rows: Raw training rows, repeated where a batch is larger.
        export: Writes the model of a trial to a folder and returns a network's parameters.
        earlier: What was measured in this run before.
    """

    def __init__(
        self, plan: Plan, rows: Rows, export: Callable[[str, Path], int | None], earlier: Footprints | None
    ) -> None:
        self._rows, self._export, self._confidence = rows, export, plan.confidence
        self._saves_baselines = plan.ship is not None
        models = {each.variant_id: json.dumps(each.settings["model"], sort_keys=True) for each in plan.recipes}
        self._architecture = {each.trial_id: models[each.variant_id] for each in plan.trials}
        self._known = {self._key(each.trial_id): each for each in (earlier.models if earlier else ())}

    def __call__(self, trial_id: str, batches: Sequence[int]) -> Footprint | None:
        """With latency for these batches at least; None of a baseline that is not saved."""
        if trial_id not in self._architecture and not self._saves_baselines:
            return None
        key = self._key(trial_id)
        found = self._known.get(key)
        missing = [batch for batch in batches if found is None or str(batch) not in found.latency_ms]
        if missing:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                try:
                    parameters = self._export(trial_id, folder)
                except BadInput:  # the constant answer has no file
                    return None
                found = found or weigh(folder, trial_id, parameters)
                timed = time_model(folder, self._rows, missing, self._confidence)
            found = replace(found, latency_ms={**found.latency_ms, **timed})
            self._known[key] = found
        return replace(found, trial_id=trial_id) if found else None

    def _key(self, trial_id: str) -> str:
        return self._architecture.get(trial_id, trial_id)


def weigh(folder: Path, trial_id: str, parameters: int | None) -> Footprint:
    """A model that `export_model` wrote, not timed yet."""
    files = [folder / name for name in (MODEL, FEATURES, ESTIMATOR)]
    size = sum(file.stat().st_size for file in files if file.exists())
    return Footprint(trial_id=trial_id, parameters=parameters, model_bytes=size, latency_ms={})


def time_model(folder: Path, rows: Rows, batches: Sequence[int], confidence: float) -> dict[str, Latency]:
    """Latency by batch size.

    Args:
        rows: Raw rows, repeated where a batch is larger.
    """
    model = load_exported(folder)
    found = {}
    for batch in batches:
        places = np.resize(np.arange(len(rows)), batch)
        given = rows.iloc[places] if isinstance(rows, pd.DataFrame) else rows[places]
        found[str(batch)] = latency(lambda given=given: model.asked(given), confidence)  # type: ignore[misc]
    return found


def latency(call: Callable[[], object], confidence: float) -> Latency:
    """The median time of a call, after two that are not counted: the first ones set things up."""
    for _ in range(2):
        call()
    taken: list[float] = []
    begun = time.perf_counter()
    while len(taken) < _FEWEST or (len(taken) < _MOST and time.perf_counter() - begun < _SECONDS):
        start = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - start))
    found = median(taken, confidence)
    return Latency(mean=found.mean, low=found.low, high=found.high, calls=len(taken))
