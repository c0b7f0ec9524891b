"""Who trains the stacks of a job: the threads of this process, or processes elsewhere (`tasks.distributed`)."""

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
"""Does jobs, those that are given first begun first, and returns when all are done. Before that it tells the board how
far they are. An error ends the others with their next evaluation."""


class Executor(Protocol):
    """A way to have jobs done. It is asked for nothing but plain data: whoever does a job may be another process, on
    another machine, and another one than had the stack before."""

    def machine(self) -> Machine:
        """What trials are laid out for: how many stacks are trained side by side, and how many of them share a memory.

        Raises:
            BadInput: nobody can train.
        """
        ...

    def crew(self, work: Work, stacks: Sequence[PlannedStack], board: Board) -> AbstractContextManager[Crew]:
        """Who does jobs of these stacks.

        Raises:
            BadInput: nobody can.
        """
        ...

    def close(self) -> None:
        """Frees what it holds. It can be used again."""
        ...


@dataclass(frozen=True)
class LocalExecutor:
    """Stacks side by side in this process, one a core; what Keras trains one by one, since Keras has one state for all
    threads. A stack that pauses at a rung stays in memory."""

    def machine(self) -> Machine:
        """This one."""
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
                    board.stop()  # which ends the making of copies, too
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
    """How many stacks are trained side by side on this machine: as many as there are cores, fewer where the largest
    would not fit in memory so often.

    Args:
        more_bytes: What each takes beside its own memory.
    """
    largest = max((stack.memory_bytes for stack in stacks), default=1)
    return max(1, min(cores(), memory_bytes() // (largest + more_bytes)))


_PROCESSES_PAY = 10.0
"""Seconds of augmentation from which on processes are started, where they can pay at all."""


def _processes(prepared: PreparedByFold, waiting: Sequence[PlannedStack]) -> int:
    """How many processes make augmented rows; 1: only this one."""
    pays = sum(stack.augmentation_seconds for stack in waiting) > _PROCESSES_PAY
    return cores() if pays and all(each.dataset.form.processes_pay for each in prepared.values()) else 1
