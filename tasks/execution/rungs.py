"""Successive halving: stacks train side by side from rung to rung, and at each rung the worse settings leave them.

A rung is decided over all of a recipe's settings, whichever stacks they are in, so every stack pauses there for the
others. What it holds is then saved, as it is every minute on the way. Whoever trains it to the next rung, in this
process or in another one, takes it up there; so does a search that goes on after a kill.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.search.halving import Rung
from tasks.training.stack import Stack
from tasks.training.trial import MEASURED, Progress


@dataclass(frozen=True)
class Contest:
    """One recipe's settings.

    Args:
        rungs: Where they are told apart.
        trials: By variant, the ids of its trials.
        measured: In `MEASURED`: whose validation value decides, as a mean over a variant's trials.
    """

    rungs: Sequence[Rung]
    trials: Mapping[str, Sequence[str]]
    measured: str

    def losers(self, number: int, values: Mapping[str, Mapping[str, float]], left: set[str]) -> dict[str, str]:
        """Which variants leave at a rung, and why.

        Args:
            number: Of the rung, from 0; nobody leaves at the last.
            values: By trial, those of the weights that it keeps.
            left: Variants that have left before.
        """
        if number + 1 >= len(self.rungs):
            return {}
        sign = 1 if MEASURED[self.measured].greater_is_better else -1
        means = {
            variant: sign * float(np.mean([values[each].get(f"val_{self.measured}", np.nan) for each in trials]))
            for variant, trials in self.trials.items()
            if variant not in left
        }
        # What diverged comes last; of equals those asked earlier go on.
        order = sorted(means, key=lambda variant: -means[variant] if np.isfinite(means[variant]) else np.inf)
        kept = self.rungs[number + 1].settings
        return {
            variant: f"rung {number + 1}: {place} of {len(order)} after epoch {self.rungs[number].epochs}"
            for place, variant in enumerate(order, start=1)
            if place > kept
        }


@dataclass(frozen=True)
class Leaving:
    """Trials that leave at a rung.

    Args:
        epochs: Of the rung.
        reasons: By trial, why.
    """

    epochs: int
    reasons: Mapping[str, str]


@dataclass(frozen=True)
class Climb:
    """The way of a bracket's stacks to their next rung, as plain data.

    Args:
        epochs: Of that rung.
        left: Who left at the rungs before it, in their order.
        reached: At the last rung, where nobody leaves: by trial, the rung at which it left, from 0; of the others the
            last one. None before.
    """

    epochs: int
    left: Sequence[Leaving] = ()
    reached: Mapping[str, int] | None = None


Values = Mapping[str, Mapping[str, float]]
"""By trial, what `Stack.kept_values` gives."""
ClimbAll = Callable[[Climb], Values]
"""Has all stacks of a bracket climb, and gives their trials' values at the end of it."""


def climb(stack: Stack, way: Climb, progress: Progress | None = None) -> Values:
    """Trains one stack to its next rung and saves it there.

    Args:
        stack: Not begun, or taken up where it was saved: also at a later rung.
    """
    own = {trial.trial_id for trial in stack.trials}
    for leaving in way.left:
        if stack.step <= leaving.epochs * stack.steps_per_epoch:  # else it was saved at a later rung, without these
            stack.drop({each: reason for each, reason in leaving.reasons.items() if each in own})
    stop = way.epochs * stack.steps_per_epoch
    if stack.step < stop:
        stack.train_until(stop, progress)
        stack.checkpoint()
    return {each: stack.kept_values(each, way.epochs) for each in own}


def run_bracket(trials: Sequence[str], contests: Sequence[Contest], climb_all: ClimbAll) -> None:
    """Brings the stacks of a bracket through the rungs of the contests that their trials are in.

    Args:
        trials: The ids of all of them.
        contests: With the same rungs.
    """
    rungs = contests[0].rungs
    reached: dict[str, int] = {}
    gone: set[str] = set()
    left: list[Leaving] = []
    for number, rung in enumerate(rungs):
        last = number + 1 == len(rungs)
        ends = {each: reached.get(each, number) for each in trials} if last else None
        values = climb_all(Climb(rung.epochs, tuple(left), ends))
        losers: dict[str, str] = {}
        for contest in contests:
            losers |= contest.losers(number, values, gone)
        reasons = {
            each: losers[variant]
            for contest in contests
            for variant, own in contest.trials.items()
            if variant in losers
            for each in own
        }
        reached |= dict.fromkeys(reasons, number)
        gone |= losers.keys()
        left.append(Leaving(rung.epochs, reasons))
