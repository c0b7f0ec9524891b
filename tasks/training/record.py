"""Keeps the records of a stack's trials: what their watches saw, their learning rates, and the seconds they took."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tasks.training.rectangle import Rectangle, per_trial
from tasks.training.signals import Signal
from tasks.training.trial import Outcome, Trial, learning_rates
from tasks.training.watch import Watch, kept_step


class Record:
    """The record of each trial of a stack, whether it still runs or not.

    Args:
        trials: In the order in which their outcomes are wanted.
    """

    def __init__(self, trials: Sequence[Trial], steps_per_epoch: int) -> None:
        self._steps_per_epoch = steps_per_epoch
        self._watches = {trial.trial_id: Watch(Outcome(trial)) for trial in trials}
        self._rates = {trial.trial_id: learning_rates(trial, steps_per_epoch) for trial in trials}
        self._retained = {
            trial.trial_id: trial.retained(steps_per_epoch) for trial in trials if trial.averaging.in_steps
        }
        self._since = time.monotonic()

    @property
    def outcomes(self) -> list[Outcome]:
        return [watch.outcome for watch in self._watches.values()]

    def outcome(self, trial: Trial) -> Outcome:
        return self._watches[trial.trial_id].outcome

    def rates(self, rectangle: Rectangle, start: int, stop: int) -> np.ndarray:
        """Learning rates of the steps `start:stop`, plateaus included: `[steps, S, R]`."""
        rates = per_trial(rectangle.columns, lambda trial: self._rates[trial.trial_id][start:stop])
        factors = per_trial(rectangle.columns, lambda trial: self._watches[trial.trial_id].factor)
        return np.moveaxis(rates * factors[:, :, None], 2, 0)

    def retained(self, rectangle: Rectangle, start: int, stop: int) -> np.ndarray:
        """The share of the old average of weights that each of the steps `start:stop` keeps: `[steps, S, R]`."""
        nothing = np.zeros(stop - start)
        kept = per_trial(
            rectangle.columns,
            lambda trial: self._retained[trial.trial_id][start:stop] if trial.averaging.in_steps else nothing,
        )
        return np.moveaxis(kept, 2, 0)

    def after_evaluation(self, rectangle: Rectangle, step: int, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Lets each trial's watch decide.

        Args:
            values: By their names in the curves, `[S, R]` each.

        Returns:
            Which trials' weights are to be kept, bool `[S, R]`.
        """
        epoch = -(-step // self._steps_per_epoch)
        keep = np.zeros(rectangle.shape, bool)
        for s, r, trial in rectangle.cells():
            of_trial = {name: float(value[s, r]) for name, value in values.items()}
            keep[s, r] = self._watches[trial.trial_id].after_evaluation(epoch, step, of_trial)
        return keep

    def add_signals(self, rectangle: Rectangle, step: int, signals: Sequence[Signal]) -> None:
        """Keeps the signals after a step, for trials that still run; values that are not finite are left out."""
        epoch = -(-step // self._steps_per_epoch)
        for s, r, trial in rectangle.cells():
            watch = self._watches[trial.trial_id]
            if watch.running:
                values = [(each.layer, each.name, float(each.values[s, r])) for each in signals]
                watch.outcome.signals += [(epoch, step, *each) for each in values if np.isfinite(each[2])]

    def keep_signals(self, kept: Callable[[int], bool]) -> None:
        """Drops the signals after all other steps; those from before the first step stay."""
        for outcome in self.outcomes:
            outcome.signals = [each for each in outcome.signals if each[1] == 0 or kept(each[1])]

    def prune(self, reasons: Mapping[str, str]) -> None:
        """Ends those of these trials that still run. `reasons` is by trial id."""
        for trial_id, reason in reasons.items():
            self._watches[trial_id].prune(reason)

    def running(self, rectangle: Rectangle) -> list[int]:
        """The recipes with at least one trial that runs."""
        return [
            r
            for r, column in enumerate(rectangle.columns)
            if any(self._watches[trial.trial_id].running for trial in column)
        ]

    def kept_values(self, trial_id: str, until: int) -> dict[str, float]:
        """A trial's values by their names in the curves, at the evaluation whose weights it keeps after step `until`.
        Empty where it has diverged by then."""
        outcome = self._watches[trial_id].outcome
        if outcome.status == "diverged" and outcome.steps <= until:
            return {}
        losses = [(step, value) for _, step, name, value in outcome.curves if name == "val_loss" and step <= until]
        kept = kept_step(outcome.trial.stopping, losses)
        return {name: value for _, step, name, value in outcome.curves if step == kept}

    # -- seconds --

    def start_clock(self) -> None:
        self._since = time.monotonic()

    def charge(self, rectangle: Rectangle) -> None:
        """Charges the time since the last call, or since the clock was started, to the trials of a rectangle."""
        now = time.monotonic()
        for _, _, trial in rectangle.cells():
            self.outcome(trial).seconds += (now - self._since) / rectangle.size
        self._since = now

    # -- to and from disk --

    def state(self) -> dict[str, Any]:
        """The record as plain values, for `resume`."""
        return {
            "watches": [watch.state() for watch in self._watches.values()],
            "outcomes": [outcome.plain() for outcome in self.outcomes],
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        for watch, seen, outcome in zip(self._watches.values(), state["watches"], state["outcomes"], strict=True):
            watch.resume(seen)
            watch.outcome.resume(outcome)
