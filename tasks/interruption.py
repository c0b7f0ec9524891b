"""Delays Ctrl-C and SIGTERM during imports of libraries, until the import is done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def signals_wait() -> Iterator[None]:
    """Context that delays SIGINT and SIGTERM until its block ends. It is for imports of large libraries: they run many
    weak reference callbacks and finalisers, and Python drops an exception that a signal handler raises inside these."""
    if threading.current_thread() is not threading.main_thread():  # other threads get no signals
        yield
        return
    came: list[int] = []
    before = {each: signal.getsignal(each) for each in SIGNALS if signal.getsignal(each) != signal.SIG_IGN}
    for each in before:
        signal.signal(each, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        for number in dict.fromkeys(came):
            signal.raise_signal(number)
