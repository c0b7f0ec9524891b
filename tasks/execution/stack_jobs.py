"""What is done with one stack in one go, as plain data: all that a process needs to know which else has nothing but the
run's folder and the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tasks.execution.rungs import Climb, Values


@dataclass(frozen=True)
class StackJob:
    """A stack that is to be trained: to its end, or to the next rung of a search.

    To do it twice changes nothing: the records of a stack appear whole or not at all, and where they are, the first
    ones stand.

    Args:
        stack_id: Of a stack of the job `tasks.planning.jobs.Job`.
        key: SHA-256 (hex) of all that decides what the stack's training gives (`tasks.execution.deciding.stack_key`):
            its trials and their settings, the rows, the code, the libraries. Who would come to another key must not
            train it.
        climb: In successive halving, which rung it goes to. The paused stack lies among the run's checkpoints. None: it
            trains to its end.
    """

    stack_id: str
    key: str
    climb: Climb | None = None

    @property
    def recorded(self) -> bool:
        """Whether the stack's records are complete once it is done."""
        return self.climb is None or self.climb.reached is not None


@dataclass(frozen=True)
class Done:
    """What a job hands back beside the files that it wrote.

    Args:
        values: By trial, what decides who leaves at a rung; empty without rungs.
    """

    stack_id: str
    values: Values

    def plain(self) -> dict[str, Any]:
        """As plain values. Not as JSON: numbers may be none."""
        return {"stack_id": self.stack_id, "values": {trial: dict(held) for trial, held in self.values.items()}}
