"""Ctrl-C and SIGTERM end the command at any point, with exit code 130 or 143. The run can be resumed."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tasks.interruption import SIGNALS

_asked: list[int] = []


@contextmanager
def listening() -> Iterator[None]:
    """In the block, both signals raise KeyboardInterrupt in the main thread, and are remembered. A signal that is
    ignored already, as Ctrl-C is in a shell's background, stays ignored."""
    _asked.clear()
    before = {each: signal.getsignal(each) for each in SIGNALS if signal.getsignal(each) != signal.SIG_IGN}
    for each in before:
        signal.signal(each, _stop)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    _asked.append(number)
    raise KeyboardInterrupt


def exit_code() -> int | None:
    """Returns 130 after Ctrl-C, 143 after SIGTERM, None if neither came."""
    return 128 + _asked[0] if _asked else None


def stop_if_asked() -> None:
    """Raises KeyboardInterrupt again if a signal came but its exception was dropped, as Python does in finalisers."""
    if _asked and threading.current_thread() is threading.main_thread():
        raise KeyboardInterrupt
