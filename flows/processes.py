"""Starts processes that outlive the command, apart from its terminal; later stops exactly those processes."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil


@dataclass(frozen=True)
class Started:
    """A process that was started here.

    Args:
        name: What it is.
        pid: Its process number, which another process may get later.
        created: When it began, in seconds since 1970. Together with `pid` it identifies the process.
    """

    name: str
    pid: int
    created: float

    def found(self) -> psutil.Process | None:
        """Returns the process if it still runs, else None."""
        with suppress(psutil.Error):
            process = psutil.Process(self.pid)
            if process.create_time() == self.created and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def start(name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> Started:
    """Starts a process in a session of its own, so that Ctrl-C in this terminal does not reach it."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # Started from a shell's background, it would inherit that SIGINT is ignored; `stop` ends it by SIGINT.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
    return Started(name, process.pid, psutil.Process(process.pid).create_time())


def stop(started: Started, seconds: float = 20.0) -> bool:
    """Ends a process and all that it started: by SIGINT, then SIGTERM, then SIGKILL. Returns whether it still ran."""
    process = started.found()
    if process is None:
        return False
    family = [process]
    with suppress(psutil.Error):
        family += process.children(recursive=True)
    for ask, wait in ((process.send_signal, seconds), (None, 5.0)):
        if ask:
            with suppress(psutil.Error):
                ask(signal.SIGINT)
        else:
            for each in family:
                with suppress(psutil.Error):
                    each.terminate()
        _, family = psutil.wait_procs(family, timeout=wait)
    for each in family:
        with suppress(psutil.Error):
            each.kill()
    psutil.wait_procs(family, timeout=5.0)
    return True
