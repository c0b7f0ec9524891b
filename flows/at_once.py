"""Limits how many runs of a home folder work at once. The others wait, so that cores and memory suffice."""

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
"""Folder in `cache/` of the home folder. It holds an empty file, a slot, for each run that may work at once. A working
run has its slot locked. The system frees the lock when the process ends, however it ends."""
_OF_A_RUN = 2_000_000_000
"""Bytes of memory that a run of common size takes, with some room. As many runs may work as fit into the memory."""
_POLL = 0.5
"""Seconds between two looks for a free slot."""


def at_most() -> int:
    """Returns how many runs may work at once: `BAKEOFF_AT_ONCE`, else one per core, fewer if the memory is small.

    Raises:
        BadInput: the variable does not hold a whole number from 1 on.
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
    """Waits for a free slot and holds it during the block, so that at most `at_most()` runs of a home folder are in it.

    Args:
        say: Called twice a second, while the run waits, with the reason.

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
    """Locks a free slot and returns its file; None if all are taken."""
    for number in range(most):
        slot = (folder / str(number)).open("ab")
        try:
            fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            slot.close()
        else:
            return slot
    return None
