"""What plan.json holds of one stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from tasks.records.documents import OMITTED, Number


@dataclass(frozen=True)
class PlannedStack:
    """Trials that run together.

    Args:
        trainer: `stack`, or `fit` where `why` says what can't be stacked.
        xla: Whether XLA compiles the stack's program.
        lanes: How many replicas it has: each seed counts once for each of its folds, and sees batches of its own.
        size: Number of trials.
        parameters: Trainable weights of one trial; where widths differ, of the network that all are padded to.
        narrower: Trainable weights of the trials that have fewer, by trial.
        fill: Share of the arithmetic that is not padding, in (0, 1]; 1 where all trials are equally wide.
        rows: Of an epoch, augmented copies included.
        steps: Training steps of one trial.
        batch_size: Rows a step.
        augmentation_seconds: Expected of one core, to augment what all its seeds see.
        evaluate_every: Steps from one evaluation to the next, at most all of them.
        search: The search method, where it does not simply train its trials to their end; else empty.
        memory_bytes: The most it should need, by arithmetic: its trials, the chunks of rows in their hands, and of
            streamed data the windows that are shuffled.
        reused: The run whose trained trials these are, where an earlier one trained them; several with commas between.
            None: they are trained.
        after: The stack of the same trials with a longer budget, which takes the first `shared` steps for these, too.
        shared: Steps.
    """

    stack_id: str
    trainer: str
    why: str
    xla: bool
    trials: list[str]
    lanes: int
    size: int
    parameters: int
    rows: int
    steps: int
    batch_size: int
    augmentation_seconds: Number
    evaluate_every: int
    memory_bytes: int
    search: str = ""
    narrower: Mapping[str, int] = field(default_factory=dict)
    fill: Number = 1.0
    reused: Annotated[str | None, OMITTED] = None
    after: Annotated[str | None, OMITTED] = None
    shared: Annotated[int | None, OMITTED] = None

    @property
    def stacked(self) -> bool:
        """Whether the stacked trainer takes its trials, not `Model.fit`."""
        return self.trainer == "stack"

    @property
    def steps_taken(self) -> int:
        """Of all its trials, without those that longer ones take for them."""
        return (self.steps - (self.shared or 0)) * self.size

    def parameters_of(self, trial_id: str) -> int:
        """Trainable weights of one trial, its own."""
        return self.narrower.get(trial_id, self.parameters)
