"""Starts a Dask scheduler and its workers in processes of their own, as on other machines, and reads the scheduler's
state."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distributed import Client, Security

from tests.flows.command import PROJECT

WAIT = 300.0
"""Timeout in seconds; long, since a loaded machine is not a failure."""


@dataclass
class Processes:
    """A scheduler with workers. Each worker has one thread and no nanny, the process that would restart it.

    Args:
        folder: Folder of their logs and files.
        tls: Files of the certificate authority, of the certificate and of its key; empty: plain TCP.
        started: The started processes, the scheduler first.
    """

    folder: Path
    tls: Sequence[Path] = ()
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def _file(self) -> Path:
        return self.folder / "scheduler.json"

    @property
    def address(self) -> str:
        address: str = json.loads(until(lambda: self._file.is_file() and self._file.read_text()))["address"]
        return address

    @property
    def _certificates(self) -> list[str]:
        names = ("--tls-ca-file", "--tls-cert", "--tls-key")
        return [each for pair in zip(names, map(str, self.tls), strict=False) for each in pair]

    def scheduler(self) -> None:
        protocol = ["--protocol", "tls"] if self.tls else []
        self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(self._file),
            *protocol, *self._certificates,
        )  # fmt: skip
        assert self.address

    def worker(self, *more: str) -> subprocess.Popen[bytes]:
        return self._start(
            "worker", self.address, "--nthreads", "1", "--no-nanny", "--memory-limit", "0", "--no-dashboard",
            "--local-directory", str(self.folder), *self._certificates, *more,
        )  # fmt: skip

    def wait_for_workers(self, count: int) -> None:
        """Waits until the scheduler knows `count` workers, since the plan depends on their number."""
        names = ("tls_ca_file", "tls_client_cert", "tls_client_key")
        security = Security(**dict(zip(names, map(str, self.tls), strict=False)), require_encryption=bool(self.tls))
        with Client(self.address, security=security, set_as_default=False) as client:
            until(lambda: len(client.nthreads()) >= count)

    def _start(self, kind: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{kind}-{len(self.started)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{kind}", *arguments],
                cwd=PROJECT,
                env={name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"},
                stdout=log,
                stderr=log,
            )
        self.started.append(process)
        return process

    def stop(self) -> None:
        for process in reversed(self.started):
            process.send_signal(signal.SIGKILL)
            process.wait()


@contextmanager
def dask_processes(folder: Path, workers: int, tls: Sequence[Path] = ()) -> Iterator[Processes]:
    folder.mkdir(parents=True, exist_ok=True)
    processes = Processes(folder, tls)
    try:
        processes.scheduler()
        for _ in range(workers):
            processes.worker()
        processes.wait_for_workers(workers)
        yield processes
    finally:
        processes.stop()


def until(found: Callable[[], Any], seconds: float = WAIT) -> Any:
    """Calls a function until it returns a true value, and returns that; fails after `seconds`."""
    since = time.monotonic()
    while not (value := found()):
        assert time.monotonic() - since < seconds, "nothing came"
        time.sleep(0.05)
    return value


def begun(client: Any) -> list[tuple[str, str]]:
    """Returns the stack's id and the task's key for each time that a worker was given a stack, in order."""

    def log(dask_scheduler: Any) -> list[tuple[Any, ...]]:
        return [each[:3] for each in dask_scheduler.transition_log]

    return [
        (str(key).split("-")[1], str(key))
        for key, _, finish in client.run_on_scheduler(log)
        if finish == "processing" and str(key).startswith("stack-")
    ]


def held(client: Any) -> int:
    """Returns the number of tasks and results that the scheduler still holds."""

    def count(dask_scheduler: Any) -> int:
        return len(dask_scheduler.tasks)

    found: int = client.run_on_scheduler(count)
    return found


def trains(client: Any) -> dict[int, str]:
    """Returns the id of the stack that each busy worker trains, by the worker's process id."""

    def processing(dask_scheduler: Any) -> dict[str, list[str]]:
        return {name: [each.key for each in state.processing] for name, state in dask_scheduler.workers.items()}

    keys = client.run_on_scheduler(processing)
    return {pid: key.split("-")[1] for name, pid in client.run(os.getpid).items() for key in keys.get(name, ())}
