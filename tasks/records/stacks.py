"""The part of plan.json on one stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from tasks.records.documents import OMITTED, Number


@dataclass(frozen=True)
class PlannedStack:
    """Trials that are trained together.

    Args:
        trainer: `stack`, or `fit` where `why` says what can't be stacked.
        xla: Whether XLA compiles the stack's program.
        lanes: The number of its replicas: each seed counts once for each of its folds, and sees batches of its own.
        size: Number of trials.
        parameters: Trainable weights of one trial; where widths differ, of the network that all are padded to.
        narrower: Trainable weights of the trials that have fewer, by trial.
        fill: Share of the arithmetic that is not padding, in (0, 1]; 1 where all trials are equally wide.
        rows: Training rows of an epoch, augmented copies included.
        steps: Training steps of one trial.
        batch_size: Rows per step.
        augmentation_seconds: Expected seconds of one core for the augmentation of all rows that its seeds see.
        evaluate_every: Steps from one evaluation to the next; at most all steps.
        search: The search method, if it does not simply train its trials to their end; else empty.
        memory_bytes: The largest memory that it should need, computed: its trials, the chunks of rows that they use,
            and for streamed data the windows that are shuffled.
        reused: The earlier run that trained these trials; several runs with commas between. None: they are trained in
            this run.
        after: The stack whose trials differ from these in a longer budget alone, and which takes the first `shared`
            steps for both. None: it begins at its first step.
        shared: Number of steps.
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
        """Whether the stacked trainer trains it, not `Model.fit`."""
        return self.trainer == "stack"

    @property
    def steps_taken(self) -> int:
        """Steps of all its trials, without the shared ones."""
        return (self.steps - (self.shared or 0)) * self.size

    def parameters_of(self, trial_id: str) -> int:
        """The number of trainable weights of one trial."""
        return self.narrower.get(trial_id, self.parameters)
