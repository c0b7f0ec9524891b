"""Successive halving: stacks train side by side from rung to rung, and at each rung the worse settings leave them.

A rung is decided over all of a recipe's settings, whichever stacks they are in, so every stack waits there for the
others. What it holds is then saved: a killed search goes on from the last rung.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.search.halving import Rung
from tasks.stacking import cores
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

    def losers(self, number: int, last: Mapping[str, Mapping[str, float]], left: set[str]) -> dict[str, str]:
        """Which variants leave at a rung, and why.

        Args:
            number: Of the rung, from 0; nobody leaves at the last.
            last: By trial, the values at its last evaluation.
            left: Variants that have left before.
        """
        if number + 1 >= len(self.rungs):
            return {}
        sign = 1 if MEASURED[self.measured].greater_is_better else -1
        means = {
            variant: sign * float(np.mean([last[each].get(f"val_{self.measured}", np.nan) for each in own]))
            for variant, own in self.trials.items()
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


def climb(stacks: Mapping[str, Stack], contests: Sequence[Contest], saved: Path, progress: Progress | None) -> dict[str, int]:
    """Trains all stacks through all rungs.

    Args:
        stacks: By id; not yet begun.
        contests: Whose trials they hold; their rungs are equally many.
        saved: A folder where paused stacks are kept.
        progress: Told of rungs reached.

    Returns:
        By trial, the last rung that it reached, from 0.
    """
    saved.mkdir(parents=True, exist_ok=True)
    reached: dict[str, int] = {}
    left: set[str] = set()
    count = max(len(contest.rungs) for contest in contests)
    ...
    return reached
