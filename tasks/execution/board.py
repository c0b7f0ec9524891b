"""How far the stacks of a job are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tasks.planning.jobs import Job
from tasks.records.stacks import PlannedStack

StackProgress = Callable[[str, int, int], None]
"""Told (what is being done, training steps done, steps in all) over the whole job, steps counted per trial."""


class Stopped(Exception):
    """Ends a stack after an evaluation, because the run ends."""


class Board:
    """The progress of each stack. Those who train write it; the main thread shows it.

    Args:
        waiting: Of the job's stacks, those that are not trained yet.
        progress: Told when it is shown.
        told: Told of every note at once, in the thread that trains. What it raises ends the stack.

    Attributes:
        doing: Work that precedes the training of a stack, in words; empty while there is none.
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
        """Notes that so much of a stack is trained, in [0, 1].

        Raises:
            Stopped: nobody wants it any more.
        """
        if self._stopping:
            raise Stopped
        if self._told:
            self._told(stack_id, share)
        self._shares[stack_id] = max(share, self._shares[stack_id])  # who takes up another's stack may be behind it

    def stop(self) -> None:
        """Ends every stack with its next note."""
        self._stopping = True

    def show(self) -> None:
        """Tells whoever listens."""
        if self._progress:
            done = sum(round(self._steps[name] * share) for name, share in self._shares.items())
            finished = sum(share == 1.0 for share in self._shares.values())
            said = self.doing or f"{finished} of {len(self._shares)} stacks trained"
            self._progress(said, done, sum(self._steps.values()))

    def writing(self, done: int, rows: int) -> None:
        """Tells how far the preprocessing of streamed rows is."""
        if self._progress:
            self._progress(f"preprocessed {done:,} of {rows:,} rows to disk", 0, 1)
