"""Imports of large libraries: whole, whatever signal comes meanwhile, and without Python's collector of garbage."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tasks.interruption import signals_wait


@contextmanager
def importing() -> Iterator[None]:
    """A block of imports. Modules are hundreds of thousands of objects and hold next to no garbage: to look for it,
    again and again, takes a quarter of the time. Later collections need not look at them either."""
    collects, modules = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        with signals_wait():
            yield
    finally:
        if len(sys.modules) > modules:
            gc.freeze()
        if collects:
            gc.enable()
