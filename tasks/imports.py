"""Imports large libraries: never interrupted by a signal, and without Python's garbage collector."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tasks.interruption import signals_wait


@contextmanager
def importing() -> Iterator[None]:
    """Context for a block of imports. Modules are hundreds of thousands of objects and hold almost no garbage:
    collecting during the imports takes a quarter of their time. Later collections skip these objects too."""
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
