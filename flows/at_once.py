"""How many runs of a home folder work at once: the others wait, so that cores and memory suffice for those that do."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tasks.errors import BadInput
from tasks.memory import memory_bytes
from tasks.planning.cost_model import cores
from tasks.run_folder import private_folder

VARIABLE = "BAKEOFF_AT_ONCE"
FOLDER = "slots"
"""Below `cache/` of the home folder: an empty file for each run that may work, locked by that run. The system frees a
lock when its process ends, however it ends."""
_OF_A_RUN = 2_000_000_000
"""Bytes that a run of common size takes, with some room: so many runs are let in as fit into the memory."""
_POLL = 0.5
"""Seconds between two looks for a free slot."""


def at_most() -> int:
    """How many runs work at once: `BAKEOFF_AT_ONCE`, else one a core, fewer where the memory is small.

    Raises:
        BadInput: the variable holds no such number.
    """
    said = os.environ.get(VARIABLE, "")
    if not said:
        return max(1, min(cores(), memory_bytes() // _OF_A_RUN))
    if not said.isascii() or not said.isdecimal() or int(said) < 1:
        raise BadInput(
            "is no number of runs",
            where=VARIABLE,
            got=said,
            accepted="a whole number from 1 on",
            remedy="leave it out: then one run a core works at once, fewer where the memory is small",
        )
    return int(said)


@contextmanager
def taking_turns(home: Path, say: Callable[[str], None]) -> Iterator[None]:
    """A block that only as many runs of a home folder are in as `at_most` says; waits until it may begin.

    Args:
        say: Is told twice a second why it waits.

    Raises:
        BadInput: as `at_most`.
    """
    most = at_most()
    folder = private_folder(private_folder(home / "cache") / FOLDER)
    while (slot := _free(folder, most)) is None:
        runs = "another run" if most == 1 else f"{most} other runs"
        say(f"waits for {runs}, at most {most} at once ({VARIABLE}=N lets N work)")
        time.sleep(_POLL)
    try:
        yield
    finally:
        slot.close()


def _free(folder: Path, most: int) -> BinaryIO | None:
    """A slot, locked; None where all are taken."""
    for number in range(most):
        slot = (folder / str(number)).open("ab")
        try:
            fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            slot.close()
        else:
            return slot
    return None
