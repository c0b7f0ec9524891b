"""Ctrl-C and SIGTERM: the command ends with 130 or 143 wherever it is, and the run can be gone on with."""

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
    """A block in which both signals raise KeyboardInterrupt in the main thread, and are remembered. One that is
    ignored, as Ctrl-C is in a shell's background, stays so."""
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
    """130 after Ctrl-C, 143 after SIGTERM; None where neither came."""
    return 128 + _asked[0] if _asked else None


def stop_if_asked() -> None:
    """Raises KeyboardInterrupt where a signal came and what it raised was dropped, as Python does in finalisers."""
    if _asked and threading.current_thread() is threading.main_thread():
        raise KeyboardInterrupt
