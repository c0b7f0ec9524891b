"""Trials of shorter budgets that go on from what longer ones did.

Trials that differ in their budget alone take the same steps until their learning rates part: under `wsd` until the
shorter one's cooldown begins (Hägele et al. 2024, "Scaling Laws and Compute-Optimal Training Beyond Fixed Training
Durations"). The longest ones take these steps once, and leave their state to the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.training.saved import Checkpoint
from tasks.training.trial import Trial, learning_rates


@dataclass(frozen=True)
class Branch:
    """Where trials of a shorter budget leave a stack.

    Args:
        trials: Those of the shorter budget, in the order of the stack's.
        step: After which they go on by themselves; the stack is evaluated after it.
        checkpoint: Where they find the stack's state.
    """

    trials: Sequence[Trial]
    step: int
    checkpoint: Checkpoint


def shared_steps(shorter: Trial, longer: Trial, steps_per_epoch: int, every: int) -> int:
    """How many steps two trials that differ in their budget alone have in common.

    They end with the last evaluation before the learning rates or the averages of weights part, and before the shorter
    one's end.

    Args:
        every: Steps from one evaluation to the next, of both.

    Returns:
        A multiple of `every`; 0 where nothing is shared.
    """
    steps = shorter.epochs * steps_per_epoch
    rates = learning_rates(shorter, steps_per_epoch) == learning_rates(longer, steps_per_epoch)[:steps]
    same = rates & (shorter.retained(steps_per_epoch) == longer.retained(steps_per_epoch)[:steps])
    common = steps - 1 if same.all() else int(same.argmin())
    return min(common, steps - 1) // every * every
