"""Who trains the stacks of a job: threads of this process, or other processes (`tasks.distributed`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from tasks.execution.board import Board
from tasks.execution.recording import PreparedByFold
from tasks.execution.stack_jobs import Done, StackJob
from tasks.execution.trainer import StackTrainer, Work
from tasks.inputs.augmented import makers
from tasks.memory import memory_bytes
from tasks.planning.cost_model import cores
from tasks.planning.stacks import Machine
from tasks.records.stacks import PlannedStack

Crew = Callable[[Sequence[StackJob]], Sequence[Done]]
"""Does jobs. It begins them in the order given, reports their progress to the board, and returns when all are done. An
error in one job ends the others at their next evaluation."""


class Executor(Protocol):
    """A way to have jobs done. It passes plain data only, because a job may be done by another process, on another
    machine, and by another process than trained the stack before."""

    def machine(self) -> Machine:
        """What trials are planned for: how many stacks are trained side by side, and how many of them share a memory.

        Raises:
            BadInput: no worker can train.
        """
        ...

    def crew(self, work: Work, stacks: Sequence[PlannedStack], board: Board) -> AbstractContextManager[Crew]:
        """Returns the crew that does jobs of these stacks.

        Raises:
            BadInput: no worker can train.
        """
        ...

    def close(self) -> None:
        """Frees what the executor holds. It can be used again."""
        ...


@dataclass(frozen=True)
class LocalExecutor:
    """Trains stacks side by side in this process, one per core. Trials that Keras trains go one by one, since Keras has
    one state for all threads. A stack that pauses at a rung stays in memory."""

    def machine(self) -> Machine:
        """This machine."""
        return Machine()

    @contextmanager
    def crew(self, work: Work, stacks: Sequence[PlannedStack], board: Board) -> Iterator[Crew]:
        with makers(cores(), _processes(work.prepared, stacks)) as making:
            trainer = StackTrainer(work, stacks, board, making, holds=True)

            def do(jobs: Sequence[StackJob]) -> list[Done]:
                stacked = [each for each in jobs if work.stack(each.stack_id).stacked]
                beside = beside_each_other([work.stack(each.stack_id) for each in stacked])
                done = _side_by_side(trainer.do, stacked, beside, board)
                try:
                    for each in jobs:
                        if each not in stacked:
                            board.show()
                            done.append(trainer.do(each))
                except BaseException:
                    board.stop()  # this ends the making of augmented copies, too
                    raise
                return done

            yield do

    def close(self) -> None:
        """There is nothing to free."""


LOCAL = LocalExecutor()


def _side_by_side(work: Callable[[StackJob], Done], jobs: Sequence[StackJob], beside: int, board: Board) -> list[Done]:
    with ThreadPoolExecutor(beside) as pool:
        futures: list[Future[Done]] = [pool.submit(work, each) for each in jobs]
        try:
            while wait(futures, timeout=0.2).not_done and not any(each.done() and each.exception() for each in futures):
                board.show()
            for future in futures:
                if future.done():
                    future.result()
            return [future.result() for future in futures]
        except BaseException:
            board.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def beside_each_other(stacks: Sequence[PlannedStack], more_bytes: int = 0) -> int:
    """How many stacks are trained side by side on this machine: one per core, but fewer where memory does not hold as
    many copies of the largest stack.

    Args:
        more_bytes: Bytes that each stack takes in addition to its own memory.
    """
    largest = max((stack.memory_bytes for stack in stacks), default=1)
    return max(1, min(cores(), memory_bytes() // (largest + more_bytes)))


_PROCESSES_PAY = 10.0
"""With fewer seconds of augmentation than this, no processes are started, even where they could pay."""


def _processes(prepared: PreparedByFold, waiting: Sequence[PlannedStack]) -> int:
    """How many processes make augmented rows; 1: this one only."""
    pays = sum(stack.augmentation_seconds for stack in waiting) > _PROCESSES_PAY
    return cores() if pays and all(each.dataset.form.processes_pay for each in prepared.values()) else 1
