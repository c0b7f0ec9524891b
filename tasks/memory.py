"""How much memory there is. Data, models and trainings that need more are refused before any work on them begins."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

_CONTAINER = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def memory_bytes() -> int:
    """The most memory that this process may use: the machine's memory, or less where a container or a limit
    (`ulimit -v`) allows less. It is not the memory that is free now, so two runs of one spec get the same answer."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in _CONTAINER:
        with suppress(OSError, ValueError):  # there is none, or it says "max"
            limits.append(int(path.read_text(encoding="ascii")))
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        limits.append(limit)
    return min(limits)


def give_back() -> None:
    """Returns freed memory to the system. glibc and Arrow keep freed memory, so the peaks of the stages would add up.
    Without glibc, only Arrow's memory is returned."""
    if pyarrow := sys.modules.get("pyarrow"):
        pyarrow.default_memory_pool().release_unused()
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def gigabytes(count: int) -> str:
    """A number of bytes as text, in gigabytes.

    >>> gigabytes(1_610_612_736)
    '1.6 GB'
    """
    return f"{count / 1e9:,.1f} GB"
