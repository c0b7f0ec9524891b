"""A job for one stack, as plain data: everything that another process needs to know, if it has only the run's folder
and the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tasks.execution.rungs import Climb, Values


@dataclass(frozen=True)
class StackJob:
    """A stack to be trained, to its end or to the next rung of a search.

    Doing a job twice changes nothing: the records of a stack appear only when they are complete, and the first records
    stay.

    Args:
        stack_id: The id of a stack of the job `tasks.planning.jobs.Job`.
        key: SHA-256 (hex) of all that decides the result of the stack's training
            (`tasks.execution.deciding.stack_key`): its trials and their settings, the rows, the code, the libraries. A
            process that computes another key must not train the stack.
        climb: In successive halving, the rung that the stack is trained to. The paused stack is stored among the run's
            checkpoints. None: it is trained to its end.
    """

    stack_id: str
    key: str
    climb: Climb | None = None

    @property
    def recorded(self) -> bool:
        """Whether the stack's records are complete once the job is done."""
        return self.climb is None or self.climb.reached is not None


@dataclass(frozen=True)
class Done:
    """What a job returns, in addition to the files that it wrote.

    Args:
        values: By trial, the values that decide which trials leave at a rung; empty without rungs.
    """

    stack_id: str
    values: Values

    def plain(self) -> dict[str, Any]:
        """As plain values. Not as JSON, because numbers may be NaN."""
        return {"stack_id": self.stack_id, "values": {trial: dict(held) for trial, held in self.values.items()}}
