"""Successive halving: stacks train side by side from rung to rung, and the worse settings leave at each rung.

A rung compares all settings of a recipe, whichever stacks they are in. So every stack pauses at a rung and waits for
the others. Its state is then saved, as it also is every minute between rungs. Training goes on from the saved state: in
this process, in another one, or in a search that goes on after a kill.
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
    """The competition between the settings of one recipe.

    Args:
        rungs: Where the settings are compared.
        trials: By variant, the ids of its trials.
        measured: Name in `MEASURED`. Its mean validation value over a variant's trials decides.
    """

    rungs: Sequence[Rung]
    trials: Mapping[str, Sequence[str]]
    measured: str

    def losers(self, number: int, values: Mapping[str, Mapping[str, float]], left: set[str]) -> dict[str, str]:
        """Returns the variants that leave at a rung, and why.

        Args:
            number: The rung's number, from 0; no variant leaves at the last rung.
            values: By trial, the values at the weights that it keeps.
            left: Variants that left before.
        """
        if number + 1 >= len(self.rungs):
            return {}
        sign = 1 if MEASURED[self.measured].greater_is_better else -1
        means = {
            variant: sign * float(np.mean([values[each].get(f"val_{self.measured}", np.nan) for each in trials]))
            for variant, trials in self.trials.items()
            if variant not in left
        }
        # Diverged variants come last; among equals, those suggested earlier go on.
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
        epochs: The epochs at that rung.
        reasons: By trial, why it leaves.
    """

    epochs: int
    reasons: Mapping[str, str]


@dataclass(frozen=True)
class Climb:
    """The step of a bracket's stacks to their next rung, as plain data.

    Args:
        epochs: The epochs at that rung.
        left: The trials that left at the rungs before it, in the order of the rungs.
        reached: Only for the last rung, where no trial leaves: by trial, the rung at which it left, from 0, or the last
            rung. None for other rungs.
    """

    epochs: int
    left: Sequence[Leaving] = ()
    reached: Mapping[str, int] | None = None


Values = Mapping[str, Mapping[str, float]]
"""By trial, the result of `Stack.kept_values`."""
ClimbAll = Callable[[Climb], Values]
"""Trains all stacks of a bracket to their next rung, and returns their trials' values there."""


def climb(stack: Stack, way: Climb, progress: Progress | None = None) -> Values:
    """Trains one stack to its next rung and saves it there.

    Args:
        stack: A new stack, or one from its saved state, which may be at a later rung.
    """
    own = {trial.trial_id for trial in stack.trials}
    for leaving in way.left:
        if stack.step <= leaving.epochs * stack.steps_per_epoch:  # a stack saved at a later rung has dropped them
            stack.drop({each: reason for each, reason in leaving.reasons.items() if each in own})
    stop = way.epochs * stack.steps_per_epoch
    if stack.step < stop:
        stack.train_until(stop, progress)
        stack.checkpoint()
    return {each: stack.kept_values(each, way.epochs) for each in own}


def run_bracket(trials: Sequence[str], contests: Sequence[Contest], climb_all: ClimbAll) -> None:
    """Trains the stacks of a bracket through all rungs of the contests that their trials are in.

    Args:
        trials: The ids of all trials of the bracket.
        contests: Contests with the same rungs.
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
