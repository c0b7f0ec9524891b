"""The progress of the stacks of a job."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tasks.planning.jobs import Job
from tasks.records.stacks import PlannedStack

StackProgress = Callable[[str, int, int], None]
"""Called with (what is being done, training steps done, all training steps) of the whole job; steps are counted per
trial."""


class Stopped(Exception):
    """Ends a stack after an evaluation, because the run is ending."""


class Board:
    """The progress of each stack. The training threads write it; the main thread shows it.

    Args:
        waiting: The job's stacks that are not trained yet.
        progress: Called each time the progress is shown.
        told: Called with every note at once, in the thread that trains. An exception from it ends the stack.

    Attributes:
        doing: Work before the training of a stack, in words; empty while there is none.
    """

    def __init__(
        self,
        job: Job,
        waiting: Sequence[PlannedStack],
        progress: StackProgress | None = None,
        told: Callable[[str, float], None] | None = None,
    ) -> None:
        self._steps = {stack.stack_id: stack.steps * stack.size for stack in job.stacks}
        self._shares = dict.fromkeys(self._steps, 1.0) | {stack.stack_id: 0.0 for stack in waiting}
        self._progress, self._told = progress, told
        self._stopping = False
        self.doing = ""

    def note(self, stack_id: str, share: float) -> None:
        """Notes which share of a stack is trained, in [0, 1].

        Raises:
            Stopped: the run is ending.
        """
        if self._stopping:
            raise Stopped
        if self._told:
            self._told(stack_id, share)
        self._shares[stack_id] = max(share, self._shares[stack_id])  # a process that takes up a stack may start behind

    def stop(self) -> None:
        """Ends every stack at its next note."""
        self._stopping = True

    def show(self) -> None:
        """Calls `progress` with the present state."""
        if self._progress:
            done = sum(round(self._steps[name] * share) for name, share in self._shares.items())
            finished = sum(share == 1.0 for share in self._shares.values())
            said = self.doing or f"{finished} of {len(self._shares)} stacks trained"
            self._progress(said, done, sum(self._steps.values()))

    def writing(self, done: int, rows: int) -> None:
        """Reports how many streamed rows are preprocessed."""
        if self._progress:
            self._progress(f"preprocessed {done:,} of {rows:,} rows to disk", 0, 1)
