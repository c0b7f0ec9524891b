"""Measures what a model needs, from its files: bytes, and the time from raw rows to answers on this machine."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from tasks.errors import BadInput
from tasks.records.footprint import Footprint, Footprints, Latency
from tasks.records.plan import Plan
from tasks.training.exported import ESTIMATOR, FEATURES, MODEL, load_exported

Rows = pd.DataFrame | np.ndarray

WARM_UP = 2
"""Calls that are not counted, because first calls set things up."""

_ROUNDS, _BURST, _ROUND = 15, 0.02, 0.06
"""All models are called in turn, in at most `_ROUNDS` rounds; each is called for `_BURST` seconds per round, and a
round takes at least `_ROUND` seconds. In this way other work on the machine affects all models alike."""

_FEWEST, _LONGEST = 6, 3.0
"""The least number of rounds; and the seconds per model and batch size after which no further round begins."""


class Measuring:
    """Measures the models of trials, once for each architecture.

    Measurements of an earlier verdict of the run are kept: times differ from call to call, and a changed verdict would
    count as another look at the test rows.

    Args:
        plan: The run's plan.
        rows: Raw training rows, repeated where a batch is larger.
        export: Writes the model of a trial to a folder and returns a network's number of parameters.
        earlier: Earlier measurements of this run.
    """

    def __init__(
        self, plan: Plan, rows: Rows, export: Callable[[str, Path], int | None], earlier: Footprints | None
    ) -> None:
        self._rows, self._export, self._confidence = rows, export, plan.confidence
        self._saves_baselines = plan.ship is not None
        models = {each.variant_id: json.dumps(each.settings.part("model"), sort_keys=True) for each in plan.recipes}
        self._architecture = {each.trial_id: models[each.variant_id] for each in plan.trials}
        self._known = {self._key(each.trial_id): each for each in (earlier.models if earlier else ())}

    def __call__(self, trial_ids: Iterable[str], batches: Sequence[int]) -> dict[str, Footprint]:
        """Returns footprints by trial, with latencies for at least these batch sizes. Leaves out baselines that are not
        saved."""
        wanted = {self._key(each): each for each in trial_ids if each in self._architecture or self._saves_baselines}
        with tempfile.TemporaryDirectory() as name:
            folders: dict[str, Path] = {}
            for key, trial_id in wanted.items():
                known = self._known.get(key)
                if known is not None and all(str(batch) in known.latency_ms for batch in batches):
                    continue
                folder = Path(name) / str(len(folders))
                try:
                    parameters = self._export(trial_id, folder)
                except BadInput:  # the constant baseline has no file
                    continue
                folders[key] = folder
                self._known[key] = self.saved(trial_id, folder, parameters)
            self._time(folders, batches)
        return {
            each: replace(self._known[key], trial_id=each)
            for each in trial_ids
            if (key := self._key(each)) in self._known
        }

    def _time(self, folders: Mapping[str, Path], batches: Sequence[int]) -> None:
        """Measures the latencies that are missing."""
        calls: dict[tuple[str, str], Callable[[], object]] = {}
        for key, folder in folders.items():
            model = load_exported(folder)
            for batch in batches:
                if str(batch) not in self._known[key].latency_ms:
                    calls[key, str(batch)] = partial(model.asked, self._batch(batch))
        for (key, rows), found in latencies(calls, self._confidence).items():
            known = self._known[key]
            self._known[key] = replace(known, latency_ms={**known.latency_ms, rows: found})

    def _batch(self, rows: int) -> Rows:
        places = np.resize(np.arange(len(self._rows)), rows)
        return self._rows.iloc[places] if isinstance(self._rows, pd.DataFrame) else self._rows[places]

    def saved(self, trial_id: str, folder: Path, parameters: int | None) -> Footprint:
        """The footprint of a saved model, as far as it is known without calling the model."""
        found = self._known.get(self._key(trial_id))
        if found is not None:
            return replace(found, trial_id=trial_id)
        files = [folder / name for name in (MODEL, FEATURES, ESTIMATOR)]
        size = sum(file.stat().st_size for file in files if file.exists())
        return Footprint(trial_id=trial_id, parameters=parameters, model_bytes=size)

    def _key(self, trial_id: str) -> str:
        return self._architecture.get(trial_id, trial_id)


K = TypeVar("K")


def latencies(calls: Mapping[K, Callable[[], object]], confidence: float) -> dict[K, Latency]:
    """Measures how long calls take, made in turn.

    Args:
        confidence: The share of calls between `low` and `high`.
    """
    taken: dict[K, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        for _ in range(WARM_UP):
            call()
    begun = time.perf_counter()
    for made in range(_ROUNDS if calls else 0):
        start = time.perf_counter()
        if made >= _FEWEST and start - begun > _LONGEST * len(calls):
            break
        for name, call in calls.items():
            _burst(call, taken[name])
        time.sleep(max(0.0, start + _ROUND - time.perf_counter()))
    return {name: spread(own, confidence) for name, own in taken.items()}


def _burst(call: Callable[[], object], taken: list[float]) -> None:
    """Calls at least once, for a short time, and notes the milliseconds of each call."""
    begun = start = time.perf_counter()
    while start - begun < _BURST:
        call()
        end = time.perf_counter()
        taken.append(1000 * (end - start))
        start = end


def spread(taken: Sequence[float], confidence: float) -> Latency:
    """The median of calls, and the range that holds at least this share of them, with equal shares left out above and
    below.

    >>> spread([float(ms) for ms in range(101)], 0.9)
    Latency(median=50.0, low=5.0, high=95.0, calls=101)
    """
    beyond = (1 - confidence) / 2
    low = float(np.quantile(taken, beyond, method="lower"))
    high = float(np.quantile(taken, 1 - beyond, method="higher"))
    return Latency(median=float(np.median(taken)), low=low, high=high, calls=len(taken))
