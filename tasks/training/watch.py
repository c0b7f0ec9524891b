"""The rules that act on a trial after each evaluation: early stopping, a target, reduction on plateau, divergence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tasks.training.trial import Outcome, Stopping


class Watch:
    """Applies the rules to one trial after each evaluation: early stopping, a target, reduction on plateau, divergence.

    Both trainers report their evaluations here, so they stop, reduce and diverge alike. Patience counts evaluations, as
    it does in Keras, where an epoch has one.
    """

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.factor = 1.0  # of the learning rate, from the plateau rule
        self.running = True
        self._best = np.inf
        self._waited = 0
        self._plateau_best = np.inf
        self._plateau_waited = 0
        self._cooling = 0

    def after_evaluation(self, epoch: int, step: int, values: dict[str, float]) -> bool:
        """Records an evaluation and says whether the weights evaluated are to be kept.

        Args:
            epoch: The epoch that the evaluation is in, or at the end of; from 1.
            step: Steps done.
            values: train_loss, the mean since the last evaluation; val_loss; and whatever else goes into the curves.
        """
        if not self.running:
            return False
        outcome = self.outcome
        outcome.curves += [(epoch, step, name, value) for name, value in values.items() if np.isfinite(value)]
        outcome.epochs, outcome.steps = epoch, step
        losses = (values["train_loss"], values["val_loss"])
        if not np.isfinite(losses).all():
            which = "training" if not np.isfinite(losses[0]) else "validation"
            outcome.status, outcome.reason = (
                "diverged",
                f"the {which} loss became non-finite by epoch {epoch}",
            )
            self.running = False
            return False
        self._plateau(losses[1])
        keep = self._stopping(losses[1])
        if keep:
            outcome.best_step = step
        target = outcome.trial.target
        if target and target.reached(values):
            outcome.reason = f"reached {target.metric} {target.value:,.12g} at step {step:,}"
            self.running = False
        return keep

    def prune(self, reason: str) -> None:
        """Ends a trial that still runs; the weights kept so far are its last."""
        if self.running:
            self.outcome.status, self.outcome.reason = "pruned", reason
            self.running = False

    def state(self) -> dict[str, Any]:
        """The watch's state as plain numbers, for `resume`."""
        return {name: value for name, value in vars(self).items() if name != "outcome"}

    def resume(self, state: Mapping[str, Any]) -> None:
        vars(self).update(state)

    def _stopping(self, loss: float) -> bool:
        stopping = self.outcome.trial.stopping
        if stopping is None:
            return True
        self._waited += 1
        improved = loss + stopping.min_delta < self._best
        if improved:
            self._best, self._waited = loss, 0
        elif self._waited >= stopping.patience:
            self.running = False
        return improved or not stopping.restore_best

    def _plateau(self, loss: float) -> None:
        rule = self.outcome.trial.schedule.plateau
        if rule is None:
            return
        if self._cooling > 0:
            self._cooling -= 1
        if loss < self._plateau_best - rule.min_delta:
            self._plateau_best, self._plateau_waited = loss, 0
        elif self._cooling <= 0:
            self._plateau_waited += 1
            if self._plateau_waited >= rule.patience and self.factor > rule.min_factor:
                self.factor = max(self.factor * rule.factor, rule.min_factor)
                self._cooling, self._plateau_waited = rule.cooldown, 0


def kept_step(stopping: Stopping | None, losses: Iterable[tuple[int, float]]) -> int:
    """The step whose weights a `Watch` keeps after these validation losses, `(step, loss)` by rising step; 0: none."""
    kept, best = 0, np.inf
    for step, loss in losses:
        improved = stopping is None or loss + stopping.min_delta < best
        best = loss if improved else best
        if stopping is None or improved or not stopping.restore_best:
            kept = step
    return kept
