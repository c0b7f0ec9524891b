"""Successive halving: stacks train side by side from rung to rung, and at each rung the worse settings leave them.

A rung is decided over all of a recipe's settings, whichever stacks they are in, so every stack waits there for the
others. What it holds is then saved, as it is every minute on the way: a killed search goes on from there.
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


Together = Callable[[Callable[[str, Progress], None]], None]
"""Calls a function with each stack's id and what it tells of its steps, as many at a time as there are cores."""


def run_bracket(stacks: Mapping[str, Stack], contests: Sequence[Contest], together: Together) -> dict[str, int]:
    """Trains stacks through the rungs of the contests that their trials are in.

    Args:
        stacks: By id; not begun, or taken up where they were saved.
        contests: With the same rungs.

    Returns:
        By trial, the rung at which it left, from 0; of the others the last one.
    """
    rungs = contests[0].rungs
    holder = {trial.trial_id: stack for stack in stacks.values() for trial in stack.trials}
    reached: dict[str, int] = {}
    left: set[str] = set()
    for number, rung in enumerate(rungs):

        def up(name: str, progress: Progress, epochs: int = rung.epochs) -> None:
            stack = stacks[name]
            stop = epochs * stack.steps_per_epoch
            if stack.step < stop:
                stack.train_until(stop, progress)
                stack.checkpoint()

        together(up)
        losers: dict[str, str] = {}
        for contest in contests:
            values = {
                each: holder[each].kept_values(each, rung.epochs)
                for variant, trials in contest.trials.items()
                if variant not in left
                for each in trials
            }
            losers |= contest.losers(number, values, left)
        reasons = {
            each: losers[variant]
            for contest in contests
            for variant, trials in contest.trials.items()
            if variant in losers
            for each in trials
        }
        reached |= dict.fromkeys(reasons, number)
        left |= losers.keys()
        for stack in stacks.values():
            if stack.step > rung.epochs * stack.steps_per_epoch:
                continue  # saved at a later rung, without these
            stack.drop({each: reason for each, reason in reasons.items() if holder[each] is stack})
    return {each: reached.get(each, len(rungs) - 1) for each in holder}
